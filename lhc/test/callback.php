<?php

/** The view `xmppchat/callback` for PHP's own web server: what LHC's index.php does before it, and the view itself. */

declare(strict_types=1);

require __DIR__ . '/connect.php';
// As LHC in production: a notice would be printed into the answer.
error_reporting(0);
if (isset($_SERVER['HTTP_X_DIES'])) {
    // Not even a Throwable: PHP ends the request.
    erLhcoreClassChatEventDispatcher::getInstance()->listen('chat.web_add_msg_admin', static fn () => str_repeat('x', PHP_INT_MAX - 1_000));
}
require __DIR__ . '/../xmppchat/modules/lhxmppchat/callback.php';
