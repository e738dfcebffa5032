<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Admin;

use XmppChat\Lhc\Clock;
use XmppChat\Lhc\Database;
use XmppChat\Lhc\Service;
use XmppChat\Lhc\ServiceAnswer;
use XmppChat\Lhc\Settings;

/** The steps of the connection test that ask the service, each only if the one before it went well. */
final class ServiceChecks
{
    private const TIMEOUT_MS = 5_000;
    /** The service waits up to 4.5 s for our answer to its ping. */
    private const PING_TIMEOUT_MS = 8_000;
    /** Seconds that the clocks may differ: callbacks are refused from 300 s on. */
    private const CLOCK_WARNING_S = 60;
    private const CLOCK_PROBLEM_S = 290;
    /** Ms that the clocks of LHC's own servers may differ. */
    private const SERVERS_APART_MS = 3_000;

    /** What curl's error numbers mean for an administrator; all others are `connection`. */
    private const TLS_ERRORS = [35, 51, 53, 54, 58, 59, 60, 64, 66, 77, 80, 82, 83, 90, 91, 98];

    /** @param int $timeoutMs for each request but the ping */
    public function __construct(
        private readonly Settings $settings,
        private readonly Service $service,
        private readonly Database $database,
        private readonly Clock $clock,
        private readonly int $timeoutMs = self::TIMEOUT_MS,
    ) {
    }

    /** @return list<Finding> */
    public function run(): array
    {
        $address = $this->address();
        $findings = [$address];
        if ($address->status === Finding::PROBLEM) {
            return $findings;
        }
        $findings[] = $reach = $this->reach();
        if ($reach->status === Finding::PROBLEM) {
            return $findings;
        }
        [$key, $tenant] = $this->key();
        return $tenant === null ? [...$findings, $key] : [...$findings, $key, $this->clocks($tenant), ...$this->callbacks($tenant)];
    }

    private function address(): Finding
    {
        $url = $this->settings->serviceUrl();
        $fault = $url === '' ? Words::t('is empty') : SettingsForm::urlFault($url);
        if ($fault !== null) {
            return Finding::problem(
                'address',
                Words::t('The address of the service {reason}.', ['reason' => $fault]),
                Words::t('Correct it in the settings.'),
            );
        }
        $host = (string) parse_url($url, PHP_URL_HOST);
        if (str_starts_with($url, 'http://') && preg_match('/^(127\.|\[::1\]|localhost$)/', $host) !== 1) {
            return Finding::warning(
                'plain-http',
                Words::t('The address of the service begins with http://. The key and all texts go over the network as they are.'),
                Words::t('Use https://, or keep LHC and the service in one private network.'),
            );
        }
        return Finding::ok('address', Words::t('The address of the service is well formed.'));
    }

    private function reach(): Finding
    {
        $answer = $this->service->call('GET', '/readyz', '', null, $this->timeoutMs);
        if ($answer->unreachable) {
            return $this->unreachable($answer);
        }
        if (!is_string($answer->body['version'] ?? null) || !is_array($answer->body['checks'] ?? null)) {
            return Finding::problem(
                'not-xmpp-chat',
                Words::t('Another program answers at this address (HTTP {status}).', ['status' => $answer->status]),
                Words::t('Correct the address, or the proxy before the service: xmpp-chat answers at /readyz below it.'),
            );
        }
        if ($answer->ok()) {
            return Finding::ok('service', Words::t('xmpp-chat {version} answers.', ['version' => $answer->body['version']]));
        }
        $failing = array_keys(array_filter($answer->body['checks'], fn (mixed $check): bool => ($check['ok'] ?? false) !== true));
        return Finding::warning(
            'not-ready',
            Words::t('xmpp-chat {version} answers, but it is not ready: {parts}', [
                'version' => $answer->body['version'],
                'parts' => implode(', ', $failing),
            ]),
            Words::t('Look at the log of the service. What LHC sends is kept until it is ready.'),
        );
    }

