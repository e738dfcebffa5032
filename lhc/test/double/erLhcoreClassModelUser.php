<?php

declare(strict_types=1);

/** An operator (lib/models/lhuser/erlhcoreclassmodeluser.php). */
#[AllowDynamicProperties]
final class erLhcoreClassModelUser
{
    use erLhcoreClassDBTrait;

    public const TEXTS = 'username password email time_zone name surname filepath filename job_title departments_ids '
        . 'chat_nickname xmpp_username session_id avatar operation_admin skype';
    public const NUMBERS = 'exclude_autoasign disabled hide_online all_departments invisible_mode inactive_mode rec_per_req '
        . 'auto_accept max_active_chats cache_version pswd_updated attr_int_1 attr_int_2 attr_int_3 force_logout '
        . 'offline_reason_id llogin always_on';

    public static $dbTable = 'lh_users';
    public static $dbTableId = 'id';
    public static $dbSortOrder = 'DESC';

    public function setPassword($password)
    {
        $this->password = password_hash($password, PASSWORD_DEFAULT, ['cost' => 4]);
    }

    public function __toString()
    {
        return $this->name . ' ' . $this->surname;
    }

    public function beforeUpdate($params = [])
    {
        $this->cache_version = $this->cache_version + 1;
    }

    public function __get($param)
    {
        return match ($param) {
            'name_support' => trim($this->chat_nickname !== '' ? $this->chat_nickname : $this->name_official),
            'name_official' => $this->name_official = trim($this->name . ' ' . $this->surname) ?: $this->chat_nickname,
            'lastactivity' => $this->lastactivity = (int) (current(erLhcoreClassModelUserDep::getList(['filter' => ['user_id' => $this->id], 'limit' => 1]))->last_activity ?? 0),
            'has_photo' => $this->filename !== '',
            default => null,
        };
    }
}
