<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Outgoing;

use XmppChat\Lhc\Clock;
use XmppChat\Lhc\Database;
use XmppChat\Lhc\Told;

/** Deletes what is of no use any more. Reads ids first and deletes by them, so it locks nothing that others need. */
final class Cleaner
{
    /** Ms for which ids of callbacks, closed chats and failed rows are kept. The service repeats a callback for days. */
    private const KEEP_MS = 30 * 86_400_000;
    /** Ms after which a page view that waits tells operators nothing true. */
    private const VIEWS_MS = 30 * 60_000;
    /** Rows of one kind that one run deletes at most. */
    private const ROWS_MAX = 1_000;

    public function __construct(
        private readonly Database $database,
        private readonly Outbox $outbox,
        private readonly Clock $clock,
    ) {
    }

    public function run(): void
    {
        $before = $this->clock->nowMs() - self::KEEP_MS;
        $this->outbox->dropViewsBefore($this->clock->nowMs() - self::VIEWS_MS);
        $this->outbox->trim();
        $this->delete(Outbox::TABLE, 'id', 'state = ' . Outbox::FAILED . ' AND created_at < ?', [$before]);
        $this->delete('lhc_xmppchat_webhook', 'webhook_id', 'at < ?', [$before]);
        $chats = $this->delete(Told::TABLE, 'chat_id', 'closed = 1 AND updated_at < ?', [$before]);
        if ($chats !== []) {
            $this->database->run(
                'DELETE FROM lhc_xmppchat_message WHERE msg_id IN (SELECT id FROM lh_msg WHERE chat_id IN ('
                    . Database::marks($chats) . '))',
                $chats,
            );
        }
        $this->forgetVisitors();
    }

    /** Messages of visitors whom LHC has forgotten: invitations that nobody answered, and chats that were deleted. */
    private function forgetVisitors(): void
    {
        $this->database->run(
            "DELETE FROM lhc_xmppchat_message WHERE visitor IN (SELECT visitor FROM (
                 SELECT DISTINCT m.visitor FROM lhc_xmppchat_message m
                 LEFT JOIN lh_chat_online_user u ON u.id = CAST(m.visitor AS UNSIGNED)
                 LEFT JOIN lh_chat c ON c.id = m.chat_id
                 WHERE m.visitor NOT LIKE '%.chat' AND u.id IS NULL AND c.id IS NULL LIMIT " . self::ROWS_MAX . '
             ) gone)',
        );
    }

    /**
     * @param list<int> $parameters
     * @return list<int|string> the keys that were deleted
     */
    private function delete(string $table, string $key, string $where, array $parameters): array
    {
        $keys = array_column(
            $this->database->rows("SELECT {$key} k FROM {$table} WHERE {$where} LIMIT " . self::ROWS_MAX, $parameters),
            'k',
        );
        foreach (array_chunk($keys, 200) as $some) {
            $this->database->run("DELETE FROM {$table} WHERE {$key} IN (" . Database::marks($some) . ')', $some);
        }
        return $keys;
    }
}
