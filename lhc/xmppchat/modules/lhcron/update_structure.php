<?php

/**
 * Makes or updates the extension's tables:
 * php cron.php -s site_admin -e xmppchat -c cron/update_structure
 */

declare(strict_types=1);

$statements = (new \XmppChat\Lhc\Structure(\XmppChat\Lhc\Extension::instance()->database()))->update();
echo $statements === [] ? "The tables are up to date.\n" : count($statements) . " statements were carried out.\n";
