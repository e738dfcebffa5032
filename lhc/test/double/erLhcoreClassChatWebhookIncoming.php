<?php

declare(strict_types=1);

/** What LHC makes of messages of other services (lib/core/lhchat/lhchatwebhookincomming.php): here its table of types alone. */
final class erLhcoreClassChatWebhookIncoming
{
    private const TYPES = [
        'txt' => 'text/plain',
        'png' => 'image/png',
        'jpeg' => 'image/jpeg',
        'jpg' => 'image/jpeg',
        'gif' => 'image/gif',
        'pdf' => 'application/pdf',
        'exe' => 'application/x-msdownload',
    ];

    public static function getExtensionByMime($mimeType, $getMime = false)
    {
        return $getMime ? self::TYPES[$mimeType] ?? null : array_search($mimeType, self::TYPES, true);
    }
}
