<?php

declare(strict_types=1);

/** Closing a chat (lib/core/lhchat/lhchathelper.php): the second time nothing happens. */
final class erLhcoreClassChatHelper
{
    /** @param array{chat: erLhcoreClassModelChat, user?: object|false, bot?: bool, append_message?: string} $params */
    public static function closeChat($params)
    {
        $chat = $params['chat'];
        if ($chat->status == erLhcoreClassModelChat::STATUS_CLOSED_CHAT) {
            return;
        }
        $user = $params['user'] ?? false;
        $byBot = $params['bot'] ?? false;
        $db = ezcDbInstance::get();
        $db->beginTransaction();

        $chat->cls_us == 0 && $chat->cls_us = $chat->user_status_front + 1;
        $chat->status = erLhcoreClassModelChat::STATUS_CLOSED_CHAT;
        $chat->wait_time == 0 && $chat->wait_time = time() - ($chat->pnd_time > 0 ? $chat->pnd_time : $chat->time);
        $chat->cls_time = time();
        $chat->has_unread_messages = 0;
        $chat->operation_admin = '';

        $msg = new erLhcoreClassModelmsg();
        $msg->chat_id = $chat->id;
        $msg->user_id = -1;
        $msg->name_support = !$byBot && is_object($user) ? (string) $user->name_support : 'Live Support';
        erLhcoreClassChatEventDispatcher::getInstance()->dispatch(
            'chat.before_msg_admin_saved',
            ['msg' => &$msg, 'chat' => &$chat, 'user_id' => !$byBot && is_object($user) ? $user->id : 0],
        );
        $msg->msg = ($byBot ? 'Bot' : $msg->name_support) . ' has closed the chat!' . ($params['append_message'] ?? '');
        $chat->last_user_msg_time = $msg->time = time();
        // The chat's last_msg_id stays: the row of the closing is above it.
        erLhcoreClassChat::getSession()->save($msg);
        $chat->updateThis();
        $db->prepare('DELETE FROM lh_transfer WHERE chat_id = ? AND transfer_scope = 0')->execute([$chat->id]);

        $db->commit();
        $byBot || erLhcoreClassChat::updateActiveChats($chat->user_id);
        $chat->department !== false && erLhcoreClassChat::updateDepartmentStats($chat->department);
        erLhcoreClassChat::closeChatCallback($chat, $user);
    }
}
