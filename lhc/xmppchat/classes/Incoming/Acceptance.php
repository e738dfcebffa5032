<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Incoming;

/** An operator answers a chat: what LHC does when one opens a waiting chat in its page. */
final class Acceptance
{
    public function __construct(private readonly Rows $rows, private readonly Known $told)
    {
    }

    /**
     * Makes a chat that waits, or that a bot has, this operator's. A chat in another state stays as it is.
     *
     * @param bool $byWriting whether their first message does it
     */
    public function accept(
        \erLhcoreClassModelChat $chat,
        \erLhcoreClassModelUser $user,
        string $visitor,
        string $id,
        bool $byWriting = false,
    ): void {
        $before = $chat->getState();
        $bot = (int) $chat->status === \erLhcoreClassModelChat::STATUS_BOT_CHAT;
        if (!$bot && (int) $chat->status !== \erLhcoreClassModelChat::STATUS_PENDING_CHAT) {
            return;
        }
        $this->fields($chat, $user, $bot);
        $previous = (int) $before['user_id'] === (int) $user->id ? 0 : (int) $before['user_id'];
        \erLhcoreClassGenericBotWorkflow::removePreviousEvents($chat->id);
        $sentence = $byWriting
            ? ($bot ? 'has accepted the bot chat by sending a message!' : 'has accepted the pending chat by sending a message!')
            : 'has accepted the chat!';
        $this->rows->line($chat, $user, static fn (string $name): string => $name . ' ' . Rows::words('chat/adminchat', $sentence), $id, [
            'accept_action' => [
                'puser_id' => $previous,
                'ol' => $byWriting ? [$bot ? 'op_bot_msg' : 'op_pnd_msg'] : [],
                'user_id' => $user->id,
                'name_support' => Rows::nameIn($chat, $user),
            ],
        ]);
        $chat->updateThis();
        $this->told->placed($chat, $visitor);
        $this->announce($chat, $before, $previous);
    }

    /** The visitor's widget asks for the operator's name when it sees this, unless the visitor is gone or sees a form. */
    public static function ownerChanged(\erLhcoreClassModelChat $chat): void
    {
        if (!Visitors::hasEnded($chat)) {
            $chat->status_sub = \erLhcoreClassModelChat::STATUS_SUB_OWNER_CHANGED;
        }
    }

    private function fields(\erLhcoreClassModelChat $chat, \erLhcoreClassModelUser $user, bool $bot): void
    {
        if ($bot) {
            $chat->pnd_time = time() - 2;
            $chat->wait_time = 1;
            $variables = $chat->chat_variables_array;
            if (is_array($variables) && isset($variables['bot_lock_msg'])) {
                unset($variables['bot_lock_msg']);
                $chat->chat_variables_array = $variables;
                $chat->chat_variables = json_encode($variables, JSON_THROW_ON_ERROR);
            }
        } else {
            $chat->wait_time = time() - ((int) $chat->pnd_time > 0 ? $chat->pnd_time : $chat->time);
        }
        $chat->status = \erLhcoreClassModelChat::STATUS_ACTIVE_CHAT;
        $chat->user_id = $user->id;
        $chat->usaccept = $user->hide_online;
        $chat->support_informed = 1;
        $chat->unread_messages_informed = 0;
        if ((int) $chat->unanswered_chat === 1 && in_array((int) $chat->user_status_front, [0, 2], true)) {
            $chat->unanswered_chat = 0;
        }
        self::ownerChanged($chat);
        Typing::end($chat);
        if ((int) $chat->transfer_uid > 0) {
            // Somebody offered the chat in LHC's page; that is over now.
            $accepted = true;
            \erLhcoreClassTransfer::handleTransferredChatOpen($chat, $user->id, \erLhcoreClassModelTransfer::SCOPE_CHAT, $accepted);
            $chat->user_id = $user->id;
        }
    }

    /**
     * @param array<string, mixed> $before the chat's fields
     * @param int $previous user id of who had it; 0 for nobody else
     */
    private function announce(\erLhcoreClassModelChat $chat, array $before, int $previous): void
    {
        $acting = \erLhcoreClassUser::instance();
        $dispatcher = \erLhcoreClassChatEventDispatcher::getInstance();
        $dispatcher->dispatch('chat.data_changed', [
            'initiator' => 'user',
            'chat' => &$chat,
            'user' => $acting,
            'previous_attributes' => $before,
        ]);
        $dispatcher->dispatch('chat.accept', ['chat' => &$chat, 'user' => $acting]);
        Statistics::of($chat, $previous);
        if ($chat->auto_responder !== false && is_object($chat->auto_responder)) {
            $chat->auto_responder->chat = $chat;
            $chat->auto_responder->processAccept();
        }
        \erLhcoreClassChatWorkflow::presendCannedMsg($chat);
        $department = $chat->department;
        if (is_object($department)) {
            \erLhcoreClassChatWorkflow::chatAcceptedWorkflow(
                ['department' => $department, 'options' => $department->inform_options_array],
                $chat,
            );
        }
        $chat->updateThis();
    }
}
