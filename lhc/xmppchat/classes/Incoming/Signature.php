<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Incoming;

/** The signature of Standard Webhooks over the raw bytes. */
final class Signature
{
    public const ID_MAX_BYTES = 191;
    /** Seconds that the sender's clock may be off, either way. */
    public const TOLERANCE_S = 300;
    /** Signatures in one header at most: two while a secret is changed. */
    private const SIGNATURES_MAX = 8;
    private const PREFIX = 'whsec_';
    /** Bytes of a key at least, as the service has it. */
    private const KEY_MIN_BYTES = 18;

    /**
     * The key in a secret `whsec_…`; null if it is none. The strict decoding matters: the lenient one makes other bytes of
     * a secret with its prefix, and says nothing.
     */
    public static function key(#[\SensitiveParameter] string $secret): ?string
    {
        if (!str_starts_with($secret, self::PREFIX)) {
            return null;
        }
        $key = base64_decode(substr($secret, strlen(self::PREFIX)), true);
        return $key === false || strlen($key) < self::KEY_MIN_BYTES ? null : $key;
    }

    /**
     * @param string $key  of `key()`
     * @param int    $nowS seconds since 1970
     * @return ?string what is wrong; null if nothing is
     */
    public static function problem(#[\SensitiveParameter] string $key, Request $request, int $nowS): ?string
    {
        if (preg_match('/^[\x21-\x7e]{1,' . self::ID_MAX_BYTES . '}$/D', $request->id) !== 1) {
            return 'webhook-id: is missing, or not 1 to ' . self::ID_MAX_BYTES . ' characters of ASCII';
        }
        if (preg_match('/^[0-9]{1,12}$/D', $request->timestamp) !== 1) {
            return 'webhook-timestamp: is missing, or no number';
        }
        $signed = "{$request->id}.{$request->timestamp}.{$request->body}";
        $expected = base64_encode(hash_hmac('sha256', $signed, $key, true));
        $matches = false;
        foreach (array_slice(explode(' ', $request->signatures), 0, self::SIGNATURES_MAX) as $signature) {
            if (str_starts_with($signature, 'v1,')) {
                // No way out at the first match: the time does not tell which one it was.
                $matches = hash_equals($expected, substr($signature, 3)) || $matches;
            }
        }
        if (!$matches) {
            return 'webhook-signature: does not match';
        }
        // After the signature: a stranger does not learn what clock this machine has.
        $off = $nowS - (int) $request->timestamp;
        return abs($off) > self::TOLERANCE_S ? "webhook-timestamp: is {$off} s off" : null;
    }
}
