<?php

declare(strict_types=1);

namespace XmppChat\Lhc;

/**
 * What the service knows of each chat (table `lhc_xmppchat_chat`): what it was told, and what it told us. The sender
 * compares a chat with this and sends the difference. So whoever changes a chat because the service asked for it writes
 * the same here, in the same transaction; then nothing of it is echoed.
 *
 * `last_msg_id` belongs to the sender alone: rows above it may still have to be sent. A message that came from the
 * service is left out by its row in `lhc_xmppchat_message`.
 */
final class Told
{
    public const TABLE = 'lhc_xmppchat_chat';
    private const COLUMNS = ['started', 'last_msg_id', 'owner_id', 'dep_id', 'status', 'closed'];

    public function __construct(private readonly Database $database, private readonly Clock $clock)
    {
    }

    /** @return ?array{chat_id: int, visitor: string, started: int, last_msg_id: int, owner_id: int, dep_id: int, status: int, closed: int, updated_at: int} */
    public function find(int $chatId): ?array
    {
        $row = $this->database->row('SELECT * FROM ' . self::TABLE . ' WHERE chat_id = ?', [$chatId]);
        if ($row === null) {
            return null;
        }
        $visitor = (string) $row['visitor'];
        return ['visitor' => $visitor] + array_map('intval', $row);
    }

    /**
     * Records what the service knows now. Columns that are not named stay.
     *
     * @param array<string, int> $values by column: started, owner_id, dep_id, status, closed, and the sender's last_msg_id
     * @throws \InvalidArgumentException for a column that there is not
     */
    public function record(int $chatId, string $visitor, array $values): void
    {
        foreach (array_diff(array_keys($values), self::COLUMNS) as $column) {
            throw new \InvalidArgumentException("{$column}: there is no such column");
        }
        $values += ['updated_at' => $this->clock->nowMs()];
        $columns = array_keys($values);
        $this->database->run(
            'INSERT INTO ' . self::TABLE . ' (chat_id, visitor, ' . implode(', ', $columns) . ')
             VALUES (?, ?, ' . Database::marks($columns) . ')
             ON DUPLICATE KEY UPDATE ' .
                implode(', ', array_map(fn (string $column): string => "{$column} = VALUES({$column})", $columns)),
            [$chatId, $visitor, ...array_values($values)],
        );
    }
}
