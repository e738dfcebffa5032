<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Accounts;

use XmppChat\Lhc\Clock;
use XmppChat\Lhc\Database;

/** The table of accounts, and what LHC's own tables say of their users. */
final class AccountTable
{
    private const TABLE = 'lhc_xmppchat_account';
    private const ERROR_MAX = 250;

    public function __construct(private readonly Database $database, private readonly Clock $clock)
    {
    }

    public function find(int $userId): ?Account
    {
        $row = $this->database->row('SELECT * FROM ' . self::TABLE . ' WHERE user_id = ?', [$userId]);
        return $row === null ? null : Account::of($row);
    }

    /**
     * Accounts in the order of their users.
     *
     * @param int $after the user of the last one before; 0 for the first
     * @return list<Account>
     */
    public function page(int $after, int $limit): array
    {
        $rows = $this->database->rows(
            'SELECT * FROM ' . self::TABLE . ' WHERE user_id > ? ORDER BY user_id LIMIT ' . $limit,
            [$after],
        );
        return array_map(Account::of(...), $rows);
    }

    /**
     * Makes or changes the account of a user.
     *
     * @param int $nextAt when to try again, in ms since 1970
     * @throws \PDOException if another user has this username here
     */
    public function save(int $userId, string $username, string $state, string $digest, string $error = '', int $tries = 0, int $nextAt = 0): void
    {
        $values = [$username, $state, mb_strcut($error, 0, self::ERROR_MAX), $this->clock->nowMs(), $digest, $tries, $nextAt, $userId];
        $this->database->run(
            $this->find($userId) === null
                ? 'INSERT INTO ' . self::TABLE . ' (username, state, error, updated_at, digest, tries, next_at, user_id)
                   VALUES (?, ?, ?, ?, ?, ?, ?, ?)'
                : 'UPDATE ' . self::TABLE . ' SET username = ?, state = ?, error = ?, updated_at = ?, digest = ?, tries = ?, next_at = ?
                   WHERE user_id = ?',
            $values,
        );
    }

    /**
     * Keeps a username for a user who has no account yet. The service was not told of it.
     *
     * @param int $forMs how long cron leaves it alone, in ms
     * @return bool whether it is theirs; false if another user has it, or this user has an account
     */
    public function reserve(int $userId, string $username, int $forMs): bool
    {
        $now = $this->clock->nowMs();
        return $this->database->run(
            'INSERT IGNORE INTO ' . self::TABLE . " (username, state, error, updated_at, digest, tries, next_at, user_id)
             VALUES (?, ?, '', ?, '', 0, ?, ?)",
            [$username, Account::ACTIVE, $now, $now + $forMs, $userId],
        )->rowCount() === 1;
    }

    /** Its next try is now, whatever failed before. Nothing happens to a user without an account. */
    public function hurry(int $userId): void
    {
        $this->database->run('UPDATE ' . self::TABLE . ' SET tries = 0, next_at = 0 WHERE user_id = ?', [$userId]);
    }

    /** It is to be removed at the service; cron does it. */
    public function markRemoving(int $userId): void
    {
        $this->database->run(
            'UPDATE ' . self::TABLE . " SET state = ?, tries = 0, next_at = 0, error = '' WHERE user_id = ?",
            [Account::REMOVING, $userId],
        );
    }

    public function delete(int $userId): void
    {
        $this->database->run('DELETE FROM ' . self::TABLE . ' WHERE user_id = ?', [$userId]);
    }

    /**
     * What the service should know of these users. Users that LHC has no more are missing in the answer.
     *
     * @param list<int> $userIds
     * @return array<int, array{wish: Wish, disabled: bool}> by user
     */
    public function users(array $userIds): array
    {
        if ($userIds === []) {
            return [];
        }
        $marks = Database::marks($userIds);
        $departments = [];
        $rows = $this->database->rows(
            "SELECT ud.user_id, d.name FROM lh_userdep ud JOIN lh_departament d ON d.id = ud.dep_id
             WHERE ud.user_id IN ({$marks}) AND ud.ro = 0 AND d.disabled = 0",
            $userIds,
        );
        foreach ($rows as $row) {
            $departments[(int) $row['user_id']][] = (string) $row['name'];
        }
        $users = [];
        $rows = $this->database->rows(
            "SELECT id, name, surname, chat_nickname, disabled, all_departments, max_active_chats FROM lh_users WHERE id IN ({$marks})",
            $userIds,
        );
        foreach ($rows as $row) {
            $id = (int) $row['id'];
            $nickname = trim((string) $row['chat_nickname']);
            $name = $nickname !== '' ? $nickname : trim("{$row['name']} {$row['surname']}");
            $users[$id] = [
                'wish' => Wish::of($id, $name, (int) $row['all_departments'] === 1, $departments[$id] ?? [], (int) $row['max_active_chats']),
                'disabled' => (int) $row['disabled'] === 1,
            ];
        }
        return $users;
    }
}
