<?php

/** The router of `php -S`: the double of LHC as a web server, with the extension. */

declare(strict_types=1);

require dirname(__DIR__) . '/connect.php';
require dirname(__DIR__, 2) . '/xmppchat/bootstrap/bootstrap.php';

ini_set('log_errors', '1');
erLhcoreClassLog::$isSeen = true;
(new erLhcoreClassExtensionXmppchat())->run();
XmppChat\Lhc\Test\Site\Front::serve();
