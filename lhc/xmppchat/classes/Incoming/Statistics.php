<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Incoming;

/** LHC's counters. Both functions of LHC swallow a deadlock, and a deadlock ends the whole transaction. */
final class Statistics
{
    /**
     * Counts again for the chat's owner and department, and for who had it before (user id; 0 for nobody).
     *
     * @throws Busy if the database ended the transaction meanwhile: what would follow were single changes
     */
    public static function of(\erLhcoreClassModelChat $chat, int $previousOwner = 0): void
    {
        \erLhcoreClassChat::updateActiveChats((int) $chat->user_id);
        if ($previousOwner > 0 && $previousOwner !== (int) $chat->user_id) {
            \erLhcoreClassChat::updateActiveChats($previousOwner);
        }
        if (is_object($chat->department)) {
            \erLhcoreClassChat::updateDepartmentStats($chat->department);
        }
        if (!\ezcDbInstance::get()->inTransaction()) {
            throw new Busy('the database ended the transaction');
        }
    }
}
