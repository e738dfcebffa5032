<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Incoming;

use XmppChat\Lhc\Admin\Words;
use XmppChat\Lhc\Database;

/** `message.delivered`, `message.displayed`, `message.failed`: what became of a visitor's message. */
final class Ticks
{
    /** LHC: the operators have unread messages; they have them, and have not read them. */
    private const UNREAD = 1;
    private const DELIVERED = 2;
    /** Rows that one callback ticks at most, the newest first. */
    private const ROWS_MAX = 500;

    public function __construct(
        private readonly Database $database,
        private readonly Visitors $visitors,
        private readonly Operators $operators,
        private readonly Rows $rows,
    ) {
    }

    /** The operator's client has the message. */
    public function delivered(Callback $callback): Answer
    {
        [$chat, $rowId] = $this->about($callback);
        if ($chat !== null) {
            $this->database->run(
                'UPDATE lh_msg SET del_st = ? WHERE id = ? AND chat_id = ? AND user_id = 0 AND del_st < ?',
                [\erLhcoreClassModelmsg::STATUS_DELIVERED, $rowId, $chat->id, \erLhcoreClassModelmsg::STATUS_DELIVERED],
            );
            $this->unread($chat, self::DELIVERED, \erLhcoreClassModelmsg::STATUS_DELIVERED);
        }
        return Answer::accepted();
    }

    /** The operator has seen the message, and all before it. */
    public function displayed(Callback $callback): Answer
    {
        $operator = $callback->data->object('operator');
        [$chat, $rowId] = $this->about($callback);
        if ($chat !== null) {
            $user = $this->operators->find($operator);
            if ($user !== null) {
                ActingUser::become($user);
            }
            $read = \erLhcoreClassModelmsg::STATUS_READ;
            $rows = $this->database->rows(
                'SELECT id FROM lh_msg WHERE chat_id = ? AND id <= ? AND user_id = 0 AND del_st < ? ORDER BY id DESC LIMIT ' . self::ROWS_MAX,
                [$chat->id, $rowId, $read],
            );
            // One row and no more is locked: some of LHC's pages lock rows of messages first, and then the chat.
            foreach ($rows as $row) {
                $this->database->run('UPDATE lh_msg SET del_st = ? WHERE id = ? AND del_st < ?', [$read, (int) $row['id'], $read]);
            }
            $this->unread($chat, 0, \erLhcoreClassModelmsg::STATUS_READ);
        }
        return Answer::accepted();
    }

    /** No operator will get it. LHC's operators read that, and the chat counts as unread. */
    public function failed(Callback $callback): Answer
    {
        $reason = $callback->data->text('reason', 1_024);
        [$chat, $rowId] = $this->about($callback);
        if ($chat === null) {
            return Answer::accepted();
        }
        $changed = $this->database->run(
            'UPDATE lh_msg SET del_st = ? WHERE id = ? AND chat_id = ? AND user_id = 0 AND del_st < ?',
            [\erLhcoreClassModelmsg::STATUS_REJECTED, $rowId, $chat->id, \erLhcoreClassModelmsg::STATUS_READ],
        )->rowCount();
        if ($changed > 0) {
            $text = Words::t('No XMPP operator got a message of the visitor ({reason})', ['reason' => $reason]);
            $row = $this->rows->line($chat, null, static fn (): string => $text, $callback->id);
            $fields = ['last_msg_id'];
            if (Visitors::isOpen($chat)) {
                $chat->has_unread_messages = self::UNREAD;
                $fields[] = 'has_unread_messages';
            }
            $chat->updateThis(['update' => $fields]);
            \erLhcoreClassChatEventDispatcher::getInstance()->dispatch('chat.web_add_msg_admin', ['msg' => &$row, 'chat' => &$chat, 'ou' => null]);
        }
        return Answer::accepted();
    }

    /**
     * @return array{?\erLhcoreClassModelChat, int} the chat, locked, and the row's id; no chat if LHC has not got the message
     */
    private function about(Callback $callback): array
    {
        $rowId = MessageIds::ours($callback->data->text('messageId', Messages::ID_MAX_BYTES));
        $chat = $this->visitors->chatIfThere($callback);
        return $rowId === null ? [null, 0] : [$chat, $rowId];
    }

    /**
     * Takes the mark "unread" off the chat, if no message of the visitor is below a state any more.
     *
     * @param int $mark  what LHC then has in its place
     * @param int $state of `del_st`
     */
    private function unread(\erLhcoreClassModelChat $chat, int $mark, int $state): void
    {
        if ((int) $chat->has_unread_messages === 0 || (int) $chat->has_unread_messages === $mark) {
            return;
        }
        // Without a lock: the transaction reads as of its first reading, which came after the lock of the chat.
        $below = $this->database->value(
            'SELECT 1 FROM lh_msg WHERE chat_id = ? AND user_id = 0 AND del_st < ? LIMIT 1',
            [$chat->id, $state],
        );
        if ($below !== null) {
            return;
        }
        $chat->has_unread_messages = $mark;
        $chat->unread_messages_informed = 0;
        $chat->updateThis(['update' => ['has_unread_messages', 'unread_messages_informed']]);
        \erLhcoreClassChatEventDispatcher::getInstance()->dispatch('chat.vi_msg_delivered', [
            'chat' => &$chat,
            'user' => \erLhcoreClassUser::instance(),
        ]);
    }
}
