<?php

/** LHC's cron with the extension's job, which goes on for so many seconds: `php cron.php SECONDS`. */

declare(strict_types=1);

require dirname(__DIR__) . '/connect.php';
require dirname(__DIR__, 2) . '/xmppchat/bootstrap/bootstrap.php';

ini_set('log_errors', '1'); // the end-to-end test shows them
erLhcoreClassLog::$isSeen = true;
(new erLhcoreClassExtensionXmppchat())->run();
$cronjobPathOption = new class ((string) ($argv[1] ?? '0')) {
    public function __construct(public readonly string $value)
    {
    }
};
require dirname(__DIR__, 2) . '/xmppchat/modules/lhcron/outbox.php';
