<?php

declare(strict_types=1);

namespace XmppChat\Lhc;

/**
 * What the service knows of each chat (table `lhc_xmppchat_chat`): what it was told, and what it told us. The sender
 * compares a chat with this and sends the difference. So whoever changes a chat because the service asked for it writes
 * the same here, in the same transaction; then nothing of it is echoed.
 *
 * `last_msg_id` and `seen` belong to the sender alone: all rows up to the first are done, and of those above it the ones
 * in `seen` (ids, by commas). A row's id is given before its commit, so a lower one may appear later. A message that came
 * from the service is left out by its row in `lhc_xmppchat_message`. An invitation has no row in LHC yet: it is recorded
 * there with `msg_id` 0, and the sender writes the id when the visitor has answered it.
 *
 * `revision` grows with each record. It is part of the ids of requests, so the same change at another time is another
 * request.
 */
final class Told
{
    public const TABLE = 'lhc_xmppchat_chat';
    private const COLUMNS = ['started', 'last_msg_id', 'seen', 'owner_id', 'dep_id', 'status', 'closed'];

    public function __construct(private readonly Database $database, private readonly Clock $clock)
    {
    }

    /** @return ?array<string, int|string> the row; `visitor` and `seen` are texts */
    public function find(int $chatId): ?array
    {
        $row = $this->database->row('SELECT * FROM ' . self::TABLE . ' WHERE chat_id = ?', [$chatId]);
        if ($row === null) {
            return null;
        }
        $texts = ['visitor' => (string) $row['visitor'], 'seen' => (string) $row['seen']];
        return $texts + array_map('intval', $row);
    }

    /**
     * Records what the service knows now. Columns that are not named stay.
     *
     * @param array<string, int|string> $values by column: started, owner_id, dep_id, status, closed; the sender's also
     *   last_msg_id, seen
     * @throws \InvalidArgumentException for a column that there is not
     */
    public function record(int $chatId, string $visitor, array $values): void
    {
        foreach (array_diff(array_keys($values), self::COLUMNS) as $column) {
            throw new \InvalidArgumentException("{$column}: there is no such column");
        }
        $this->write($chatId, $visitor, 1, $values + ['updated_at' => $this->clock->nowMs()]);
    }

    /**
     * Before a chat is told of: callbacks about it may come before the answer, and what they record must stand. Not a
     * revision, so that a repeat has the same ids.
     *
     * @param array<string, int> $values by column
     */
    public function begin(int $chatId, string $visitor, array $values): void
    {
        $this->write($chatId, $visitor, 0, $values);
    }

    /**
     * @param int $revisions by how much the revision grows
     * @param array<string, int|string> $values by column
     */
    private function write(int $chatId, string $visitor, int $revisions, array $values): void
    {
        $columns = array_keys($values);
        $this->database->run(
            'INSERT INTO ' . self::TABLE . ' (chat_id, visitor, revision, ' . implode(', ', $columns) . ')
             VALUES (?, ?, ?, ' . Database::marks($columns) . ')
             ON DUPLICATE KEY UPDATE revision = revision + VALUES(revision), ' . Database::newValues($columns),
            [$chatId, $visitor, $revisions, ...array_values($values)],
        );
    }
}
