<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Hosting;

/** What this LHC is in LHC's automated hosting: a site of its own, the manager, or the site of the customers. */
final class Site
{
    /** Whether this is the manager: it has the extension `instance`, and the list of all instances. */
    public static function isManager(): bool
    {
        return self::has('instance');
    }

    /** Whether this code serves customers: which one, their host name decides in each request. */
    public static function isCustomers(): bool
    {
        return self::has('instancecustomer');
    }

    /**
     * Whether LHC works on the database of one customer now. A cron job of the customers' site does not: without a host
     * name it sees the manager's database.
     */
    public static function hasInstance(): bool
    {
        return class_exists('erLhcoreClassInstance') && is_object(\erLhcoreClassInstance::$instanceChat);
    }

    /** Whether the extension may work with the database that is selected: not in a cron job of the customers' site. */
    public static function mayWork(): bool
    {
        return !self::isCustomers() || self::hasInstance();
    }

    private static function has(string $extension): bool
    {
        if (!class_exists('erConfigClassLhConfig')) {
            return false;
        }
        $extensions = \erConfigClassLhConfig::getInstance()->getOverrideValue('site', 'extensions');
        return is_array($extensions) && in_array($extension, $extensions, true);
    }
}
