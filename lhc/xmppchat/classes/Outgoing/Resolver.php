<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Outgoing;

use XmppChat\Lhc\Clock;
use XmppChat\Lhc\Link;
use XmppChat\Lhc\Settings;

/**
 * Asks the name server for the service's host, for all web workers: a name server that hangs holds curl up for 10 s,
 * whatever its time-outs say, and only cron can wait.
 */
final class Resolver
{
    /** Ms after which the name is looked up again. */
    private const AGAIN_MS = 60_000;

    /** @param ?\Closure(string): list<string> $lookUp addresses of a name; the system's resolver when absent */
    public function __construct(
        private readonly Settings $settings,
        private readonly Link $link,
        private readonly Clock $clock,
        private readonly ?\Closure $lookUp = null,
    ) {
    }

    public function run(): void
    {
        $host = (string) parse_url($this->settings->serviceUrl(), PHP_URL_HOST);
        $state = $this->link->state();
        if ($host === '' || filter_var(trim($host, '[]'), FILTER_VALIDATE_IP) !== false) {
            return;
        }
        if ($state->host === $host && $state->resolvedAt > $this->clock->nowMs() - self::AGAIN_MS) {
            return;
        }
        $addresses = $this->lookUp === null ? self::system($host) : ($this->lookUp)($host);
        if ($addresses !== []) {
            $this->link->resolved($host, $addresses);
        } elseif ($state->host !== $host) {
            $this->link->failed("the name server knows no {$host}");
        }
        // Otherwise the addresses of before stay: a service that moves is rarer than a name server that fails.
    }

    /** @return list<string> */
    private static function system(string $host): array
    {
        $addresses = gethostbynamel($host);
        if ($addresses !== false && $addresses !== []) {
            return array_values($addresses);
        }
        // `@`: a name server that fails is a warning, and `false`.
        $records = @dns_get_record($host, DNS_AAAA);
        return $records === false ? [] : array_map(static fn (string $ip): string => "[{$ip}]", array_column($records, 'ipv6'));
    }
}
