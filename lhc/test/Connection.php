<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Test;

/** The database of the tests, as LHC's connection of this process. */
final class Connection
{
    public static function open(string $host, int $port, string $name): void
    {
        $config = \erConfigClassLhConfig::getInstance();
        foreach (['host' => $host, 'port' => $port, 'database' => $name, 'user' => 'root', 'password' => ''] as $key => $value) {
            $config->setSetting('db', $key, $value);
        }
        $admin = new \PDO("mysql:host={$host};port={$port}", 'root', '');
        $admin->exec("CREATE DATABASE IF NOT EXISTS `{$name}` CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci");
        \ezcDbInstance::set(self::connect($host, $port, $name));
    }

    /** A second connection of this process, for locks and for what others see. */
    public static function another(): \PDO
    {
        $config = \erConfigClassLhConfig::getInstance();
        return self::connect($config->getSetting('db', 'host'), $config->getSetting('db', 'port'), $config->getSetting('db', 'database'));
    }

    private static function connect(string $host, int $port, string $name): \ezcDbHandler
    {
        if (class_exists('ezcDbFactory')) {
            $db = \ezcDbFactory::create(['type' => 'mysql', 'host' => $host, 'port' => $port, 'user' => 'root', 'password' => '', 'database' => $name]);
        } else {
            $db = new \ezcDbHandler("mysql:host={$host};port={$port};dbname={$name}", 'root', '');
        }
        $db->query("SET NAMES 'utf8mb4' COLLATE 'utf8mb4_unicode_ci'");
        return $db;
    }
}
