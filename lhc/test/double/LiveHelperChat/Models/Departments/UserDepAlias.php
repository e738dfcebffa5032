<?php

declare(strict_types=1);

namespace LiveHelperChat\Models\Departments;

/** The name of an operator in a department (lib/vendor_lhc, class of the same name). A test gives one to a user. */
final class UserDepAlias
{
    /** @var array<int, string> the double's own: user id → name */
    public static array $names = [];

    public static function getAlias($params)
    {
        $userId = $params['msg']->user_id > 0 ? $params['msg']->user_id : ($params['user_id'] ?? 0);
        if (isset(self::$names[$userId])) {
            $params['msg']->name_support = self::$names[$userId];
        }
    }
}
