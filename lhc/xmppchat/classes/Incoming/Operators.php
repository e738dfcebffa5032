<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Incoming;

use XmppChat\Lhc\Database;

/** LHC's users as the operators of callbacks, and what they may do. */
final class Operators
{
    private const NAME_MAX_BYTES = 3_071;

    public function __construct(private readonly Database $database)
    {
    }

    /**
     * The operator of a callback.
     *
     * @param Fields $operator `{ username, lhcUserId }`
     * @throws Malformed
     */
    public function find(Fields $operator): ?\erLhcoreClassModelUser
    {
        $username = $operator->text('username', self::NAME_MAX_BYTES);
        $id = $operator->idOrNull('lhcUserId');
        if ($id === null) {
            $known = $this->database->value('SELECT user_id FROM lhc_xmppchat_account WHERE username = ?', [$username]);
            if ($known === null) {
                return null;
            }
            $id = (int) $known;
        }
        $user = \erLhcoreClassModelUser::fetch($id, false);
        return $user instanceof \erLhcoreClassModelUser ? $user : null;
    }

    /**
     * The operator, who acts from now on.
     *
     * @throws Malformed
     * @throws Refused if there is none, or LHC's administrator has disabled them
     */
    public function act(Fields $operator): \erLhcoreClassModelUser
    {
        $user = $this->find($operator) ?? throw new Refused('operator-unknown', 'Live Helper Chat has no such user');
        if ((int) $user->disabled === 1) {
            throw new Refused('operator-disabled', 'This user is disabled in Live Helper Chat');
        }
        ActingUser::become($user);
        return $user;
    }

    /**
     * As `act`, and they may write in the chat by LHC's own rules about departments: whose the chat is may, whatever its
     * department.
     *
     * @throws Malformed
     * @throws Refused
     */
    public function actIn(\erLhcoreClassModelChat $chat, Fields $operator): \erLhcoreClassModelUser
    {
        $user = $this->act($operator);
        $isTheirs = (int) $chat->user_id === (int) $user->id;
        if (!$isTheirs && (!\erLhcoreClassChat::hasAccessToRead($chat, ['scope' => 'dep']) || !\erLhcoreClassChat::hasAccessToWrite($chat))) {
            throw new Refused('not-allowed', 'Live Helper Chat does not give you the department of this chat');
        }
        return $user;
    }

    /** @throws Refused if the operator has not got the department */
    public function requireDepartment(\erLhcoreClassModelUser $user, int $departmentId): void
    {
        $mine = \erLhcoreClassUserDep::parseUserDepartmetnsForFilter($user->id, $user->cache_version);
        if ($departmentId > 0 && $mine !== true && !in_array($departmentId, array_map('intval', $mine), true)) {
            throw new Refused('not-allowed', 'Live Helper Chat does not give you the department of this visitor');
        }
    }

    /** Whether the operator who acts has a right of LHC's. */
    public static function may(string $function): bool
    {
        return (bool) \erLhcoreClassUser::instance()->hasAccessTo('lhchat', $function);
    }
}
