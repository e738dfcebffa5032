<?php

declare(strict_types=1);

/**
 * LHC's connection of this request (ezcomponents/Database/src/instance.php). It is made when it is first asked for, so the
 * exception of a database that is away comes there.
 */
final class ezcDbInstance
{
    /** @var ?Closure(): ezcDbHandler the double's own */
    public static ?Closure $source = null;

    private static ?ezcDbHandler $instance = null;

    public static function get($identifier = false)
    {
        return self::$instance ??= (self::$source ?? throw new Exception('There is no database.'))();
    }

    public static function set(ezcDbHandler $db, $identifier = false)
    {
        self::$instance = $db;
    }

    public static function reset()
    {
        self::$instance = null;
    }
}
