<?php

declare(strict_types=1);

/** An operator's place in a department; `dep_id` 0 is all of them (lib/models/lhdepartament/erlhcoreclassmodeluserdep.php). */
#[AllowDynamicProperties]
final class erLhcoreClassModelUserDep
{
    use erLhcoreClassDBTrait;

    public const TEXTS = '';
    public const NUMBERS = 'user_id dep_id last_activity hide_online last_accepted active_chats type dep_group_id '
        . 'hide_online_ts pending_chats inactive_chats max_chats exclude_autoasign only_priority ro always_on '
        . 'lastd_activity exc_indv_autoasign exclude_autoasign_mails active_mails pending_mails max_mails '
        . 'last_accepted_mail assign_priority chat_max_priority chat_min_priority';

    public static $dbTable = 'lh_userdep';
    public static $dbTableId = 'id';
    public static $dbSortOrder = 'DESC';
}
