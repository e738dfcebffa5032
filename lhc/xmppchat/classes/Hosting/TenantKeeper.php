<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Hosting;

use XmppChat\Lhc\Accounts\Refusal;
use XmppChat\Lhc\Clock;
use XmppChat\Lhc\Database;
use XmppChat\Lhc\Service;
use XmppChat\Lhc\ServiceAnswer;
use XmppChat\Lhc\Settings;
use XmppChat\Lhc\Structure;

/**
 * The manager's cron: each instance has a tenant at the service, and a tenant goes with its instance. The list of
 * instances is the truth and not LHC's events, so a run that was killed, or that the service missed, is made up by the
 * next one. Key and secret are written into the instance's own database before the service is told, so the same wish
 * comes again after a crash.
 */
final class TenantKeeper
{
    private const TIMEOUT_MS = 10_000;
    /** More tenants than this, and more than half of all, do not go without a person: the list may be broken. */
    private const GONE_AT_ONCE = 3;

    /** How many tenants a person has to agree to remove; 0 if none. */
    public int $held = 0;

    public function __construct(
        private readonly Instances $instances,
        private readonly TenantTable $table,
        private readonly Database $database,
        private readonly Settings $settings,
        private readonly Service $service,
        private readonly Clock $clock,
    ) {
    }

    /**
     * @param int $untilMs when to stop, in ms since 1970
     * @param bool $agreed a person looked at the list: many tenants may go at once
     * @return int how many requests the service answered
     */
    public function run(int $untilMs, bool $agreed = false): int
    {
        $instances = $this->instances->all();
        foreach ($instances as $instance) {
            if ($instance->status === Instance::WORKING && $instance->mayChat) {
                $this->table->want($instance, $this->settings->tenantPrefix() . $instance->id);
            }
        }
        $rows = $this->table->all();
        $gone = array_diff_key($rows, $instances);
        $this->held = !$agreed && count($gone) > self::GONE_AT_ONCE && count($gone) * 2 > count($rows) ? count($gone) : 0;
        $answered = 0;
        foreach ($rows as $id => $row) {
            if ($this->clock->nowMs() >= $untilMs) {
                break;
            }
            $answer = match (true) {
                (int) $row['next_at'] > $this->clock->nowMs() => null,
                !isset($gone[$id]) => $instances[$id]->status === Instance::WORKING ? $this->make($instances[$id], $row) : null,
                $this->held === 0 => $this->remove($row),
                default => null,
            };
            if ($answer?->unreachable) {
                break;
            }
            $answered += $answer === null ? 0 : 1;
        }
        return $answered;
    }

    /** @param array<string, mixed> $row */
    private function make(Instance $instance, array $row): ?ServiceAnswer
    {
        $wish = $this->wish($instance, (string) $row['name']);
        $told = hash('sha256', json_encode([$this->settings->serviceUrl(), $wish], JSON_THROW_ON_ERROR | JSON_INVALID_UTF8_SUBSTITUTE));
        if ($row['told'] === $told && $row['state'] === TenantTable::MADE) {
            return null;
        }
        $secrets = $this->instances->within($instance->id, fn (): array => $this->prepare((string) $row['tenant'], $this->instances->address($instance)));
        $answer = $this->call('PUT', (string) $row['tenant'], $secrets + $wish);
        if (!$answer->ok()) {
            $this->later($row, $answer, Refusal::isTemporary($answer) ? (string) $row['state'] : TenantTable::FAILED);
            return $answer;
        }
        if ($row['told'] === '') {
            $this->instances->within($instance->id, fn () => Settings::write($this->database, ['enabled' => true]));
        }
        $this->table->made($instance->id, $wish['callbackUrl'], $told);
        return $answer;
    }

    /**
     * The instance's own tables and settings. Runs with its database selected.
     *
     * @return array{apiKey: string, callbackSecret: string} what it has already, or new ones
     */
    private function prepare(string $tenant, string $address): array
    {
        (new Structure($this->database))->update();
        $now = Settings::read($this->database);
        $secrets = [
            'apiKey' => $now->apiKey() !== '' && $now->hosted() ? $now->apiKey() : 'key_' . bin2hex(random_bytes(32)),
            'callbackSecret' => $now->callbackSecret() !== '' && $now->hosted() ? $now->callbackSecret() : 'whsec_' . base64_encode(random_bytes(32)),
        ];
        $this->database->transaction(fn () => Settings::write($this->database, $secrets + [
            'serviceUrl' => $this->settings->serviceUrl(),
            'tenant' => $tenant,
            'lhcAddress' => $address,
            'hosted' => true,
        ]));
        return $secrets;
    }

    /** @return array<string, mixed> the whole wish, but for key and secret */
    private function wish(Instance $instance, string $name): array
    {
        $more = json_decode($this->settings->tenantSettings(), true);
        return [
            'host' => $this->settings->xmppHost(),
            'instance' => $name,
            'callbackUrl' => $this->instances->callbackUrl($instance),
        ] + (is_array($more) ? $more : []) + ['nodeHelper' => ['instance' => (string) $instance->id]];
    }

    /** @param array<string, mixed> $row */
    private function remove(array $row): ServiceAnswer
    {
        $answer = $this->call('DELETE', $row['tenant'] . ($this->settings->purge() ? '?purge=true' : ''), null);
        if ($answer->ok() || $answer->status === 404) {
            $this->table->delete((int) $row['instance_id']);
        } else {
            $this->later($row, $answer, (string) $row['state']);
        }
        return $answer;
    }

    /** @param ?array<string, mixed> $body */
    private function call(string $method, string $tenant, ?array $body): ServiceAnswer
    {
        return $this->service->call($method, "/v1/tenants/{$tenant}", $this->settings->adminToken(), $body, self::TIMEOUT_MS);
    }

    /** @param array<string, mixed> $row */
    private function later(array $row, ServiceAnswer $answer, string $state): void
    {
        $nextAt = $this->clock->nowMs() + Refusal::waitMs($answer, (int) $row['tries']);
        $this->table->later((int) $row['instance_id'], $state, $answer->reason(), $nextAt);
    }
}
