<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Hosting;

use XmppChat\Lhc\Admin\Request;
use XmppChat\Lhc\Admin\SettingsForm;
use XmppChat\Lhc\Admin\Words;
use XmppChat\Lhc\Settings;

/** What the manager's administrator typed, checked. */
final class HostingForm
{
    /** What the manager decides for each tenant itself. */
    private const OWN = ['host', 'instance', 'callbackUrl', 'callbackSecret', 'apiKey', 'id'];

    /**
     * @param array<string, string|bool> $values to write
     * @param list<string> $errors each names field and reason
     */
    private function __construct(public readonly array $values, public readonly array $errors)
    {
    }

    public static function read(Request $request, Settings $now): self
    {
        $values = [
            'serviceUrl' => rtrim($request->text('serviceUrl'), '/'),
            'xmppHost' => strtolower($request->text('xmppHost')),
            'tenantPrefix' => $request->text('tenantPrefix'),
            'tenantSettings' => $request->text('tenantSettings'),
            'purge' => $request->isOn('purge'),
        ];
        $token = $request->text('adminToken');
        $needed = Words::t('is empty');
        $errors = [];
        foreach ([
            Words::t('Address of the service') => $values['serviceUrl'] === '' ? $needed : SettingsForm::urlFault($values['serviceUrl']),
            Words::t('Admin token') => $token === '' && $now->adminToken() === '' ? $needed : null,
            Words::t('Virtual host in ejabberd') => preg_match('/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/', $values['xmppHost']) === 1
                ? null : Words::t('is a host name in lower case, for example chat.example.org'),
            Words::t('Beginning of tenants') => preg_match('/^([a-z][a-z0-9-]{0,19})?$/', $values['tenantPrefix']) === 1
                ? null : Words::t('is a-z, 0-9 and -, begins with a letter, at most 20 characters'),
            Words::t('Further settings of all tenants') => self::settingsFault($values['tenantSettings']),
        ] as $label => $fault) {
            if ($fault !== null) {
                $errors[] = "{$label}: {$fault}";
            }
        }
        return new self($values + ($token === '' ? [] : ['adminToken' => $token]), $errors);
    }

    private static function settingsFault(string $json): ?string
    {
        if ($json === '') {
            return null;
        }
        $settings = json_decode($json, true, 8);
        if (!is_array($settings) || ($settings !== [] && array_is_list($settings))) {
            return Words::t('is a JSON object, for example {example}', ['example' => '{"hardTimeout":600}']);
        }
        $own = array_intersect(array_keys($settings), self::OWN);
        return $own === [] ? null : Words::t('must not contain {names}: the manager decides that', ['names' => implode(', ', $own)]);
    }
}
