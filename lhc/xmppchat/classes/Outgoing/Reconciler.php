<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Outgoing;

use XmppChat\Lhc\Clock;
use XmppChat\Lhc\Database;
use XmppChat\Lhc\Told;

/**
 * Finds chats that differ from what the service was told, whatever the reason: an event that LHC does not have, one that
 * was lost, a time without the extension. Each gets a mark.
 */
final class Reconciler
{
    /** Chats that one look finds at most, of each kind. */
    private const CHATS_MAX = 100;
    /** Seconds for which a chat that the service does not know is still of interest. */
    private const AGE_MAX_S = 86_400;

    public function __construct(
        private readonly Database $database,
        private readonly Outbox $outbox,
        private readonly Clock $clock,
    ) {
    }

    /** @return int chats that were marked */
    public function run(): int
    {
        $chats = [...$this->unknown(), ...$this->different()];
        foreach ($chats as $chat) {
            $this->outbox->add(Outbox::CHAT, (string) $chat['visitor'], (int) $chat['id']);
        }
        return count($chats);
    }

    /** Open chats without a "started". @return list<array<string, mixed>> */
    private function unknown(): array
    {
        return $this->database->rows(
            "SELECT c.id, CASE WHEN c.online_user_id > 0 THEN c.online_user_id ELSE CONCAT(c.id, '.chat') END visitor
             FROM lh_chat c LEFT JOIN " . Told::TABLE . ' t ON t.chat_id = c.id
             WHERE c.status IN (0, 1) AND c.status_sub NOT IN (3, 7, 9) AND c.time > ?
                 AND COALESCE(t.started, 0) = 0 AND ' . self::unmarked('c.id') . '
             ORDER BY c.id LIMIT ' . self::CHATS_MAX,
            [intdiv($this->clock->nowMs(), 1_000) - self::AGE_MAX_S],
        );
    }

    /** Chats that are open for the service and different in LHC. @return list<array<string, mixed>> */
    private function different(): array
    {
        return $this->database->rows(
            'SELECT t.chat_id id, t.visitor FROM ' . Told::TABLE . " t LEFT JOIN lh_chat c ON c.id = t.chat_id
             WHERE t.closed = 0 AND t.started = 1 AND (
                 c.id IS NULL OR c.status = 2 OR c.status_sub IN (3, 9)
                 OR c.user_id <> t.owner_id OR c.dep_id <> t.dep_id OR (c.status IN (0, 1) AND c.status <> t.status)
                 OR c.last_msg_id > GREATEST(t.last_msg_id, SUBSTRING_INDEX(t.seen, ',', -1) + 0)
             ) AND " . self::unmarked('t.chat_id') . '
             ORDER BY t.chat_id LIMIT ' . self::CHATS_MAX,
        );
    }

    private static function unmarked(string $id): string
    {
        return 'NOT EXISTS (SELECT 1 FROM ' . Outbox::TABLE . " o WHERE o.chat_id = {$id} AND o.kind = 'chat')";
    }
}
