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

    /**
     * A web worker, after the visitor has the answer. It is occupied meanwhile, but it is the only one: there is one
     * sender, and the first time-out opens the breaker for all. A shorter time would take a service that is busy for
     * one that is away, and then everybody waits for cron.
     */
    public static function web(): self
    {
        return new self(1_000, 2, false);
    }

    /** Cron: the service answers within 4.5 s. It alone tries whether the service is back. */
    public static function cron(): self
    {
        return new self(5_000, 50, true);
    }
}
