<?php

/**
 * Carries out one statement and prints its rows as JSON, values as the database gives them as text.
 * Standard input: {"port": 3306, "password": "…", "sql": "…", "params": […]}
 */

declare(strict_types=1);

$request = json_decode((string) stream_get_contents(STDIN), true, 64, JSON_THROW_ON_ERROR);
$database = new PDO(
    sprintf('mysql:host=127.0.0.1;port=%d;dbname=lhc;charset=utf8mb4', $request['port']),
    'lhc',
    $request['password'],
    [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION, PDO::ATTR_STRINGIFY_FETCHES => true, PDO::ATTR_TIMEOUT => 10],
);
$statement = $database->prepare($request['sql']);
$statement->execute($request['params']);
$rows = $statement->columnCount() > 0 ? $statement->fetchAll(PDO::FETCH_ASSOC) : [];
echo json_encode($rows, JSON_THROW_ON_ERROR | JSON_INVALID_UTF8_SUBSTITUTE);
