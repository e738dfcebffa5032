<?php

/**
 * Sends what waits for the service, each minute:
 * php cron.php -s site_admin -e xmppchat -c cron/outbox
 */

declare(strict_types=1);
