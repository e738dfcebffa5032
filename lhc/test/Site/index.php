<?php

/** The router of `php -S`: the double of LHC as a web server, with the extension. */

declare(strict_types=1);

require dirname(__DIR__) . '/connect.php';

// As LHC's index.php: PHP answers 200 to a request that died while errors are displayed.
ini_set('display_errors', '0');
set_exception_handler(static function (Throwable $failure): void {
    error_log((string) $failure);
    http_response_code(503);
    header('Retry-After: 300');
});
require dirname(__DIR__, 2) . '/xmppchat/bootstrap/bootstrap.php';

ini_set('log_errors', '1'); // the end-to-end test shows them
erLhcoreClassLog::$isSeen = true;
(new erLhcoreClassExtensionXmppchat())->run();
XmppChat\Lhc\Test\Site\Front::serve();
