<?php

declare(strict_types=1);

/** Operators in departments (lib/core/lhdepartament/lhuserdep.php). Who has no row there can never be online. */
final class erLhcoreClassUserDep
{
    /** @return true|list<int> true for all departments; -1 alone for none. Kept for the request, by the user's cache_version */
    public static function parseUserDepartmetnsForFilter($userID, $cacheVersion = 0)
    {
        $departments = self::getUserDepartaments($userID, $cacheVersion);
        if (in_array(0, $departments)) {
            return true;
        }
        return array_values(array_diff($departments, [-1])) ?: [-1];
    }

    public static function getUserDepartaments($userID = false, $cacheVersion = 0)
    {
        return $GLOBALS["lhCacheUserDepartaments_{$userID}_{$cacheVersion}"] ??= self::column('SELECT dep_id FROM lh_userdep WHERE user_id = ? ORDER BY id', $userID);
    }

    public static function getUserDepartamentsIndividual($userID = false, $readOnly = false, $disabled = false)
    {
        return self::column('SELECT dep_id FROM lh_userdep WHERE user_id = ? AND type = 0 AND ro = ' . (int) $readOnly . ' ORDER BY id', $userID);
    }

    public static function getDefaultUserDepartment($userID = false)
    {
        return self::getUserDepartaments($userID)[0] ?? 0;
    }

    public static function getUserDepIds($user_id)
    {
        return self::column('SELECT id FROM lh_userdep WHERE user_id = ?', $user_id);
    }

    public static function setHideOnlineStatus($UserData)
    {
        ezcDbInstance::get()
            ->prepare('UPDATE lh_userdep SET hide_online = ?, hide_online_ts = ?, always_on = ? WHERE user_id = ?')
            ->execute([(int) $UserData->hide_online, time(), (int) $UserData->always_on, $UserData->id]);
    }

    /** @param int $lastActivity seconds since 1970; 0 for offline */
    public static function updateLastActivityByUser($user_id, $lastActivity, $lda = 0)
    {
        ezcDbInstance::get()->prepare('UPDATE lh_userdep SET last_activity = ? WHERE user_id = ?')->execute([$lastActivity, $user_id]);
    }

    public static function updateLastAcceptedByUser($user_id, $lastAccepted, $scope = '', $try = 1)
    {
        ezcDbInstance::get()->prepare('UPDATE lh_userdep SET last_accepted = ? WHERE user_id = ?')->execute([$lastAccepted, $user_id]);
    }

    /** @return list<mixed> */
    private static function column(string $sql, mixed $value): array
    {
        $statement = ezcDbInstance::get()->prepare($sql);
        $statement->execute([$value]);
        return $statement->fetchAll(PDO::FETCH_COLUMN);
    }
}
