<?php

declare(strict_types=1);

$Module = ['name' => 'XMPP chat'];

$ViewList = [];

// Without `functions`: LHC would begin a session, and send the service to the login page.
$ViewList['callback'] = ['params' => [], 'uparams' => []];

$FunctionList = [];
