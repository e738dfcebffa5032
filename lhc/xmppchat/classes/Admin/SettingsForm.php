<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Admin;

use XmppChat\Lhc\Settings;

/** What an administrator typed into the settings, checked. */
final class SettingsForm
{
    private const URL_MAX = 250;

    /**
     * @param array<string, string|bool> $values to write; a secret that was left empty is not among them
     * @param list<string> $errors each names field and reason; nothing is written if there is one
     */
    private function __construct(public readonly array $values, public readonly array $errors)
    {
    }

    public static function read(Request $request, Settings $now): self
    {
        $enabled = $request->isOn('enabled');
        if ($now->hosted()) {
            return new self(['enabled' => $enabled, 'shareTyping' => $request->isOn('shareTyping'), 'sharePreview' => $request->isOn('sharePreview')], []);
        }
        $values = [
            'enabled' => $enabled,
            'shareTyping' => $request->isOn('shareTyping'),
            'sharePreview' => $request->isOn('sharePreview'),
            // Who copies a request's address has /v1 in it, which we add ourselves.
            'serviceUrl' => (string) preg_replace('~/+(?:v1(?:/[^?#]*)?)?$~D', '', $request->text('serviceUrl')),
            'tenant' => $request->text('tenant'),
            'lhcAddress' => rtrim($request->text('lhcAddress'), '/'),
        ];
        $secrets = array_filter(['apiKey' => $request->text('apiKey'), 'callbackSecret' => $request->text('callbackSecret')]);
        $faults = [
            'serviceUrl' => self::urlFault($values['serviceUrl']),
            'tenant' => self::tenantFault($values['tenant']),
            'apiKey' => self::keyFault($secrets['apiKey'] ?? ''),
            'callbackSecret' => self::secretFault($secrets['callbackSecret'] ?? ''),
            'lhcAddress' => self::urlFault($values['lhcAddress']),
        ];
        if ($enabled) {
            $all = $values + $secrets + ['apiKey' => $now->apiKey(), 'callbackSecret' => $now->callbackSecret()];
            foreach (array_keys(array_diff_key($faults, ['lhcAddress' => true])) as $field) {
                $faults[$field] ??= $all[$field] === '' ? Words::t('is needed before the extension can be switched on') : null;
            }
        }
        return new self($values + $secrets, self::errors($faults));
    }

    /** @return ?string why this is no address of a service; null if it is one, or empty */
    public static function urlFault(string $url): ?string
    {
        if ($url === '') {
            return null;
        }
        $parts = parse_url($url);
        return match (true) {
            strlen($url) > self::URL_MAX => Words::t('is longer than {max} characters', ['max' => self::URL_MAX]),
            $parts === false || !isset($parts['host']),
            !in_array($parts['scheme'] ?? '', ['http', 'https'], true) => Words::t('has to begin with https:// or http:// and name a host, for example https://xmpp-chat.example.org'),
            isset($parts['user']) || isset($parts['pass']) => Words::t('must not contain a user or a password'),
            isset($parts['query']) || isset($parts['fragment']) => Words::t('must not contain ? or #'),
            preg_match('~^[A-Za-z0-9.-]+$|^\[[0-9A-Fa-f:.]+\]$~', $parts['host']) !== 1 => Words::t('has a host with characters that no host has; write a name with umlauts in its xn-- form'),
            preg_match('~^[A-Za-z0-9._\~/-]*$~', $parts['path'] ?? '') !== 1 => Words::t('has a path with characters other than letters, digits, and . _ ~ / -'),
            default => null,
        };
    }

    /** @return ?string why this cannot be a tenant's id; null if it can, or is empty */
    public static function tenantFault(string $tenant): ?string
    {
        return $tenant === '' || (preg_match('/^[a-z][a-z0-9-]{0,30}$/', $tenant) === 1 && $tenant !== 'chat' && $tenant !== 'tenants')
            ? null
            : Words::t('is a-z, 0-9 and -, begins with a letter, at most 31 characters');
    }

    private static function keyFault(string $key): ?string
    {
        return $key === '' || preg_match('/^[\x21-\x7e](?:[\x20-\x7e]{14,254}[\x21-\x7e])$/', $key) === 1
            ? null
            : Words::t('has 16 to 256 characters of ASCII, as the service printed it');
    }

    private static function secretFault(string $secret): ?string
    {
        if ($secret === '') {
            return null;
        }
        $bytes = str_starts_with($secret, 'whsec_') ? base64_decode(substr($secret, 6), true) : false;
        return $bytes !== false && strlen($bytes) >= 18 && strlen($bytes) <= 128
            ? null
            : Words::t('is whsec_ and the base64 of 18 to 128 bytes');
    }

    /**
     * @param array<string, ?string> $faults by field
     * @return list<string>
     */
    private static function errors(array $faults): array
    {
        $labels = [
            'serviceUrl' => Words::t('Address of the service'),
            'tenant' => Words::t('Tenant'),
            'apiKey' => Words::t('API key'),
            'callbackSecret' => Words::t('Callback secret'),
            'lhcAddress' => Words::t('Address of this LHC'),
        ];
        $errors = [];
        foreach (array_filter($faults) as $field => $reason) {
            $errors[] = "{$labels[$field]}: {$reason}";
        }
        return $errors;
    }
}
