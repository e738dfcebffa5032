<?php

declare(strict_types=1);

/** The rights of users by their groups' roles (lib/core/lhpermission/lhrole.php). */
final class erLhcoreClassRole
{
    /** @return array<string, array<string, mixed>> module → function → true or a limitation */
    public static function accessArrayByUserID($user_id)
    {
        $statement = ezcDbInstance::get()->prepare(
            'SELECT f.module, f.`function`, f.limitation FROM lh_rolefunction f
             JOIN lh_grouprole r ON r.role_id = f.role_id JOIN lh_groupuser u ON u.group_id = r.group_id
             JOIN lh_group g ON g.id = r.group_id WHERE u.user_id = ? AND g.disabled = 0 AND f.type = 0',
        );
        $statement->execute([$user_id]);
        $rights = [];
        foreach ($statement->fetchAll(PDO::FETCH_ASSOC) as $row) {
            $rights[$row['module']][$row['function']] = $row['limitation'] !== '' ? $row['limitation'] : true;
        }
        return $rights;
    }

    public static function canUseByModuleAndFunction($AccessArray, $module, $functions)
    {
        if (isset($AccessArray['*']['*']) || isset($AccessArray[$module]['*'])) {
            return true;
        }
        foreach ((array) $functions as $function) {
            if (!isset($AccessArray[$module][$function])) {
                return false;
            }
        }
        return true;
    }

    public static function hasAccessTo($userId, $module, $functions)
    {
        return self::canUseByModuleAndFunction(self::accessArrayByUserID($userId), $module, $functions);
    }
}
