<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Accounts;

use XmppChat\Lhc\Admin\Words;
use XmppChat\Lhc\Service;
use XmppChat\Lhc\ServiceAnswer;

/**
 * XMPP accounts of LHC users, as an administrator makes and removes them. A password goes straight to the service and is
 * stored nowhere, so what needs one fails while the service is away. Everything else is done by {@see Reconciler}.
 */
final class Accounts
{
    /** The service makes several calls to ejabberd, each with a deadline of its own. */
    private const TIMEOUT_MS = 15_000;
    private const PASSWORD_MIN = 8;

    public function __construct(private readonly AccountTable $table, private readonly Service $service)
    {
    }

    /**
     * Makes the account, or gives one that was switched off a new password.
     *
     * @return string why not, in words; empty if it is made
     */
    public function create(int $userId, string $username, string $password): string
    {
        $fault = self::usernameFault($username) ?? self::passwordFault($password);
        $user = $this->table->users([$userId])[$userId] ?? null;
        $fault ??= match (true) {
            $user === null => Words::t('LHC has no such user.'),
            $user['disabled'] => Words::t('This user is disabled in LHC. Enable the user first.'),
            default => null,
        };
        $account = $this->table->find($userId);
        if ($fault === null && $account !== null && $account->username !== $username) {
            $fault = Words::t('This user has the account {username} already. Remove it first.', ['username' => $account->username]);
        }
        if ($fault === null && $account === null) {
            $fault = $this->ownerFault($userId, $username);
        }
        if ($fault !== null) {
            return $fault;
        }
        // The service gives an operator to another LHC user without a question, so the username is ours before it hears it.
        if ($account === null && !$this->table->reserve($userId, $username, 2 * self::TIMEOUT_MS)) {
            return Words::t('Another user of this LHC has this username already.');
        }
        $answer = $this->service->request(
            'PUT',
            'operators/' . rawurlencode($username),
            ['password' => $password] + $user['wish']->body(),
            self::TIMEOUT_MS,
        );
        if ($answer->ok()) {
            $this->table->save($userId, $username, Account::ACTIVE, $user['wish']->digest());
            return '';
        }
        if ($account === null) {
            $this->table->delete($userId);
        }
        return Refusal::words($answer);
    }

    /** @return string why not, in words; empty if it is set */
    public function setPassword(int $userId, string $password): string
    {
        $account = $this->table->find($userId);
        $fault = $account === null ? Words::t('This user has no XMPP account.') : self::passwordFault($password);
        if ($fault !== null) {
            return $fault;
        }
        // With all that the service should know of the user: a password alone makes no account that the service has lost.
        return $this->create($userId, $account->username, $password);
    }

    /**
     * The service has an operator for this user already: the account is known here from now on.
     *
     * @return string why not, in words; empty if it is done
     */
    public function takeOver(int $userId): string
    {
        $username = $this->registeredAs($userId);
        // Without a digest, the reconciler tells the service name and departments.
        return match (true) {
            $username === '' => Words::t('The service knows no operator for this user.'),
            $this->table->reserve($userId, $username, 0) => '',
            default => Words::t('Another user of this LHC has this username already.'),
        };
    }

    /** The username that the service has for this user; empty if it has none or does not answer. */
    public function registeredAs(int $userId, int $timeoutMs = self::TIMEOUT_MS): string
    {
        $answer = $this->service->request('GET', "operators?lhcUserId={$userId}&limit=1", null, $timeoutMs);
        $username = $answer->body['items'][0]['username'] ?? '';
        return $answer->ok() && is_string($username) ? $username : '';
    }

    /**
     * Removes the account here and at the service. While the service is away it is shown as "being removed".
     *
     * @return bool whether it is gone now
     */
    public function remove(int $userId): bool
    {
        $account = $this->table->find($userId);
        if ($account === null) {
            return true;
        }
        $this->table->markRemoving($userId);
        $answer = $this->service->request('DELETE', 'operators/' . rawurlencode($account->username), null, self::TIMEOUT_MS);
        if (!$answer->ok() && $answer->status !== 404) {
            return false;
        }
        $this->table->delete($userId);
        return true;
    }

    /** How the service sees this account now; its status is 404 if it does not know it. */
    public function live(Account $account, int $timeoutMs): ServiceAnswer
    {
        return $this->service->request('GET', 'operators/' . rawurlencode($account->username), null, $timeoutMs);
    }

    /** @return ?string why this cannot be a username; null if it can */
    public static function usernameFault(string $username): ?string
    {
        return match (true) {
            preg_match('/^[a-z0-9_][a-z0-9._-]{0,62}$/', $username) !== 1 => Words::t('Username: it is a-z, 0-9, ., _ and -, does not begin with . or -, at most 63 characters'),
            $username === 'admin' || str_starts_with($username, 'visitor') => Words::t('Username: this one is reserved'),
            default => null,
        };
    }

    private static function passwordFault(string $password): ?string
    {
        return match (true) {
            $password === '' => Words::t('Password: it is empty'),
            !mb_check_encoding($password, 'UTF-8') => Words::t('Password: it is no UTF-8'),
            mb_strlen($password) < self::PASSWORD_MIN => Words::t('Password: it needs {min} characters or more', ['min' => self::PASSWORD_MIN]),
            default => null,
        };
    }

    /** @return ?string why this user cannot have an operator that the service has already; null if nothing is in the way */
    private function ownerFault(int $userId, string $username): ?string
    {
        $answer = $this->service->request('GET', 'operators/' . rawurlencode($username), null, self::TIMEOUT_MS);
        if ($answer->status === 404) {
            return null;
        }
        if (!$answer->ok()) {
            return Refusal::words($answer);
        }
        $owner = $answer->body['lhcUserId'] ?? null;
        return $owner === null || $owner === $userId
            ? null
            : Words::t('The service has an operator of this name for another user of LHC. Choose another username.');
    }
}
