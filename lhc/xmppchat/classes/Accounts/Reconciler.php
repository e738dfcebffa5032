<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Accounts;

use XmppChat\Lhc\Clock;
use XmppChat\Lhc\Service;
use XmppChat\Lhc\ServiceAnswer;

/**
 * Cron's part of the accounts: compares what LHC says of each user with what the service was told last, and tells it the
 * difference. LHC announces no change of departments, so all accounts are looked at. Doing it again does no harm.
 */
final class Reconciler
{
    private const PAGE = 200;
    private const TIMEOUT_MS = 10_000;

    public function __construct(
        private readonly AccountTable $table,
        private readonly Service $service,
        private readonly Clock $clock,
    ) {
    }

    /**
     * @param int $untilMs when to stop, in ms since 1970; the rest is done in the next run
     * @return int how many accounts the service was told about
     */
    public function run(int $untilMs): int
    {
        $told = 0;
        $after = 0;
        do {
            $accounts = $this->table->page($after, self::PAGE);
            $users = $this->table->users(array_map(fn (Account $each): int => $each->userId, $accounts));
            foreach ($accounts as $account) {
                $after = $account->userId;
                if ($this->clock->nowMs() >= $untilMs) {
                    return $told;
                }
                $answer = $this->one($account, $users[$account->userId] ?? null);
                if ($answer === null) {
                    continue;
                }
                if ($answer->unreachable) {
                    return $told;
                }
                $told++;
            }
        } while (count($accounts) === self::PAGE);
        return $told;
    }

    /**
     * @param ?array{wish: Wish, disabled: bool} $user null if LHC has the user no more
     * @return ?ServiceAnswer null if there was nothing to tell, or it is too early for another try
     */
    private function one(Account $account, ?array $user): ?ServiceAnswer
    {
        if ($account->nextAt > $this->clock->nowMs()) {
            return null;
        }
        if ($user === null || $account->state === Account::REMOVING) {
            return $this->remove($account, fn () => $this->table->delete($account->userId));
        }
        if ($account->state === Account::DISABLED) {
            return null;
        }
        if ($user['disabled']) {
            $kept = fn () => $this->table->save($account->userId, $account->username, Account::DISABLED, '');
            return $this->remove($account, $kept);
        }
        if ($account->digest === $user['wish']->digest()) {
            return null;
        }
        $answer = $this->service->request('PUT', $this->path($account), $user['wish']->body(), self::TIMEOUT_MS);
        if ($answer->ok()) {
            $this->table->save($account->userId, $account->username, Account::ACTIVE, $user['wish']->digest());
        } else {
            $this->later($account, $answer, Refusal::isTemporary($answer) ? Account::ACTIVE : Account::FAILED);
        }
        return $answer;
    }

    private function remove(Account $account, \Closure $done): ServiceAnswer
    {
        $answer = $this->service->request('DELETE', $this->path($account), null, self::TIMEOUT_MS);
        if ($answer->ok() || $answer->status === 404) {
            $done();
        } else {
            $this->later($account, $answer, $account->state);
        }
        return $answer;
    }

    /** Tries again later, each time after a longer pause, with some jitter. */
    private function later(Account $account, ServiceAnswer $answer, string $state): void
    {
        $this->table->save(
            $account->userId,
            $account->username,
            $state,
            $account->digest,
            Refusal::words($answer),
            min($account->tries + 1, 1_000),
            $this->clock->nowMs() + Refusal::waitMs($answer, $account->tries),
        );
    }

    private function path(Account $account): string
    {
        return 'operators/' . rawurlencode($account->username);
    }
}
