<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Admin;

/**
 * Reads a page of the web site that LHC's widget is on, because an administrator asked for it. Bounded in size, time and
 * redirects, and nothing of the page is shown to anybody.
 */
final class PageFetch
{
    private const BYTES_MAX = 2_097_152;
    private const TIMEOUT_MS = 5_000;
    private const REDIRECTS_MAX = 3;
    private const URL_MAX = 2_000;

    /** @param bool $publicOnly refuses addresses that only this machine's network reaches: on a site of a hosting customer */
    public function __construct(private readonly bool $publicOnly)
    {
    }

    /**
     * @return array{text: string, error: string} one of them is empty; the error is translated
     */
    public function read(string $url): array
    {
        for ($redirects = 0; $redirects <= self::REDIRECTS_MAX; $redirects++) {
            $fault = self::fault($url);
            if ($fault !== null) {
                return ['text' => '', 'error' => $fault];
            }
            $answer = $this->get($url);
            if ($answer['error'] !== '') {
                return ['text' => '', 'error' => $answer['error']];
            }
            if ($answer['location'] === '') {
                return $answer['status'] === 200
                    ? ['text' => $answer['text'], 'error' => '']
                    : ['text' => '', 'error' => Words::t('the web server answered {status}', ['status' => $answer['status']])];
            }
            $url = $answer['location'];
        }
        return ['text' => '', 'error' => Words::t('it redirects more than {max} times', ['max' => self::REDIRECTS_MAX])];
    }

    /** @return ?string why this address is not read */
    public static function fault(string $url): ?string
    {
        $parts = strlen($url) > self::URL_MAX ? false : parse_url($url);
        return $parts === false
            || !isset($parts['host'])
            || !in_array(strtolower($parts['scheme'] ?? ''), ['http', 'https'], true)
            || isset($parts['user']) || isset($parts['pass'])
            ? Words::t('it has to begin with https:// or http://, name a host, and have no user or password')
            : null;
    }

    /** @return array{text: string, error: string, status: int, location: string} */
    private function get(string $url): array
    {
        $resolve = $this->publicOnly ? self::pinned($url) : [];
        if ($resolve === null) {
            return ['text' => '', 'error' => Words::t('its host has no public address'), 'status' => 0, 'location' => ''];
        }
        $text = '';
        $curl = curl_init();
        curl_setopt_array($curl, [
            CURLOPT_URL => $url,
            CURLOPT_PROTOCOLS => CURLPROTO_HTTP | CURLPROTO_HTTPS,
            CURLOPT_FOLLOWLOCATION => false,
            CURLOPT_NOSIGNAL => true,
            CURLOPT_TIMEOUT_MS => self::TIMEOUT_MS,
            CURLOPT_CONNECTTIMEOUT_MS => self::TIMEOUT_MS,
            CURLOPT_RESOLVE => $resolve,
            CURLOPT_PROXY => '',
            CURLOPT_ENCODING => '',
            CURLOPT_USERAGENT => 'xmppchat connection test',
            CURLOPT_WRITEFUNCTION => static function ($_, string $part) use (&$text): int {
                $text .= $part;
                return strlen($text) > self::BYTES_MAX ? 0 : strlen($part);
            },
        ]);
        $done = curl_exec($curl) !== false;
        $cut = curl_errno($curl) === CURLE_WRITE_ERROR;
        $error = $done || $cut ? '' : 'curl ' . curl_errno($curl) . ': ' . curl_error($curl);
        $location = (string) curl_getinfo($curl, CURLINFO_REDIRECT_URL);
        return ['text' => $text, 'error' => $error, 'status' => (int) curl_getinfo($curl, CURLINFO_RESPONSE_CODE), 'location' => $location];
    }

    /**
     * The host's public addresses, for CURLOPT_RESOLVE: curl connects to what was looked at and does not ask DNS again.
     *
     * @return ?list<string> null if one of its addresses is not public, or it has none
     */
    private static function pinned(string $url): ?array
    {
        $parts = parse_url($url);
        $host = trim((string) ($parts['host'] ?? ''), '[]');
        $addresses = filter_var($host, FILTER_VALIDATE_IP) !== false ? [$host] : (gethostbynamel($host) ?: []);
        foreach ($addresses as $address) {
            if (!self::isPublic($address)) {
                return null;
            }
        }
        $port = $parts['port'] ?? (strtolower((string) ($parts['scheme'] ?? '')) === 'http' ? 80 : 443);
        return $addresses === [] ? null : ["{$host}:{$port}:" . implode(',', $addresses)];
    }

    /**
     * IPv4 alone, as names are looked up here: an address of IPv6 may carry one of IPv4 (`::ffff:127.0.0.1`), and PHP takes
     * that for public.
     */
    private static function isPublic(string $address): bool
    {
        $flags = FILTER_FLAG_IPV4 | FILTER_FLAG_NO_PRIV_RANGE | FILTER_FLAG_NO_RES_RANGE | FILTER_FLAG_GLOBAL_RANGE;
        // From 224 on: multicast.
        return filter_var($address, FILTER_VALIDATE_IP, $flags) !== false && (int) $address < 224;
    }
}
