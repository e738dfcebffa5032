<?php

/** The router of FakeService: one HTTP request. */

declare(strict_types=1);

$folder = (string) getenv('SERVICE_FOLDER');
$mode = is_file("{$folder}/mode") ? json_decode((string) file_get_contents("{$folder}/mode"), true) : [];
$path = (string) parse_url((string) $_SERVER['REQUEST_URI'], PHP_URL_PATH);
$body = json_decode((string) file_get_contents('php://input'), true);
$call = ['path' => $path, 'headers' => array_change_key_case(getallheaders()), 'body' => $body];
file_put_contents("{$folder}/requests", json_encode($call) . "\n", FILE_APPEND);
if (isset($mode['delayMs'])) {
    usleep($mode['delayMs'] * 1_000);
}
header('Content-Type: application/json');
if (!str_ends_with($path, '/batch')) {
    http_response_code($mode['status'] ?? 204);
    return;
}
if (isset($mode['status'])) {
    http_response_code($mode['status']);
    isset($mode['retryAfter']) && header("Retry-After: {$mode['retryAfter']}");
    echo json_encode(['code' => 'test', 'detail' => 'as the test wishes']);
    return;
}
$done = is_file("{$folder}/done") ? json_decode((string) file_get_contents("{$folder}/done"), true) : [];
$results = [];
$heldUp = [];
foreach ($body['requests'] as $request) {
    $visitor = explode('/', $request['path'])[1];
    $result = ['status' => 202, 'body' => []];
    foreach ($mode['answers'] ?? [] as $pattern => $answer) {
        if (preg_match($pattern, "{$request['path']} {$request['id']}") === 1) {
            $result = $answer + ['body' => []];
        }
    }
    if (isset($heldUp[$visitor])) {
        $result = ['status' => 503, 'body' => ['code' => 'waits', 'detail' => 'another one comes first', 'retryAfter' => 1]];
    } elseif ($result['status'] >= 500 || $result['status'] === 429) {
        $heldUp[$visitor] = true;
    } elseif ($result['status'] < 300) {
        $done[$request['id']] = ($done[$request['id']] ?? 0) + 1;
    }
    $results[] = ['id' => $request['id']] + $result;
}
file_put_contents("{$folder}/done", json_encode($done));
echo json_encode(['results' => $results]);
