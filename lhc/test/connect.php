<?php

/**
 * What every PHP process of the tests begins with: the extension's classes, LHC or its double, and LHC's connection.
 *
 * Environment: LHC_TEST_DB_PORT is the port of a private MariaDB on loopback, LHC_TEST_DB_NAME its database (`lhc` when
 * absent). LHC_DIR is the folder of an LHC (its lhc_web, with lib/vendor/autoload.php), the double when absent. Nothing is
 * written there.
 */

declare(strict_types=1);

error_reporting(E_ALL);
// Once, and where the test that started the process reads it.
ini_set('display_errors', 'stderr');
ini_set('log_errors', '0');
ini_set('memory_limit', '256M');
date_default_timezone_set('UTC');

require_once __DIR__ . '/../xmppchat/bootstrap/autoload.php';
spl_autoload_register(static function (string $class): void {
    $prefix = 'XmppChat\\Lhc\\Test\\';
    $file = __DIR__ . '/' . str_replace('\\', '/', substr($class, strlen($prefix))) . '.php';
    if (str_starts_with($class, $prefix) && is_file($file)) {
        require $file;
    }
});

$port = (int) getenv('LHC_TEST_DB_PORT');
if ($port === 0) {
    fwrite(STDERR, "LHC_TEST_DB_PORT is missing: npm run test:php starts a private MariaDB and PHPUnit.\n");
    exit(2);
}
(getenv('LHC_DIR') ?: '') === '' ? XmppChat\Lhc\Test\Double::load() : XmppChat\Lhc\Test\RealLhc::load(getenv('LHC_DIR'));
XmppChat\Lhc\Test\Connection::open('127.0.0.1', $port, getenv('LHC_TEST_DB_NAME') ?: 'lhc');
