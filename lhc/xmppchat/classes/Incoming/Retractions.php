<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Incoming;

/**
 * `message.retracted`: an operator takes back what they said. Who has LHC's right to remove messages of operators removes
 * the row, as LHC's page does. For everybody else LHC's own sentence takes the place of the text, and LHC's operators see
 * beside the row what it was: LHC's administrator has not let them remove anything.
 */
final class Retractions
{
    /** LHC's right to remove messages of operators. */
    private const RIGHT = 'removemsgop';

    public function __construct(
        private readonly Visitors $visitors,
        private readonly Operators $operators,
        private readonly MessageIds $ids,
        private readonly Corrections $corrections,
    ) {
    }

    public function retracted(Callback $callback): Answer
    {
        $visitor = $this->visitors->key($callback);
        $id = $callback->data->text('messageId', Messages::ID_MAX_BYTES);
        $operator = $callback->data->object('operator');
        $rowId = $this->ids->row($visitor, $id);
        // LHC has refused it, or the visitor was never shown it.
        if ($rowId === null) {
            return Answer::notice('done');
        }
        return $rowId === 0 ? $this->ofInvitation($visitor, $id, $operator) : $this->ofChat($rowId, $id, $operator);
    }

    private function ofChat(int $rowId, string $id, Fields $operator): Answer
    {
        $row = \erLhcoreClassModelmsg::fetch($rowId, false);
        $chat = $row instanceof \erLhcoreClassModelmsg ? $this->visitors->lockChat((int) $row->chat_id) : null;
        // Somebody has removed it in LHC, or the whole chat.
        if (!$row instanceof \erLhcoreClassModelmsg || $chat === null) {
            return Answer::notice('done');
        }
        $user = $this->operators->actIn($chat, $operator);
        if ((int) $row->user_id !== (int) $user->id) {
            throw new Refused('not-possible', 'The message is not one of yours in Live Helper Chat');
        }
        $left = $this->corrections->without($chat, $row, $id);
        if ($left === '' && Operators::may(self::RIGHT)) {
            self::remove($chat, $row);
        } else {
            $text = $left !== '' ? $left : Rows::words('chat/startchat', 'Message was removed!');
            $this->corrections->edit($chat, $row, $user, $text);
        }
        return Answer::notice('done');
    }

    /** Words of an invitation that the visitor has not answered. */
    private function ofInvitation(string $visitor, string $id, Fields $operator): Answer
    {
        [$online, $chat] = $this->visitors->onlineWithChat($visitor) ?? [null, null];
        $invitation = $online === null ? null : Invitation::of($online);
        if ($online === null || $invitation === null || !$invitation->has($id)) {
            return Answer::notice('done');
        }
        // The visitor has answered just now, and the sender does not know the row yet.
        $rowId = $chat === null ? null : $this->ids->rowWith((int) $chat->id, $invitation->operatorId, $invitation->text());
        if ($rowId !== null) {
            return $this->ofChat($rowId, $id, $operator);
        }
        $user = $this->operators->act($operator);
        if ($invitation->operatorId !== (int) $user->id) {
            throw new Refused('not-possible', 'The invitation is not one of yours in Live Helper Chat');
        }
        $left = $invitation->without($id);
        if ($left->text() === '') {
            Invitations::takeDown($online);
        }
        $left->keepParts($online);
        $online->saveThis();
        return Answer::notice('done');
    }

    /** As LHC's page does it. */
    private static function remove(\erLhcoreClassModelChat $chat, \erLhcoreClassModelmsg $row): void
    {
        $id = (int) $row->id;
        $row->removeThis();
        // The visitor's widget asks for the row when it reads this, gets nothing, and takes it away.
        $chat->operation .= "lhinst.updateMessageRow({$id});\n";
        $chat->updateThis(['update' => ['operation']]);
        \erLhcoreClassChatEventDispatcher::getInstance()->dispatch('chat.msg_removed', ['msg' => $row, 'chat' => $chat]);
    }
}
