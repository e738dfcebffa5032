<?php

declare(strict_types=1);

/** A file of a chat (lib/models/lhchat/erlhcoreclassmodelchatfile.php). */
#[AllowDynamicProperties]
final class erLhcoreClassModelChatFile
{
    use erLhcoreClassDBTrait;

    public const TEXTS = 'name meta_msg upload_name type file_path extension';
    public const NUMBERS = 'width height size chat_id online_user_id user_id date persistent tmp';

    public static $dbTable = 'lh_chat_file';
    public static $dbTableId = 'id';
    public static $dbSortOrder = 'DESC';

    public function __get($var)
    {
        return match ($var) {
            'security_hash' => $this->security_hash = md5(basename((string) $this->name) . '_' . $this->chat_id),
            default => null,
        };
    }
}