    private function unreachable(ServiceAnswer $answer): Finding
    {
        preg_match('/^curl (\d+)/', $answer->error, $found);
        $number = (int) ($found[1] ?? 0);
        $reason = ['reason' => $answer->error];
        return match (true) {
            $number === 3 => Finding::problem('address', Words::t('The address cannot be used: {reason}', $reason), Words::t('Correct it in the settings.')),
            $number === 6 => Finding::problem('dns', Words::t('The name of the host is not known in DNS: {reason}', $reason), Words::t('Correct the host, or the name servers of this machine.')),
            $number === 7 => Finding::problem('refused', Words::t('Nothing takes connections there: {reason}', $reason), Words::t('Is the service running? Is the port right, and does a firewall let this machine through?')),
            $number === 28 => Finding::problem('timeout', Words::t('No answer within {seconds} s: {reason}', $reason + ['seconds' => intdiv($this->timeoutMs, 1000)]), Words::t('Does a firewall drop the packets? Does DNS answer? Is the service overloaded?')),
            in_array($number, self::TLS_ERRORS, true) => Finding::problem('tls', Words::t('TLS fails: {reason}', $reason), Words::t('The certificate has to be valid for this host, and its issuer known to this machine. Is https:// right for this port?')),
            default => Finding::problem('connection', Words::t('The connection fails: {reason}', $reason), Words::t('Is it the address of the service, and does it speak HTTP there?')),
        };
    }

    /** @return array{Finding, ?array<mixed>} the second: what the service says of the tenant, if it takes the key */
    private function key(): array
    {
        $tenant = $this->settings->tenant();
        if ($tenant === '' || $this->settings->apiKey() === '') {
            return [Finding::problem('key', Words::t('Tenant or API key is missing.'), Words::t('Run the request that the settings show, and type in the key that it prints.')), null];
        }
        $before = $this->clock->nowMs();
        $answer = $this->service->call('GET', '/v1/' . rawurlencode($tenant), $this->settings->apiKey(), null, $this->timeoutMs);
        if ($answer->ok() && ($answer->body['state'] ?? '') !== 'removing') {
            $told = ['asked' => ($before + $this->clock->nowMs()) / 2] + (array) $answer->body;
            return [Finding::ok('key', Words::t('The service takes the API key for tenant {tenant}, with accounts at {host}.', ['tenant' => $tenant, 'host' => self::said($answer, 'host')])), $told];
        }
        return [match (true) {
            $answer->ok() => Finding::problem('tenant', Words::t('The tenant is being removed.'), Words::t('Make it anew when that is done.')),
            $answer->unreachable => $this->unreachable($answer),
            $answer->status === 401 => Finding::problem(
                'key',
                Words::t('The service does not take the API key for tenant {tenant}: the key is wrong, or there is no such tenant (it does not say which).', ['tenant' => $tenant]),
                Words::t('On the service, "xmpp-chat tenants list" shows the tenants and "xmpp-chat tenants rotate-key" gives one a new key. The settings show the request that makes the tenant.'),
            ),
            $answer->status === 503 => Finding::warning('not-ready', $answer->reason(), Words::t('Try again in a minute.')),
            default => Finding::problem('service', Words::t('The service answers: {reason}', ['reason' => $answer->reason()]), Words::t('Look at the log of the service. Is it as new as this extension?')),
        }, null];
    }

