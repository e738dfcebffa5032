<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Outgoing;

use XmppChat\Lhc\Database;
use XmppChat\Lhc\Told;

/**
 * Reads a chat as it is now beside what the service was told. From LHC's tables: its models read in several statements,
 * and a callback that is carried out between two of them would look like a change made in LHC.
 */
final class ChatReader
{
    /** Rows of one chat that one look brings at most; the others come with the next. */
    public const ROWS_MAX = 200;
    /** The author of LHC's bot's rows. */
    private const BOT = -2;

    /** @var array<int, string> */
    private array $departments = [];
    /** @var array<int, string> */
    private array $users = [];

    public function __construct(private readonly Database $database)
    {
    }

    /**
     * The chat and what was told of it, in one statement.
     *
     * @return array<string, mixed> columns of the chat as `c_…` (null if there is no such chat), of the other as `t_…`
     */
    public function chat(int $chatId): array
    {
        $row = $this->database->row(
            'SELECT c.id c_id, c.nick c_nick, c.status c_status, c.status_sub c_status_sub, c.user_id c_user_id,
                 c.dep_id c_dep_id, c.online_user_id c_online_user_id, c.gbot_id c_gbot_id,
                 c.chat_initiator c_chat_initiator,
                 t.visitor t_visitor, t.started t_started, t.closed t_closed, t.owner_id t_owner_id, t.dep_id t_dep_id,
                 t.status t_status, t.last_msg_id t_last_msg_id, t.seen t_seen, t.revision t_revision
             FROM (SELECT ? id) q
             LEFT JOIN lh_chat c ON c.id = q.id
             LEFT JOIN ' . Told::TABLE . ' t ON t.chat_id = q.id',
            [$chatId],
        );
        return $row ?? [];
    }

    /**
     * Rows of the chat that are not done, in order. `ours` is 1 for a message that came from the service.
     *
     * @return list<array{id: int, user_id: int, msg: string, name_support: string, meta: array<mixed>, ours: bool}>
     */
    public function messages(ChatProgress $progress): array
    {
        $rows = $this->database->rows(
            'SELECT m.id, m.user_id, m.msg, m.name_support, m.meta_msg,
                 EXISTS (SELECT 1 FROM lhc_xmppchat_message x WHERE x.msg_id = m.id) AS ours
             FROM lh_msg m WHERE m.chat_id = ? AND m.id > ? ORDER BY m.id LIMIT ' . (self::ROWS_MAX + 64),
            [$progress->chatId, $progress->floor()],
        );
        $found = [];
        foreach ($rows as $row) {
            if ($progress->isDone((int) $row['id'])) {
                continue;
            }
            $meta = json_decode((string) $row['meta_msg'], true, 32);
            $meta = is_array($meta) ? $meta : [];
            $found[] = [
                'id' => (int) $row['id'],
                'user_id' => (int) $row['user_id'],
                'msg' => (string) $row['msg'],
                'name_support' => (string) $row['name_support'],
                'meta' => $meta,
                'ours' => (int) $row['ours'] === 1 || isset($meta['content']['xmppchat']),
            ];
        }
        return $found;
    }

    /** Whether the visitor was invited by an XMPP operator, and has not answered before. */
    public function hasInvitation(string $visitor): bool
    {
        return $this->database->value(
            'SELECT 1 FROM lhc_xmppchat_message WHERE visitor = ? AND msg_id = 0 LIMIT 1',
            [$visitor],
        ) !== null;
    }

    /** The name of a department; empty if there is none. */
    public function department(int $id): string
    {
        return $this->departments[$id] ??= trim((string) $this->database->value(
            'SELECT name FROM lh_departament WHERE id = ?',
            [$id],
        ));
    }

    /** The name that LHC shows of a user; empty if there is no such user. */
    public function user(int $id): string
    {
        return $this->users[$id] ??= trim((string) $this->database->value(
            "SELECT CASE WHEN chat_nickname <> '' THEN chat_nickname ELSE CONCAT(name, ' ', surname) END
             FROM lh_users WHERE id = ?",
            [$id],
        ));
    }

    /** What an author of rows is called. @param string $shown the name that LHC showed with the row */
    public function name(int $userId, string $shown): string
    {
        $name = trim($shown) !== '' ? trim($shown) : ($userId > 0 ? $this->user($userId) : '');
        return $name !== '' ? mb_substr($name, 0, 100, 'UTF-8') : ($userId === self::BOT ? 'Bot' : "LHC user {$userId}");
    }

    /** Whether the user has an account of an XMPP operator. */
    public function isOperator(int $userId): bool
    {
        return $this->database->value('SELECT 1 FROM lhc_xmppchat_account WHERE user_id = ?', [$userId]) !== null;
    }

    /** Another chat of the visitor that the service has as open; null if there is none. */
    public function otherOpenChat(string $visitor, int $chatId): ?int
    {
        $id = $this->database->value(
            'SELECT chat_id FROM ' . Told::TABLE . '
             WHERE visitor = ? AND started = 1 AND closed = 0 AND chat_id <> ? LIMIT 1',
            [$visitor, $chatId],
        );
        return $id === null ? null : (int) $id;
    }
}
