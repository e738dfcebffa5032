<?php

declare(strict_types=1);

/** LHC's bots (lib/core/lhgenericbot/lhgenericbotworkflow.php). The double has none: there are no events to remove. */
final class erLhcoreClassGenericBotWorkflow
{
    public static function removePreviousEvents($chat_id)
    {
    }
}
