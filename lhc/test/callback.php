<?php

/** The view `xmppchat/callback` for PHP's own web server: what LHC's index.php does before it, and the view itself. */

declare(strict_types=1);

require __DIR__ . '/connect.php';
error_reporting(0);
require __DIR__ . '/../xmppchat/modules/lhxmppchat/callback.php';
