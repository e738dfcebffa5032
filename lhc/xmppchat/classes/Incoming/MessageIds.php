<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Incoming;

use XmppChat\Lhc\Database;

/**
 * Which row of LHC's `lh_msg` a message of the service became. The sender leaves these rows out, and corrections find
 * them. An operator's client may use an id twice: then the id means the newer row, and the older one stays known as ours.
 */
final class MessageIds
{
    private const TABLE = 'lhc_xmppchat_message';
    private const ID_MAX = 191;
    /** Ids that we send for LHC's own rows begin so. */
    private const OURS = 'lhc-';

    public function __construct(private readonly Database $database)
    {
    }

    /** Remembers that the message `$id` of the service is this row. */
    public function remember(string $visitor, string $id, int $rowId, int $chatId): void
    {
        $key = self::key($id);
        $this->database->run(
            'UPDATE ' . self::TABLE . " SET xmpp_id = CONCAT('~', msg_id, '~', LEFT(xmpp_id, 160)) WHERE visitor = ? AND xmpp_id = ? AND msg_id <> ?",
            [$visitor, $key, $rowId],
        );
        $this->database->run(
            'INSERT INTO ' . self::TABLE . ' (visitor, xmpp_id, msg_id, chat_id) VALUES (?, ?, ?, ?)
             ON DUPLICATE KEY UPDATE chat_id = VALUES(chat_id)',
            [$visitor, $key, $rowId, $chatId],
        );
    }

    /** The row of an operator's message; null if there is none. */
    public function row(string $visitor, string $id): ?int
    {
        $row = $this->database->value(
            'SELECT msg_id FROM ' . self::TABLE . ' WHERE visitor = ? AND xmpp_id = ?',
            [$visitor, self::key($id)],
        );
        return $row === null ? null : (int) $row;
    }

    /** The first row of an operator in a chat with this text. */
    public function rowWith(int $chatId, int $userId, string $text): ?int
    {
        $row = $this->database->value(
            'SELECT id FROM lh_msg WHERE chat_id = ? AND user_id = ? AND TRIM(msg) = ? ORDER BY id LIMIT 1',
            [$chatId, $userId, $text],
        );
        return $row === null ? null : (int) $row;
    }

    /** The row of any message of this chat that the service knows by this id. */
    public function rowIn(int $chatId, string $visitor, string $id): ?int
    {
        $rowId = self::ours((string) preg_replace('/\.[1-9]$/D', '', $id)) ?? $this->row($visitor, $id);
        $found = $this->database->value('SELECT id FROM lh_msg WHERE id = ? AND chat_id = ?', [$rowId ?? 0, $chatId]);
        return $found === null ? null : (int) $found;
    }

    /** The row of a visitor's message, which the service knows as `lhc-{row}`; null if the id is none of ours. */
    public static function ours(string $messageId): ?int
    {
        return preg_match('/^' . self::OURS . '([1-9][0-9]{0,17})$/D', $messageId, $found) === 1 ? (int) $found[1] : null;
    }

    /** What a row of ours carries, so that it can be told from others in LHC's own tables. */
    public static function mark(string $id): array
    {
        return ['xmppchat' => ['id' => $id]];
    }

    private static function key(string $id): string
    {
        return mb_strlen($id) > self::ID_MAX || str_starts_with($id, '~') ? 'sha256-' . hash('sha256', $id) : $id;
    }
}
