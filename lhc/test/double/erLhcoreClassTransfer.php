<?php

declare(strict_types=1);

/** Transfers that wait to be taken (lib/core/lhcore/lhtransfer.php). */
final class erLhcoreClassTransfer
{
    public static function handleTransferredChatOpen(&$chat, $userId, $transferScope = erLhcoreClassModelTransfer::SCOPE_CHAT, &$operatorAccepted = false)
    {
        $transfer = erLhcoreClassModelTransfer::findOne(['filter' => ['chat_id' => $chat->id, 'transfer_scope' => $transferScope]]);
        if ($transfer === false) {
            return;
        }
        $chat->status_sub = erLhcoreClassModelChat::STATUS_SUB_OWNER_CHANGED;
        if ($userId == $transfer->transfer_to_user_id) {
            $chat->user_id = $transfer->transfer_to_user_id;
            $transfer->removeThis();
        } elseif ($transfer->transfer_to_user_id == 0) {
            $transfer->removeThis();
        }
        $operatorAccepted = true;
    }
}
