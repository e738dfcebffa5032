<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Outgoing;

/** How the service calls a visitor. */
final class Visitor
{
    /** The id of LHC's online user; a chat without one is a visitor of its own, `{chatId}.chat`. */
    public static function key(int $onlineUserId, int $chatId): string
    {
        return $onlineUserId > 0 ? (string) $onlineUserId : "{$chatId}.chat";
    }
}
