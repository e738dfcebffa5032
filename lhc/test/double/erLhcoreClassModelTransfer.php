<?php

declare(strict_types=1);

/** A transfer that waits to be taken (lib/models/lhtransfer/erlhcoreclassmodeltransfer.php). */
#[AllowDynamicProperties]
final class erLhcoreClassModelTransfer
{
    use erLhcoreClassDBTrait;

    public const TEXTS = '';
    public const NUMBERS = 'chat_id dep_id transfer_user_id from_dep_id transfer_to_user_id ctime transfer_scope';
    public const SCOPE_CHAT = 0;
    public const SCOPE_MAIL = 1;

    public static $dbTable = 'lh_transfer';
    public static $dbTableId = 'id';
    public static $dbSortOrder = 'DESC';
}
