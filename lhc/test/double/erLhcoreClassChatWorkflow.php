<?php

declare(strict_types=1);

/** What LHC does besides when a chat is accepted (lib/core/lhchat/lhchatworkflow.php). The double sends no mails. */
final class erLhcoreClassChatWorkflow
{
    /** The double's own: a text that LHC writes in the operator's name when they accept. */
    public static ?string $greeting = null;

    public static function presendCannedMsg($chat)
    {
        if (self::$greeting === null) {
            return;
        }
        $msg = new erLhcoreClassModelmsg();
        $msg->msg = self::$greeting;
        $msg->chat_id = $chat->id;
        $msg->user_id = $chat->user_id;
        $msg->name_support = $chat->user->name_support;
        $msg->time = time();
        erLhcoreClassChat::getSession()->save($msg);
        $chat->last_msg_id = $msg->id;
    }

    public static function chatAcceptedWorkflow($options, &$chat)
    {
        erLhcoreClassChatEventDispatcher::getInstance()->dispatch('chat.chat_accepted', ['chat' => &$chat]);
    }
}
