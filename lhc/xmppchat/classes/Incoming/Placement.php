<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Incoming;

/** Who has a chat: `chat.assigned`, `chat.accepted`, `chat.transferred`. What LHC has already is not done again. */
final class Placement
{
    private const DEPARTMENT_MAX_BYTES = 256;
    private const REASON_MAX_BYTES = 1_024;

    public function __construct(
        private readonly Visitors $visitors,
        private readonly Operators $operators,
        private readonly Rows $rows,
        private readonly Acceptance $acceptance,
        private readonly Known $told,
        private readonly Offers $offers,
    ) {
    }

    /** The operator is asked to answer: in LHC the chat waits, and is assigned to them. */
    public function assigned(Callback $callback): Answer
    {
        $operator = $callback->data->object('operator');
        $chat = $this->visitors->chat($callback);
        if ($this->offers->isOffered($chat)) {
            // Whoever offers it to others has it until one of them takes it.
            return Answer::accepted();
        }
        $user = $this->operators->actIn($chat, $operator);
        if (Visitors::isOpen($chat)) {
            $this->giveTo($chat, $user, $callback);
        }
        return Answer::accepted();
    }

    /** The operator has answered. */
    public function accepted(Callback $callback): Answer
    {
        $operator = $callback->data->object('operator');
        $chat = $this->visitors->chat($callback);
        $moves = self::goesOn($chat) ? $this->offers->departmentFor($chat, $this->operators->act($operator)) : null;
        $new = $moves === null ? null : \erLhcoreClassModelDepartament::fetch($moves);
        if ($new instanceof \erLhcoreClassModelDepartament) {
            $this->move($chat, $new, $callback);
        }
        $user = $this->operators->actIn($chat, $operator);
        if (!self::goesOn($chat)) {
            return Answer::accepted();
        }
        if ((int) $chat->status === \erLhcoreClassModelChat::STATUS_ACTIVE_CHAT) {
            $this->giveTo($chat, $user, $callback);
        } else {
            $this->acceptance->accept($chat, $user, $this->visitors->key($callback), $callback->id);
        }
        return Answer::accepted();
    }

    /** To an operator, to a department, or back to the queue. */
    public function transferred(Callback $callback): Answer
    {
        $operator = $callback->data->optionalObject('operator');
        $department = $callback->data->optionalText('department', self::DEPARTMENT_MAX_BYTES);
        $reason = (string) $callback->data->optionalText('reason', self::REASON_MAX_BYTES);
        $chat = $this->visitors->chat($callback);
        if (!self::goesOn($chat)) {
            return Answer::accepted();
        }
        if ($department !== null) {
            $this->toDepartment($chat, $department, $callback);
        }
        if ($operator !== null) {
            $this->giveTo($chat, $this->operators->actIn($chat, $operator), $callback);
        } elseif ($department !== null || !$this->offers->notTaken($chat, $this->visitors->key($callback), $reason, $callback->id)) {
            $this->toQueue($chat, $callback);
        }
        return Answer::accepted();
    }

    /** Makes the operator the owner. A chat that waits goes on waiting, for them. */
    private function giveTo(\erLhcoreClassModelChat $chat, \erLhcoreClassModelUser $user, Callback $callback): void
    {
        $before = (int) $chat->user_id;
        if ($before !== (int) $user->id) {
            $previous = $before > 0 ? \erLhcoreClassModelUser::fetch($before) : false;
            $name = Rows::nameIn($chat, $user);
            if ($previous instanceof \erLhcoreClassModelUser) {
                $this->rows->line(
                    $chat,
                    $previous,
                    static fn (string $who): string => $who . ' ' . Rows::words('chat/transferuser', 'has changed owner to') . ' ' . $name,
                    $callback->id,
                    ['change_owner_action' => [
                        'source_user_id' => $before,
                        'destination_user_id' => $user->id,
                        'source' => Rows::nameIn($chat, $previous),
                        'destination' => $name,
                    ]],
                );
            } else {
                $this->rows->line(
                    $chat,
                    $user,
                    static fn (): string => Rows::words('chat/adminchat', 'Chat was assigned to') . " [{$user->id}] {$name}",
                    $callback->id,
                );
            }
            $chat->user_id = $user->id;
            $chat->transfer_uid = $before;
            $chat->tslasign = time();
            if ($before > 0) {
                // LHC's page does so: the auto responder begins anew.
                $chat->last_user_msg_time = time();
            }
            Acceptance::ownerChanged($chat);
            Typing::end($chat);
            $chat->updateThis();
            $this->offers->end($chat);
            $this->announce($chat, $user, $before);
        }
        $this->told->placed($chat, $this->visitors->key($callback));
    }

