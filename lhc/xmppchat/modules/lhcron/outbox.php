<?php

/**
 * Sends what waits for the service. Each minute:
 * php cron.php -s site_admin -e xmppchat -c cron/outbox
 * The same, going on for 55 seconds: better where PHP cannot finish a request before it sends (no PHP-FPM).
 * php cron.php -s site_admin -e xmppchat -c cron/outbox -p 55
 */

declare(strict_types=1);

echo (new \XmppChat\Lhc\Outgoing\CronRun(\XmppChat\Lhc\Extension::instance()))
    ->run(max(0, (int) ($cronjobPathOption->value ?: 0)));
