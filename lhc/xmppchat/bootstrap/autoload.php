<?php

declare(strict_types=1);

/**
 * PSR-4 for `XmppChat\Lhc` in `classes/`. LHC's own class map is authoritative, so it would find no class of ours.
 */
spl_autoload_register(static function (string $class): void {
    $prefix = 'XmppChat\\Lhc\\';
    if (!str_starts_with($class, $prefix)) {
        return;
    }
    $file = dirname(__DIR__) . '/classes/' . str_replace('\\', '/', substr($class, strlen($prefix))) . '.php';
    if (is_file($file)) {
        require_once $file;
    }
});
