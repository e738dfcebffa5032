<?php

declare(strict_types=1);

/** A row of a chat (lib/models/lhchat/erlhcoreclassmodelmsg.php). `user_id`: 0 visitor, -1 system, -2 bot, else operator. */
#[AllowDynamicProperties]
final class erLhcoreClassModelmsg
{
    use erLhcoreClassDBTrait;

    public const TEXTS = 'msg meta_msg name_support';
    public const NUMBERS = 'time chat_id user_id del_st';
    public const STATUS_PENDING = 0;
    public const STATUS_SENT = 1;
    public const STATUS_DELIVERED = 2;
    public const STATUS_READ = 3;
    public const STATUS_REJECTED = 4;

    public static $dbTable = 'lh_msg';
    public static $dbTableId = 'id';
    public static $dbSortOrder = 'ASC';

    public function __get($var)
    {
        return $var === 'meta_msg_array' ? $this->meta_msg_array = (array) json_decode($this->meta_msg, true) : null;
    }
}
