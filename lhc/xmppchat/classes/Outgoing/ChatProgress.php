<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Outgoing;

/**
 * Which rows of a chat are done. All up to a floor, and some above it: a row with a lower id may be committed later,
 * by a transaction that took longer.
 */
final class ChatProgress
{
    /** Ids above the floor that are kept: so many rows may overtake one that is still in its transaction. */
    private const SEEN_MAX = 32;

    /** @var list<int> ascending */
    private array $seen;
    /** @var array<int, true> rows that have requests which the service has not taken yet */
    private array $open = [];

    /**
     * @param int $floor all rows up to this id are done
     * @param string $seen ids above it that are done, by commas
     */
    public function __construct(public readonly int $chatId, private int $floor, string $seen)
    {
        $this->seen = $seen === '' ? [] : array_map('intval', explode(',', $seen));
    }

    public function floor(): int
    {
        return $this->floor;
    }

    public function isDone(int $messageId): bool
    {
        return $messageId <= $this->floor || in_array($messageId, $this->seen, true);
    }

    /** The row is told by requests; the floor stays below it until `done`. */
    public function waits(int $messageId): void
    {
        $this->open[$messageId] = true;
    }

    public function done(int $messageId): void
    {
        unset($this->open[$messageId]);
        if ($this->isDone($messageId)) {
            return;
        }
        $this->seen[] = $messageId;
        sort($this->seen);
        while (count($this->seen) > self::SEEN_MAX) {
            if ($this->open === [] || $this->seen[0] < min(array_keys($this->open))) {
                $this->floor = (int) array_shift($this->seen);
            } else {
                // It is looked at once more: a request for it would be a repeat, with the same id.
                array_pop($this->seen);
            }
        }
    }

    /** @return array{last_msg_id: int, seen: string} the columns of `lhc_xmppchat_chat` */
    public function columns(): array
    {
        return ['last_msg_id' => $this->floor, 'seen' => implode(',', $this->seen)];
    }
}
