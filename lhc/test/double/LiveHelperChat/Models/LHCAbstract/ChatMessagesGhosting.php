<?php

declare(strict_types=1);

namespace LiveHelperChat\Models\LHCAbstract;

/** LHC's "guardrails": what must not be said (lib/vendor_lhc, class of the same name). The double masks one word. */
final class ChatMessagesGhosting
{
    public const MSG_TYPE_VISITOR_TO_OPERATOR = 0;
    public const MSG_TYPE_OPERATOR_TO_VISITOR = 1;

    public static function maskMessage($message, $params = [])
    {
        return ['message' => str_replace('4111', '[mask]4111[/mask]', $message), 'warning' => 'No card numbers'];
    }
}
