<?php

declare(strict_types=1);

/** What LHC does around chats (lib/core/lhchat/lhchat.php). */
final class erLhcoreClassChat
{
    public static $trackActivity = false;
    public static $trackTimeout = 0;

    private static ?ezcPersistentSession $session = null;

    public static function getSession()
    {
        return self::$session ??= new ezcPersistentSession();
    }

    public static function resetSession()
    {
        self::$session = null;
    }

    public static function generateHash($length = 40)
    {
        return substr(bin2hex(random_bytes((int) $length)), 0, (int) $length);
    }

    /** Counts the operator's chats in their rows of departments. */
    public static function updateActiveChats($user_id, $ignoreEvent = false)
    {
        if ($user_id == 0) {
            return true;
        }
        foreach (['active_chats' => erLhcoreClassModelChat::STATUS_ACTIVE_CHAT, 'pending_chats' => erLhcoreClassModelChat::STATUS_PENDING_CHAT] as $column => $status) {
            ezcDbInstance::get()
                ->prepare("UPDATE lh_userdep SET {$column} = (SELECT COUNT(*) FROM lh_chat WHERE user_id = ? AND status = ?) WHERE user_id = ?")
                ->execute([$user_id, $status, $user_id]);
        }
        $ignoreEvent || erLhcoreClassChatEventDispatcher::getInstance()->dispatch('chat.update_active_chats', ['user_id' => $user_id]);
        return true;
    }

    public static function updateDepartmentStats($dep)
    {
        foreach (['active_chats_counter' => erLhcoreClassModelChat::STATUS_ACTIVE_CHAT, 'pending_chats_counter' => erLhcoreClassModelChat::STATUS_PENDING_CHAT] as $column => $status) {
            ezcDbInstance::get()
                ->prepare("UPDATE lh_departament SET {$column} = (SELECT COUNT(*) FROM lh_chat WHERE dep_id = ? AND status = ?) WHERE id = ?")
                ->execute([$dep->id, $status, $dep->id]);
        }
    }

    /** As LHC: by the departments of who is there. */
    public static function hasAccessToRead($chat, $params = [])
    {
        $user = erLhcoreClassUser::instance()->getUserData(true);
        return $user->all_departments != 0 || $chat->dep_id == 0
            || in_array($chat->dep_id, erLhcoreClassUserDep::getUserDepartaments($user->id, $user->cache_version));
    }

    public static function hasAccessToWrite($chat)
    {
        $userId = erLhcoreClassUser::instance()->getUserID();
        $readOnly = erLhcoreClassUserDep::getUserDepartamentsIndividual($userId, true);
        return ($chat->user_id > 0 && $chat->user_id == $userId) || !in_array($chat->dep_id, $readOnly);
    }

    public static function lockDepartment($depId, $db)
    {
        $statement = $db->prepare('SELECT 1 FROM lh_userdep WHERE dep_id = ? ORDER BY id FOR UPDATE');
        $statement->execute([$depId]);
    }

    /** @param object|false $operator who closed it: a model, or nobody */
    public static function closeChatCallback($chat, $operator = false)
    {
        erLhcoreClassChatEventDispatcher::getInstance()->dispatch('chat.close', ['chat' => &$chat, 'user_data' => $operator]);
        $chat->department !== false && self::updateDepartmentStats($chat->department);
    }
}
