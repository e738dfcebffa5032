<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Outgoing;

/** How much a sender may do. */
final class Pace
{
    private function __construct(
        public readonly int $timeoutMs,
        public readonly int $batches,
        public readonly bool $probes,
    ) {
    }

    /** A web worker, after the visitor has the answer: it is occupied meanwhile. */
    public static function web(): self
    {
        return new self(300, 2, false);
    }

    /** Cron: the service answers within 4.5 s. It alone tries whether the service is back. */
    public static function cron(): self
    {
        return new self(5_000, 50, true);
    }
}
