<?php

/** The addresses of the extension, below `/xmppchat/`, and its permissions. */

declare(strict_types=1);

$Module = ['name' => 'XMPP chat'];

$ViewList = [];

// For the service alone. Without `functions` LHC starts no session and sends no cookie.
$ViewList['callback'] = ['params' => [], 'uparams' => []];

// Links to visitors' files, for operators who have no session: the link itself is signed.
$ViewList['file'] = ['params' => ['file_id', 'hash', 'until', 'signature'], 'uparams' => []];

$ViewList['status'] = [
    'params' => [],
    'uparams' => ['operators', 'visitors', 'queue', 'pending', 'failed'],
    'functions' => ['use'],
];

$ViewList['settings'] = ['params' => [], 'uparams' => [], 'functions' => ['configure']];

$ViewList['test'] = ['params' => [], 'uparams' => [], 'functions' => ['configure']];

$ViewList['hosting'] = ['params' => [], 'uparams' => [], 'functions' => ['configure']];

$ViewList['account'] = ['params' => ['user_id'], 'uparams' => ['tab'], 'functions' => ['accounts']];

$FunctionList = [];
$FunctionList['use'] = ['explain' => 'See the page "XMPP chat": operators and visitors in XMPP, what waits for the service'];
$FunctionList['configure'] = ['explain' => 'Change the settings of XMPP chat, test the connection, send again or drop what waits'];
$FunctionList['accounts'] = ['explain' => 'Make, change and remove XMPP accounts of users'];
