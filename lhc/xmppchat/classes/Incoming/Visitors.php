<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Incoming;

use XmppChat\Lhc\Database;
use XmppChat\Lhc\Outgoing\Visitor;
use XmppChat\Lhc\Told;

/**
 * Finds and locks what a callback is about. The lock is asked for in a statement of our own: LHC's `fetchAndLock` says
 * "there is none" also when the database could not give the lock. Order of locks: chat before visitor, as in LHC's pages.
 */
final class Visitors
{
    public const VISITOR_MAX_BYTES = 256;
    private const CHAT_MAX_BYTES = 256;
    /** The visitor is gone for good, or looks at a form: LHC shows them no more of this chat (as in its "send notice"). */
    private const ENDED = [
        \erLhcoreClassModelChat::STATUS_SUB_USER_CLOSED_CHAT,
        \erLhcoreClassModelChat::STATUS_SUB_SURVEY_COMPLETED,
        \erLhcoreClassModelChat::STATUS_SUB_SURVEY_SHOW,
        \erLhcoreClassModelChat::STATUS_SUB_CONTACT_FORM,
    ];
    private const OPEN = [
        \erLhcoreClassModelChat::STATUS_PENDING_CHAT,
        \erLhcoreClassModelChat::STATUS_ACTIVE_CHAT,
        \erLhcoreClassModelChat::STATUS_BOT_CHAT,
    ];

    public function __construct(private readonly Database $database, private readonly Told $told)
    {
    }

    /** @throws Malformed */
    public function key(Callback $callback): string
    {
        return $callback->data->text('visitor', self::VISITOR_MAX_BYTES);
    }

    /**
     * The chat of the callback, locked.
     *
     * @throws Malformed
     * @throws Refused if there is none, or it is another visitor's
     */
    public function chat(Callback $callback): \erLhcoreClassModelChat
    {
        return $this->find($this->key($callback), $callback->data->text('chatId', self::CHAT_MAX_BYTES))
            ?? throw new Refused('chat-unknown', 'Live Helper Chat has no such chat of this visitor');
    }

    /** As `chat`; null if there is none. */
    public function chatIfThere(Callback $callback): ?\erLhcoreClassModelChat
    {
        $chatId = $callback->data->optionalText('chatId', self::CHAT_MAX_BYTES);
        return $chatId === null ? null : $this->find($this->key($callback), $chatId);
    }

    /** The chat with this id, locked; whoever's it is. */
    public function lockChat(int $id): ?\erLhcoreClassModelChat
    {
        if ($this->database->value('SELECT id FROM lh_chat WHERE id = ? FOR UPDATE', [$id]) === null) {
            return null;
        }
        $chat = \erLhcoreClassModelChat::fetchAndLock($id);
        return $chat instanceof \erLhcoreClassModelChat ? $chat : throw new Busy('a chat could not be locked');
    }

    /**
     * The visitor on the site, with the chat that they are in (null if they are in none). Both are locked.
     *
     * @return ?array{\erLhcoreClassModelChatOnlineUser, ?\erLhcoreClassModelChat} null if LHC does not know the visitor
     */
    public function onlineWithChat(string $visitor): ?array
    {
        $id = self::number($visitor);
        if ($id === null) {
            return null;
        }
        $chatId = $this->database->value('SELECT chat_id FROM lh_chat_online_user WHERE id = ?', [$id]);
        if ($chatId === null) {
            return null;
        }
        $chat = (int) $chatId > 0 ? $this->lockChat((int) $chatId) : null;
        $online = $this->online($visitor);
        if ($online === null) {
            return null;
        }
        if ((int) $online->chat_id !== (int) $chatId) {
            throw new Busy('the visitor has begun a chat just now');
        }
        return [$online, $chat !== null && self::isOpen($chat) ? $chat : null];
    }

    /** The visitor on the site, locked; null if LHC does not know them, or has only a chat of theirs. */
    public function online(string $visitor): ?\erLhcoreClassModelChatOnlineUser
    {
        $id = self::number($visitor);
        if ($id === null
            || $this->database->value('SELECT id FROM lh_chat_online_user WHERE id = ? FOR UPDATE', [$id]) === null) {
            return null;
        }
        $online = \erLhcoreClassModelChatOnlineUser::fetchAndLock($id);
        return $online instanceof \erLhcoreClassModelChatOnlineUser ? $online : throw new Busy('a visitor could not be locked');
    }

    /**
     * The invitation of the visitor as the database has it; the cache that LHC has for the request is left alone.
     *
     * @param bool $locks whether others wait until the end of the transaction
     */
    public static function invitationNow(Database $database, int $id, bool $locks = false): ?\erLhcoreClassModelChatOnlineUser
    {
        $row = $database->row(
            'SELECT id, online_attr_system, operator_message, operator_user_id, invitation_id FROM lh_chat_online_user WHERE id = ?'
                . ($locks ? ' FOR UPDATE' : ''),
            [$id],
        );
        if ($row === null) {
            return null;
        }
        $visitor = new \erLhcoreClassModelChatOnlineUser();
        $visitor->setState($row);
        return $visitor;
    }

    /** Whether the visitor reads what is written in this chat, now or when they come back. */
    public static function isOpen(\erLhcoreClassModelChat $chat): bool
    {
        return in_array((int) $chat->status, self::OPEN, true) && !self::hasEnded($chat);
    }

    /** Whether the visitor has ended the chat, or was sent on to a form. */
    public static function hasEnded(\erLhcoreClassModelChat $chat): bool
    {
        return in_array((int) $chat->status_sub, self::ENDED, true);
    }

    private function find(string $visitor, string $chatId): ?\erLhcoreClassModelChat
    {
        $id = self::number($chatId);
        $chat = $id === null ? null : $this->lockChat($id);
        return $chat !== null && $this->keyOf($chat) === $visitor ? $chat : null;
    }

    /** The key under which the service knows the visitor of a chat. */
    private function keyOf(\erLhcoreClassModelChat $chat): string
    {
        $told = $this->told->find((int) $chat->id);
        if ($told !== null && $told['visitor'] !== '') {
            return $told['visitor'];
        }
        return Visitor::key((int) $chat->online_user_id, (int) $chat->id);
    }

    /** An id of LHC's; null if the text is none. */
    private static function number(string $text): ?int
    {
        return preg_match('/^[1-9][0-9]{0,17}$/D', $text) === 1 ? (int) $text : null;
    }
}
