<?php

declare(strict_types=1);

namespace XmppChat\Lhc;

/** The state of the link to the service, as it was read. Times are ms since 1970, 0 for never. */
final class LinkState
{
    /**
     * @param string $host name of the service's host that cron has looked up
     * @param list<string> $addresses its IP addresses
     */
    public function __construct(
        public readonly int $openUntil = 0,
        public readonly int $failures = 0,
        public readonly int $openedAt = 0,
        public readonly string $reason = '',
        public readonly string $host = '',
        public readonly array $addresses = [],
        public readonly int $resolvedAt = 0,
        public readonly int $cronAt = 0,
        public readonly int $sentAt = 0,
        public readonly int $heardAt = 0,
    ) {
    }

    /** Whether web workers must leave the service alone. Only cron, or a callback, ends this. */
    public function isOpen(): bool
    {
        return $this->openUntil > 0;
    }
}