    /**
     * @param array<mixed> $tenant as the service says
     * @return list<Finding>
     */
    private function callbacks(array $tenant): array
    {
        $callbacks = (array) ($tenant['callbacks'] ?? []);
        if (($callbacks['state'] ?? '') === 'off') {
            return [Finding::problem('no-callbacks', Words::t('The tenant has no callback address: operators\' messages do not reach LHC.'), Words::t('Run the request that the settings show.'))];
        }
        if (($callbacks['flavour'] ?? 'native') !== 'native' || ($callbacks['signed'] ?? true) !== true) {
            return [Finding::problem('callback-form', Words::t('The callbacks of the tenant are not signed, or have the form of another extension.'), Words::t('Set callbackFlavour to native and the callback secret: run the request that the settings show.'))];
        }
        if (!$this->settings->enabled()) {
            return [Finding::skipped('callback', Words::t('The callbacks were not tested: LHC refuses them while the extension is switched off.'))];
        }
        $before = $this->clock->nowMs();
        $answer = $this->service->request('POST', 'callback-test', null, self::PING_TIMEOUT_MS);
        if (!$answer->ok()) {
            return [Finding::warning('callback-test', Words::t('The service cannot test the callbacks: {reason}', ['reason' => $answer->reason()]), Words::t('Try again in a minute.'))];
        }
        if (($answer->body['status'] ?? '') === 'problem') {
            return [$this->callbackProblem($answer)];
        }
        $findings = [$this->arrived($before)];
        if (($answer->body['status'] ?? '') === 'warning') {
            $findings[] = Finding::warning('callback-slow', self::said($answer, 'message'), self::said($answer, 'advice'));
        }
        if (in_array($callbacks['state'] ?? '', ['paused', 'away', 'failing'], true)) {
            $findings[] = Finding::warning(
                'callbacks-wait',
                Words::t('Callbacks wait at the service: {reason}', ['reason' => is_string($callbacks['reason'] ?? null) ? mb_strcut($callbacks['reason'], 0, 300) : (string) $callbacks['state']]),
                Words::t('They are repeated by themselves. If they are paused, because LHC answered 410, set the callback address or the secret anew.'),
            );
        }
        return $findings;
    }

    private function callbackProblem(ServiceAnswer $answer): Finding
    {
        $reason = ['reason' => self::said($answer, 'message'), 'url' => CallbackAddress::of($this->settings)];
        return match ($answer->body['httpStatus'] ?? null) {
            401, 403 => Finding::problem(
                'secret',
                Words::t('Callbacks arrive, but their signature is refused: {reason}', $reason),
                Words::t('The callback secret here and at the service differ, or the clocks do. Make a new secret in the settings and run the request that is shown there.'),
            ),
            404, 301, 302, 307, 308 => Finding::problem(
                'callback-address',
                Words::t('The callback address of the tenant leads elsewhere: {reason}', $reason),
                Words::t('Set it to {url} at the service. Is the extension in the list of LHC\'s extensions, and its cache emptied?', $reason),
            ),
            default => Finding::problem(
                'callback',
                Words::t('The service does not get through to LHC: {reason}', $reason),
                Words::t('The service has to reach {url}. {advice}', $reason + ['advice' => self::said($answer, 'advice')]),
            ),
        };
    }

    /** Whether the ping that was answered came to this very LHC. */
    private function arrived(int $before): Finding
    {
        $seen = $this->database->value(
            "SELECT 1 FROM lhc_xmppchat_webhook WHERE type = 'doctor.ping' AND at >= ? LIMIT 1",
            [$before - self::SERVERS_APART_MS],
        );
        return $seen !== null
            ? Finding::ok('callback', Words::t('A callback of the service arrived here, and its signature is right.'))
            : Finding::problem(
                'callback-elsewhere',
                Words::t('Somebody answers the callbacks of this tenant, but it is not this LHC.'),
                Words::t('Set the callback address of the tenant to {url}. Does another LHC use the same tenant?', ['url' => CallbackAddress::of($this->settings)]),
            );
    }

    /** @param array<mixed> $tenant with the service's `time`, and when it was `asked` here */
    private function clocks(array $tenant): Finding
    {
        if (!is_int($tenant['time'] ?? null)) {
            return Finding::skipped('clock', Words::t('The clocks were not compared.'));
        }
        $seconds = (int) round(abs($tenant['time'] - $tenant['asked']) / 1_000);
        $text = Words::t('The clocks of LHC and of the service differ by {seconds} s.', ['seconds' => $seconds]);
        $advice = Words::t('Set both clocks by NTP. From 300 s on callbacks are refused.');
        return match (true) {
            $seconds >= self::CLOCK_PROBLEM_S => Finding::problem('clock', $text, $advice),
            $seconds >= self::CLOCK_WARNING_S => Finding::warning('clock', $text, $advice),
            default => Finding::ok('clock', Words::t('The clocks of LHC and of the service agree.')),
        };
    }

    /** A text of the service's answer, one line of it. */
    private static function said(ServiceAnswer $answer, string $field): string
    {
        $text = $answer->body[$field] ?? '';
        return is_string($text) ? mb_strcut((string) preg_replace('/\s+/u', ' ', $text), 0, 300) : '';
    }
}
