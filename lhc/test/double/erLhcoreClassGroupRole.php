<?php

declare(strict_types=1);

/** Who may change whom (lib/core/lhpermission/lhgrouprole.php). A test says who is above the one who is signed in. */
final class erLhcoreClassGroupRole
{
    /** @var list<int> The double's own: users who are above everybody. */
    public static array $above = [];

    public static function canEditUserGroups($userEditing, $userToEdit)
    {
        return !in_array($userToEdit->id, self::$above, true);
    }
}
