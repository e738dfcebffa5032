<?php

declare(strict_types=1);

/**
 * A visitor who is blocked (lib/models/lhchat/erlhcoreclassmodelchatblockeduser.php). LHC takes the one who blocks from
 * the session.
 */
#[AllowDynamicProperties]
final class erLhcoreClassModelChatBlockedUser
{
    use erLhcoreClassDBTrait;

    public const TEXTS = 'ip nick';
    public const NUMBERS = 'user_id datets chat_id dep_id btype expires online_user_id';
    public const BLOCK_IP = 0;
    public const BLOCK_NICK = 1;
    public const BLOCK_ONLINE_USER = 7;

    public static $dbTable = 'lh_chat_blocked_user';
    public static $dbTableId = 'id';
    public static $dbSortOrder = 'DESC';

    public function beforeSave($params = [])
    {
        $this->datets = time();
    }

    /** Blocks the address, and tells the visitor's widget by a row that the chat ends. Does nothing a second time. */
    public static function blockChat($params)
    {
        $type = $params['btype'] ?? self::BLOCK_IP;
        $chat = $params['chat'];
        if (self::getCount(['filter' => ['btype' => $type, 'ip' => $chat->ip]]) > 0) {
            return;
        }
        $block = new self();
        $block->ip = $chat->ip;
        $block->user_id = erLhcoreClassUser::instance()->getUserID();
        $block->chat_id = $chat->id;
        $block->dep_id = $chat->dep_id;
        $block->nick = $chat->nick;
        $block->btype = $type;
        $block->saveThis();

        $msg = new erLhcoreClassModelmsg();
        $msg->time = time();
        $msg->user_id = $params['user']->id;
        $msg->chat_id = $chat->id;
        $msg->meta_msg = (string) json_encode(['content' => ['chat_operation' => ['operation' => 'chat_abort']]]);
        erLhcoreClassChatEventDispatcher::getInstance()->dispatch('chat.before_msg_admin_saved', ['msg' => &$msg, 'chat' => &$chat, 'user_id' => $params['user']->id]);
        $msg->saveThis();
        $chat->last_msg_id = $msg->id;
        $chat->last_op_msg_time = time();
        $chat->saveThis();
    }
}
