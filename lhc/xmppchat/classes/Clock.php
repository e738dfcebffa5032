<?php

declare(strict_types=1);

namespace XmppChat\Lhc;

/** The time of now. Tests give a source of their own. */
final class Clock
{
    /** @param ?\Closure(): int $source ms since 1970; the system's clock when absent */
    public function __construct(private readonly ?\Closure $source = null)
    {
    }

    /** Ms since 1970. */
    public function nowMs(): int
    {
        return $this->source === null ? (int) (microtime(true) * 1000) : ($this->source)();
    }
}
