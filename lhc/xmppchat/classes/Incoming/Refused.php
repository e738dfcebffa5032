<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Incoming;

/** LHC does not do what the operator wants. They read why; the service does not try again. */
final class Refused extends \RuntimeException
{
    /**
     * @param string $reason one of `chat-ended`, `chat-unknown`, `visitor-unknown`, `operator-unknown`,
     *     `operator-disabled`, `not-allowed`, `command-refused`, `not-possible`
     * @param string $text   one line for the operator, if the service has no words of its own for the code
     */
    public function __construct(public readonly string $reason, string $text)
    {
        parent::__construct($text);
    }
}
