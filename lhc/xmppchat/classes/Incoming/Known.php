<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Incoming;

use XmppChat\Lhc\Told;

/**
 * Records what the service has just told us, in the words in which the sender compares: then none of it goes back. Only
 * what the callback is about; what LHC changed besides is still news.
 */
final class Known
{
    public function __construct(private readonly Told $told)
    {
    }

    /** Who has the chat, and whether it was answered. */
    public function placed(\erLhcoreClassModelChat $chat, string $visitor): void
    {
        $active = (int) $chat->status === \erLhcoreClassModelChat::STATUS_ACTIVE_CHAT;
        $this->told->record((int) $chat->id, $visitor, [
            'owner_id' => (int) $chat->user_id,
            'status' => $active ? \erLhcoreClassModelChat::STATUS_ACTIVE_CHAT : \erLhcoreClassModelChat::STATUS_PENDING_CHAT,
        ]);
    }

    /** The service has it for nobody, whoever has it in LHC: that is news. */
    public function waits(\erLhcoreClassModelChat $chat, string $visitor): void
    {
        $this->told->record((int) $chat->id, $visitor, [
            'owner_id' => 0,
            'status' => \erLhcoreClassModelChat::STATUS_PENDING_CHAT,
        ]);
    }

    /** The department in which it waits. */
    public function moved(\erLhcoreClassModelChat $chat, string $visitor): void
    {
        $this->told->record((int) $chat->id, $visitor, ['dep_id' => (int) $chat->dep_id]);
    }

    public function closed(\erLhcoreClassModelChat $chat, string $visitor): void
    {
        $this->told->record((int) $chat->id, $visitor, [
            'status' => \erLhcoreClassModelChat::STATUS_CLOSED_CHAT,
            'closed' => 1,
        ]);
    }
}
