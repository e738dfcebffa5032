<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Incoming;

/** `chat.closed`. */
final class Closing
{
    public function __construct(
        private readonly Visitors $visitors,
        private readonly Operators $operators,
        private readonly Known $told,
    ) {
    }

    /** A chat that is closed in LHC stays as it is. Whoever closes it in the service may: it is over there. */
    public function closed(Callback $callback): Answer
    {
        $operator = $callback->data->optionalObject('operator');
        $user = $operator === null ? null : $this->operators->find($operator);
        $chat = $this->visitors->chat($callback);
        if ($user !== null) {
            ActingUser::become($user);
        }
        self::close($chat, $user);
        $this->told->closed($chat, $this->visitors->key($callback));
        return Answer::accepted();
    }

    /** Closes the chat as LHC's page does. */
    public static function close(\erLhcoreClassModelChat $chat, ?\erLhcoreClassModelUser $user): void
    {
        if ((int) $chat->status === \erLhcoreClassModelChat::STATUS_CLOSED_CHAT) {
            return;
        }
        \erLhcoreClassChat::lockDepartment($chat->dep_id, \ezcDbInstance::get());
        $chat->support_informed = 1;
        $chat->has_unread_messages = 0;
        $chat->unread_messages_informed = 0;
        Typing::end($chat);
        \erLhcoreClassChatHelper::closeChat(['user' => $user ?? false, 'chat' => $chat]);
    }
}
