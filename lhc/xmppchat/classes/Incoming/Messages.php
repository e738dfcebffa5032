<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Incoming;

/** `chat.message`: what an operator says, and what they correct. */
final class Messages
{
    /** Bytes of a message at most, as in the service. */
    public const TEXT_MAX_BYTES = 65_536;
    public const ID_MAX_BYTES = 4_096;

    public function __construct(
        private readonly Visitors $visitors,
        private readonly Operators $operators,
        private readonly Rows $rows,
        private readonly Acceptance $acceptance,
        private readonly Corrections $corrections,
        private readonly Invitations $invitations,
        private readonly Files $files,
        private readonly Quotes $quotes,
    ) {
    }

    public function message(Callback $callback): Answer
    {
        $message = $callback->data->object('message');
        [$id, $text, $replaces] = self::parts($message);
        $reply = $message->optionalObject('replyTo');
        $visitor = $this->visitors->key($callback);
        $chat = $this->visitors->chat($callback);
        $user = $this->operators->actIn($chat, $callback->data->object('operator'));
        $quote = $reply === null ? '' : $this->quotes->of($chat, $visitor, $reply->text('messageId', self::ID_MAX_BYTES));
        if ($reply !== null && $quote !== '') {
            $text = trim($reply->text('body', self::TEXT_MAX_BYTES));
        }
        if ($replaces !== null && $this->corrections->correct($chat, $user, $visitor, $id, $text, $replaces, $quote)) {
            return Answer::accepted();
        }
        if (!Visitors::isOpen($chat)) {
            return $this->invitations->insteadOf($visitor, $user, $id, $text);
        }
        $this->say($chat, $user, $visitor, $id, $this->files->placed($text, $chat, $user), true, $quote);
        return Answer::accepted();
    }

    /**
     * Writes an operator's message into an open chat, as LHC's page does.
     *
     * @param bool   $accepts whether a chat that waits, or that a bot has, becomes theirs by it
     * @param string $quote   what it replies to, to stand in front of it
     */
    public function say(
        \erLhcoreClassModelChat $chat,
        \erLhcoreClassModelUser $user,
        string $visitor,
        string $id,
        string $text,
        bool $accepts,
        string $quote = '',
    ): void {
        $row = $this->rows->said($chat, $user, $text, $visitor, $id, $quote);
        $fields = ['last_op_msg_time', 'last_msg_id', 'has_unread_op_messages', 'unread_op_messages_informed', ...Typing::FIELDS];
        $chat->last_op_msg_time = time();
        $chat->last_msg_id = max((int) $chat->last_msg_id, (int) $row->id);
        $chat->has_unread_op_messages = 1;
        $chat->unread_op_messages_informed = 0;
        Typing::end($chat);
        array_push($fields, ...$this->endHold($chat), ...$this->waited($chat));
        if ((int) $chat->status_sub_sub === \erLhcoreClassModelChat::STATUS_SUB_SUB_MSG_DELIVERED) {
            $chat->status_sub_sub = \erLhcoreClassModelChat::STATUS_SUB_SUB_DEFAULT;
            $fields[] = 'status_sub_sub';
        }
        $online = $this->reopen($chat);
        $fields[] = 'user_status';
        $chat->updateThis(['update' => $fields]);
        if ($accepts && (int) $user->invisible_mode === 0) {
            $this->acceptance->accept($chat, $user, $visitor, $id, true);
        }
        $chat->last_message = $row;
        \erLhcoreClassChatEventDispatcher::getInstance()->dispatch('chat.web_add_msg_admin', [
            'msg' => &$row,
            'chat' => &$chat,
            'ou' => $online,
        ]);
    }

    /**
     * @return array{string, string, ?string} id, text, id of the message that it replaces
     * @throws Malformed
     */
    public static function parts(Fields $message): array
    {
        $text = trim($message->text('body', self::TEXT_MAX_BYTES));
        if ($text === '') {
            throw new Malformed('data.message.body', 'is blank');
        }
        return [$message->text('id', self::ID_MAX_BYTES), $text, $message->optionalText('replaces', self::ID_MAX_BYTES)];
    }

    /** @return list<string> changed fields */
    private function endHold(\erLhcoreClassModelChat $chat): array
    {
        $onHold = (int) $chat->status_sub === \erLhcoreClassModelChat::STATUS_SUB_ON_HOLD;
        $ends = $onHold && !isset($chat->chat_variables_array['lhc_hldu']);
        if ($ends) {
            $chat->status_sub = \erLhcoreClassModelChat::STATUS_SUB_DEFAULT;
        }
        $responder = $chat->auto_responder;
        if (is_object($responder) && ($ends || !$onHold) && (int) $responder->active_send_status !== 0) {
            $responder->active_send_status = 0;
            $responder->saveThis();
        }
        return $ends ? ['status_sub'] : [];
    }

    /** @return list<string> changed fields */
    private function waited(\erLhcoreClassModelChat $chat): array
    {
        if ((int) $chat->wait_time !== 0) {
            return [];
        }
        $chat->wait_time = time() - ((int) $chat->pnd_time > 0 ? $chat->pnd_time : $chat->time);
        return ['wait_time'];
    }

    /** A visitor who left the chat, and did not end it, gets it back at the widget's next look. */
    private function reopen(\erLhcoreClassModelChat $chat): ?\erLhcoreClassModelChatOnlineUser
    {
        if ((int) $chat->user_status !== \erLhcoreClassModelChat::USER_STATUS_CLOSED_CHAT) {
            return null;
        }
        $chat->user_status = \erLhcoreClassModelChat::USER_STATUS_PENDING_REOPEN;
        $online = $this->visitors->online((string) $chat->online_user_id);
        if ($online !== null) {
            $online->reopen_chat = 1;
            $online->saveThis();
        }
        return $online;
    }
}
