<?php

/** The router of FileServer: one HTTP request. `/to/NAME` leads to the file. */

declare(strict_types=1);

$folder = (string) getenv('SERVICE_FOLDER');
$path = (string) parse_url((string) $_SERVER['REQUEST_URI'], PHP_URL_PATH);
file_put_contents("{$folder}/asked", json_encode(['path' => $path]) . "\n", FILE_APPEND);
if (str_starts_with($path, '/to/')) {
    header('Location: /' . basename($path), true, 302);
    return;
}
$file = "{$folder}/" . basename($path);
if (!is_file($file)) {
    http_response_code(404);
    return;
}
header('Content-Type: application/octet-stream');
readfile($file);
