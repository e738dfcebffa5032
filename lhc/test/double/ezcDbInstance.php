<?php

declare(strict_types=1);

/** LHC's connection of this request (ezcomponents/Database/src/instance.php). The bootstrap of the tests sets it. */
final class ezcDbInstance
{
    /** @var array<string, ezcDbHandler> */
    private static array $instances = [];

    public static function get($identifier = false)
    {
        return self::$instances[(string) $identifier] ?? throw new Exception("There is no database {$identifier}.");
    }

    public static function set(ezcDbHandler $db, $identifier = false)
    {
        self::$instances[(string) $identifier] = $db;
    }

    public static function reset()
    {
        self::$instances = [];
    }
}
