<?php

/** Makes the tables anew, once for a run of PHPUnit. */

declare(strict_types=1);

require __DIR__ . '/connect.php';

use XmppChat\Lhc\Database;
use XmppChat\Lhc\Structure;
use XmppChat\Lhc\Test\Connection;
use XmppChat\Lhc\Test\Double;
use XmppChat\Lhc\Test\RealLhc;

Connection::create();
$db = ezcDbInstance::get();
foreach ($db->query('SHOW TABLES')->fetchAll(PDO::FETCH_COLUMN) as $table) {
    $db->query("DROP TABLE `{$table}`");
}
$folder = getenv('LHC_DIR') ?: '';
foreach ($folder === '' ? Double::tables() : RealLhc::tables($folder) as $statement) {
    $db->query($statement);
}
(new Structure(new Database()))->update();
