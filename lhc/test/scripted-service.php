<?php

/** The router of ScriptedService: one HTTP request. */

declare(strict_types=1);

$folder = (string) getenv('SERVICE_FOLDER');
$answers = json_decode((string) file_get_contents("{$folder}/answers"), true);
$call = $_SERVER['REQUEST_METHOD'] . ' ' . parse_url((string) $_SERVER['REQUEST_URI'], PHP_URL_PATH);
file_put_contents("{$folder}/calls", json_encode([
    'call' => $call,
    'query' => (string) ($_SERVER['QUERY_STRING'] ?? ''),
    'token' => substr((string) ($_SERVER['HTTP_AUTHORIZATION'] ?? ''), strlen('Bearer ')),
    'body' => json_decode((string) file_get_contents('php://input'), true),
]) . "\n", FILE_APPEND);
[$status, $body, $headers] = ($answers[$call] ?? [404, ['detail' => 'there is nothing at this path']]) + [1 => [], 2 => []];
http_response_code($status);
foreach ($headers as $name => $value) {
    header("{$name}: {$value}");
}
if (is_string($body)) {
    echo $body;
    return;
}
header('Content-Type: application/json');
echo json_encode($body);
