<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Incoming;

/** `chat.notice`: what the service lets a visitor read while nobody answers. */
final class Notices
{
    public function __construct(private readonly Visitors $visitors, private readonly Rows $rows)
    {
    }

    /** Who has closed the chat does not need it, and whoever has it answers. */
    public function notice(Callback $callback): Answer
    {
        [$id, $text] = Messages::parts($callback->data->object('message'));
        $visitor = $this->visitors->key($callback);
        $chat = $this->visitors->chat($callback);
        if (!Visitors::isOpen($chat) || (int) $chat->status === \erLhcoreClassModelChat::STATUS_ACTIVE_CHAT) {
            return Answer::accepted();
        }
        $row = $this->rows->notice($chat, $text, $visitor, $id);
        $chat->last_op_msg_time = time();
        $chat->last_msg_id = max((int) $chat->last_msg_id, (int) $row->id);
        $chat->has_unread_op_messages = 1;
        $chat->unread_op_messages_informed = 0;
        $chat->updateThis(['update' => ['last_op_msg_time', 'last_msg_id', 'has_unread_op_messages', 'unread_op_messages_informed']]);
        $chat->last_message = $row;
        \erLhcoreClassChatEventDispatcher::getInstance()->dispatch('chat.web_add_msg_admin', ['msg' => &$row, 'chat' => &$chat, 'ou' => null]);
        return Answer::accepted();
    }
}