    /** Nobody has the chat: it waits. */
    private function toQueue(\erLhcoreClassModelChat $chat, Callback $callback): void
    {
        $before = (int) $chat->user_id;
        $waits = (int) $chat->status === \erLhcoreClassModelChat::STATUS_PENDING_CHAT;
        if (($before !== 0 || !$waits) && (int) $chat->status !== \erLhcoreClassModelChat::STATUS_BOT_CHAT) {
            $previous = $before > 0 ? \erLhcoreClassModelUser::fetch($before) : false;
            $previous = $previous instanceof \erLhcoreClassModelUser ? $previous : null;
            $this->rows->line(
                $chat,
                $previous,
                static fn (string $name): string => $name . ' ' . Rows::words('chat/closechatadmin', 'has changed chat status to pending!'),
                $callback->id,
            );
            $chat->user_id = 0;
            $chat->status = \erLhcoreClassModelChat::STATUS_PENDING_CHAT;
            $chat->tslasign = 0;
            $chat->transfer_uid = 0;
            $chat->support_informed = 0;
            $chat->has_unread_messages = 1;
            $chat->pnd_time = time();
            $chat->last_user_msg_time = time();
            Acceptance::ownerChanged($chat);
            Typing::end($chat);
            $chat->updateThis();
            $this->announce($chat, $previous, $before);
        }
        $this->told->placed($chat, $this->visitors->key($callback));
    }

    /** @throws Refused if LHC has no such department */
    private function toDepartment(\erLhcoreClassModelChat $chat, string $department, Callback $callback): void
    {
        // The service knows departments by the names that LHC gave them.
        $new = \erLhcoreClassModelDepartament::findOne(['filter' => ['name' => $department], 'sort' => 'id ASC']);
        if (!$new instanceof \erLhcoreClassModelDepartament) {
            throw new Refused('not-possible', 'Live Helper Chat has no such department');
        }
        $this->move($chat, $new, $callback);
    }

    private function move(\erLhcoreClassModelChat $chat, \erLhcoreClassModelDepartament $new, Callback $callback): void
    {
        if ((int) $chat->dep_id !== (int) $new->id) {
            $old = $chat->department;
            $owner = (int) $chat->user_id > 0 ? \erLhcoreClassModelUser::fetch((int) $chat->user_id) : false;
            $this->rows->line(
                $chat,
                $owner instanceof \erLhcoreClassModelUser ? $owner : null,
                static fn (string $name): string => $name . ' ' . Rows::words('chat/transferuser', 'has changed department to')
                    . " {$new->name} " . Rows::words('chat/transferuser', 'from') . ' ' . (is_object($old) ? $old->name : '-'),
                $callback->id,
                ['change_dep_action' => [
                    'user_id' => (int) $chat->user_id,
                    'destination' => (string) $new->name,
                    'source' => is_object($old) ? (string) $old->name : '',
                ]],
            );
            $chat->dep_id = $new->id;
            // LHC reads the department once and keeps it at the chat.
            $chat->department = $new;
            if ($new->department_transfer !== false) {
                $chat->transfer_if_na = 1;
                $chat->transfer_timeout_ac = $new->transfer_timeout;
                $chat->transfer_timeout_ts = time();
            }
            Acceptance::ownerChanged($chat);
            Typing::end($chat);
            $chat->updateThis();
            if (is_object($old)) {
                \erLhcoreClassChat::updateDepartmentStats($old);
            }
            $this->announce($chat, null, 0);
        }
        $this->told->moved($chat, $this->visitors->key($callback));
    }

    /** @param ?\erLhcoreClassModelUser $user whom LHC's listeners are told of */
    private function announce(\erLhcoreClassModelChat $chat, ?\erLhcoreClassModelUser $user, int $previousOwner): void
    {
        Statistics::of($chat, $previousOwner);
        \erLhcoreClassChatEventDispatcher::getInstance()->dispatch('chat.chat_owner_changed', ['chat' => &$chat, 'user' => $user ?? false]);
    }

    /** LHC keeps a chat that the visitor has ended, and it still has an owner; one that is closed is over. */
    private static function goesOn(\erLhcoreClassModelChat $chat): bool
    {
        return (int) $chat->status !== \erLhcoreClassModelChat::STATUS_CLOSED_CHAT;
    }
}
