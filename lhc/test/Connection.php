<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Test;

/** The database of the tests, as LHC's connection of this process. */
final class Connection
{
    /** Names the database. The connection is made when it is first asked for, as in LHC. */
    public static function open(string $host, int $port, string $name): void
    {
        $config = \erConfigClassLhConfig::getInstance();
        foreach (['host' => $host, 'port' => $port, 'database' => $name, 'user' => 'root', 'password' => ''] as $key => $value) {
            $config->setSetting('db', $key, $value);
        }
        if (property_exists(\ezcDbInstance::class, 'source')) {
            \ezcDbInstance::$source = self::another(...);
        } else {
            \ezcBaseInit::setCallback('ezcInitDatabaseInstance', 'erLhcoreClassLazyDatabaseConfiguration');
        }
    }

    /** Makes the database if it is missing. */
    public static function create(): void
    {
        ['host' => $host, 'port' => $port, 'database' => $name] = self::settings();
        $admin = new \PDO("mysql:host={$host};port={$port}", 'root', '');
        $admin->exec("CREATE DATABASE IF NOT EXISTS `{$name}` CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci");
    }

    /** A further connection of this process, for locks and for what others see. */
    public static function another(): \ezcDbHandler
    {
        ['host' => $host, 'port' => $port, 'database' => $name] = self::settings();
        if (class_exists('ezcDbFactory')) {
            $db = \ezcDbFactory::create(['type' => 'mysql', 'host' => $host, 'port' => $port, 'user' => 'root', 'password' => '', 'database' => $name]);
        } else {
            $db = new \ezcDbHandler("mysql:host={$host};port={$port};dbname={$name}", 'root', '');
        }
        $db->query("SET NAMES 'utf8mb4' COLLATE 'utf8mb4_unicode_ci'");
        return $db;
    }

    /** @return array{host: string, port: int, database: string} */
    private static function settings(): array
    {
        $config = \erConfigClassLhConfig::getInstance();
        return [
            'host' => $config->getSetting('db', 'host'),
            'port' => $config->getSetting('db', 'port'),
            'database' => $config->getSetting('db', 'database'),
        ];
    }
}
