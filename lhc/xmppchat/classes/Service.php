<?php

declare(strict_types=1);

namespace XmppChat\Lhc;

/** The service's HTTP API, by curl. It knows nothing of the breaker: who calls it looks there first. */
final class Service
{
    /** Bytes of an answer that are read at most. */
    private const ANSWER_MAX = 1_048_576;

    private ?\CurlHandle $curl = null;

    public function __construct(
        private readonly Settings $settings,
        private readonly Link $link,
    ) {
    }

    /**
     * One request below `/v1/{tenant}/`.
     *
     * @param string $method for example `POST`
     * @param string $path without a slash at its beginning, for example `batch`; its parts are escaped by the caller
     * @param ?array<mixed> $body sent as JSON
     * @param int $timeoutMs for all of it: name, connection, answer
     * @param ?string $idempotencyKey the same for each repeat
     */
    public function request(
        string $method,
        string $path,
        ?array $body,
        int $timeoutMs,
        ?string $idempotencyKey = null,
    ): ServiceAnswer {
        return $this->call($method, '/v1/' . rawurlencode($this->settings->tenant()) . '/' . $path, $this->settings->apiKey(), $body, $timeoutMs, $idempotencyKey);
    }

    /**
     * One request with another token, for example the admin token of a hosting's manager.
     *
     * @param string $path with a slash at its beginning
     * @param ?array<mixed> $body sent as JSON
     */
    public function call(
        string $method,
        string $path,
        string $token,
        ?array $body,
        int $timeoutMs,
        ?string $idempotencyKey = null,
    ): ServiceAnswer {
        $text = '';
        $retryAfter = null;
        $headers = ['Authorization: Bearer ' . $token, 'Accept: application/json', 'Expect:'];
        if ($body !== null) {
            $headers[] = 'Content-Type: application/json';
        }
        if ($idempotencyKey !== null) {
            $headers[] = 'Idempotency-Key: ' . $idempotencyKey;
        }
        $curl = $this->curl ??= curl_init();
        curl_reset($curl);
        curl_setopt_array($curl, [
            CURLOPT_URL => $this->settings->serviceUrl() . $path,
            CURLOPT_CUSTOMREQUEST => $method,
            CURLOPT_HTTPHEADER => $headers,
            CURLOPT_PROTOCOLS => CURLPROTO_HTTP | CURLPROTO_HTTPS,
            CURLOPT_FOLLOWLOCATION => false,
            CURLOPT_NOSIGNAL => true,
            CURLOPT_TIMEOUT_MS => $timeoutMs,
            CURLOPT_CONNECTTIMEOUT_MS => $timeoutMs,
            CURLOPT_RESOLVE => $this->addresses(),
            CURLOPT_HEADERFUNCTION => static function ($_, string $line) use (&$retryAfter): int {
                if (preg_match('/^retry-after:\s*(\d{1,6})\s*$/i', $line, $found) === 1) {
                    $retryAfter = (int) $found[1];
                }
                return strlen($line);
            },
            CURLOPT_WRITEFUNCTION => static function ($_, string $part) use (&$text): int {
                $text .= $part;
                return strlen($text) > self::ANSWER_MAX ? 0 : strlen($part);
            },
        ]);
        if ($body !== null) {
            curl_setopt($curl, CURLOPT_POSTFIELDS, self::json($body));
        }
        if (curl_exec($curl) === false) {
            return new ServiceAnswer(0, null, 'curl ' . curl_errno($curl) . ': ' . curl_error($curl), true);
        }
        $json = json_decode($text, true, 64);
        return new ServiceAnswer((int) curl_getinfo($curl, CURLINFO_RESPONSE_CODE), is_array($json) ? $json : null, '', false, $retryAfter);
    }

    /**
     * A body as it is sent.
     *
     * @param array<mixed> $body
     */
    public static function json(array $body): string
    {
        return json_encode($body, JSON_THROW_ON_ERROR | JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_INVALID_UTF8_SUBSTITUTE);
    }

    /**
     * Where the service's host is, as cron looked it up: a name server that hangs would hold curl up for 10 s, whatever
     * its time-outs say. Old addresses are better than that; cron renews them each minute.
     *
     * @return list<string> for CURLOPT_RESOLVE; empty if cron has not looked this name up
     */
    private function addresses(): array
    {
        $state = $this->link->state();
        $parts = parse_url($this->settings->serviceUrl());
        $host = $parts['host'] ?? '';
        $port = $parts['port'] ?? (($parts['scheme'] ?? '') === 'http' ? 80 : 443);
        return $host === '' || $state->host !== $host || $state->addresses === []
            ? []
            : ["{$host}:{$port}:" . implode(',', $state->addresses)];
    }
}
