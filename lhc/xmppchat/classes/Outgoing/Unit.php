<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Outgoing;

/** Rows of the outbox that are done together, and the requests that they make. */
final class Unit
{
    /**
     * @param list<int> $rows ids of the rows
     * @param list<Step> $steps in order; none if nothing has to be sent
     * @param ?ChatProgress $progress for a chat: what is recorded of it
     * @param bool $complete whether the rows are done when all steps are
     * @param string $kind of the rows
     * @param int $tries of the rows before
     * @param int $revision of what was told of the chat, when it was read
     * @param array<string, int> $told columns of `lhc_xmppchat_chat` that are true when all of it is done
     * @param ?array<string, int> $begins columns of it that are written before a chat's first request
     */
    public function __construct(
        public readonly array $rows,
        public readonly string $kind,
        public readonly string $visitor,
        public readonly int $tries,
        public readonly array $steps,
        public readonly ?ChatProgress $progress = null,
        public readonly bool $complete = true,
        public readonly int $revision = 0,
        public readonly array $told = [],
        public readonly ?array $begins = null,
    ) {
    }

    /** The same with so many of its steps: the others follow in the next batch. */
    public function first(int $steps): self
    {
        return new self(
            $this->rows,
            $this->kind,
            $this->visitor,
            $this->tries,
            array_slice($this->steps, 0, $steps),
            $this->progress,
            false,
            $this->revision,
            [],
            $steps > 0 ? $this->begins : null,
        );
    }
}
