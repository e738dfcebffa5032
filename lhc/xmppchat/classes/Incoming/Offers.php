<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Incoming;

use XmppChat\Lhc\Admin\Words;
use XmppChat\Lhc\Database;

/**
 * Transfers that somebody in LHC's pages has offered, and that nobody has taken yet (`lh_transfer`). In LHC the chat is
 * still whose it was; the service asks others for it already.
 */
final class Offers
{
    /** Why a chat that was answered is back in the queue: whoever had it is gone. */
    private const OWNER_GONE = 'owner-gone';

    public function __construct(
        private readonly Database $database,
        private readonly Rows $rows,
        private readonly Known $told,
    ) {
    }

    /** Whether a chat that somebody has is offered to others. */
    public function isOffered(\erLhcoreClassModelChat $chat): bool
    {
        $isAnswered = (int) $chat->status === \erLhcoreClassModelChat::STATUS_ACTIVE_CHAT && (int) $chat->user_id > 0;
        $offer = $isAnswered ? $this->of($chat) : null;
        return $offer !== null && (int) $offer['transfer_to_user_id'] !== (int) $chat->user_id;
    }

    /**
     * Nobody took an offered chat: who has it keeps it. Offered to a department, others of it are still asked. Offered to
     * one operator, the offer is over, and the sender tells the service who has the chat.
     *
     * @param string $reason of the service
     * @param string $id     of the callback
     * @return bool whether it is such a chat
     */
    public function notTaken(\erLhcoreClassModelChat $chat, string $visitor, string $reason, string $id): bool
    {
        if ($reason === self::OWNER_GONE || !$this->isOffered($chat)) {
            return false;
        }
        $to = (int) ($this->of($chat)['transfer_to_user_id'] ?? 0);
        if ($to > 0) {
            $this->end($chat);
            $user = \erLhcoreClassModelUser::fetch($to);
            $name = $user instanceof \erLhcoreClassModelUser ? Rows::nameIn($chat, $user) : '';
            $text = Words::t('{name} has not taken the chat.', ['name' => $name]);
            $this->rows->line($chat, null, static fn (): string => $text, $id);
            $chat->transfer_uid = 0;
            $chat->updateThis(['update' => ['last_msg_id', 'transfer_uid']]);
            $this->told->waits($chat, $visitor);
        }
        return true;
    }

    /**
     * The department to which the chat moves when this operator takes it, as in LHC's page: the one that it is offered to,
     * or one of the operator's own if they have not got that of the chat. Null if it stays where it is.
     */
    public function departmentFor(\erLhcoreClassModelChat $chat, \erLhcoreClassModelUser $user): ?int
    {
        $offer = $this->of($chat);
        $mine = \erLhcoreClassUserDep::parseUserDepartmetnsForFilter($user->id, $user->cache_version);
        $mine = $mine === true ? true : array_map('intval', $mine);
        $offered = (int) ($offer['dep_id'] ?? 0);
        $has = static fn (int $department): bool => $mine === true || in_array($department, $mine, true);
        return match (true) {
            $offer === null => null,
            $offered > 0 => $has($offered) ? $offered : null,
            (int) $offer['transfer_to_user_id'] !== (int) $user->id || $has((int) $chat->dep_id) => null,
            default => array_values(array_filter($mine, static fn (int $department): bool => $department > 0))[0] ?? null,
        };
    }

    /** It was taken, or will not be: LHC's pages list it no more. */
    public function end(\erLhcoreClassModelChat $chat): void
    {
        $this->database->run(
            'DELETE FROM lh_transfer WHERE chat_id = ? AND transfer_scope = ?',
            [$chat->id, \erLhcoreClassModelTransfer::SCOPE_CHAT],
        );
    }

    /** @return ?array<string, mixed> */
    private function of(\erLhcoreClassModelChat $chat): ?array
    {
        return $this->database->row(
            'SELECT transfer_to_user_id, dep_id FROM lh_transfer WHERE chat_id = ? AND transfer_scope = ? ORDER BY id DESC LIMIT 1',
            [$chat->id, \erLhcoreClassModelTransfer::SCOPE_CHAT],
        );
    }
}
