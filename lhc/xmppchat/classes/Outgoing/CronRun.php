<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Outgoing;

use XmppChat\Lhc\Extension;
use XmppChat\Lhc\Hosting\HostingCron;
use XmppChat\Lhc\Hosting\Site;
use XmppChat\Lhc\Log;

/** What cron does each minute: names, what waits, the probe of a service that was away, differences, old rows. */
final class CronRun
{
    /** Seconds of one run at most. */
    public const SECONDS_MAX = 300;
    /** SQLSTATE of a table that does not exist. */
    private const NO_TABLE = '42S02';
    private const PAUSE_US = 1_000_000;
    /** Ms of one run at most for operators' accounts, and on a hosting's manager for tenants and for all instances. */
    private const ACCOUNTS_MS = 15_000;
    private const TENANTS_MS = 15_000;
    private const INSTANCES_MS = 40_000;

    public function __construct(private readonly Extension $extension)
    {
    }

    /**
     * @param int $seconds how long it goes on sending; 0: once
     * @return string what to print
     */
    public function run(int $seconds): string
    {
        if (!Site::mayWork()) {
            return "Without a host name this site sees the manager's database. Run this cron job in the manager.\n";
        }
        try {
            $this->extension->settings();
        } catch (\PDOException $failure) {
            if ($failure->getCode() !== self::NO_TABLE) {
                throw $failure;
            }
            return "The extension's tables are missing. Make them: php cron.php -s site_admin -e xmppchat -c cron/update_structure\n";
        }
        $end = microtime(true) + min($seconds, self::SECONDS_MAX);
        $said = $this->hosting();
        if (!$this->extension->settings()->ready()) {
            return $said !== '' ? $said : "The extension is switched off, or its settings are not complete.\n";
        }
        $this->safely('reconcile', fn (): int => $this->extension->chatReconciler()->run());
        $this->once();
        $this->safely('accounts', fn () => $this->accounts());
        while (($left = $end - microtime(true)) > 0) {
            usleep((int) min(self::PAUSE_US, $left * 1_000_000));
            $this->once();
        }
        $this->safely('clean', fn () => $this->extension->cleaner()->run());
        return $said . $this->summary();
    }

    /** On the manager of automated hosting: the tenants, and the same work for each instance. */
    private function hosting(): string
    {
        if ($this->extension->settings()->adminToken() === '') {
            return '';
        }
        $turns = $this->safely('hosting', function (): int {
            $hosting = new HostingCron($this->extension);
            $hosting->keepTenants(self::TENANTS_MS);
            return $hosting->each(static fn (Extension $instance): string => (new self($instance))->run(0), self::INSTANCES_MS);
        });
        return $turns === null ? "The instances of automated hosting could not be gone through.\n" : "{$turns} instances had their turn.\n";
    }

    private function once(): void
    {
        $this->extension->link()->cronRan();
        $this->safely('resolve', fn () => $this->extension->resolver()->run());
        $this->safely('send', fn (): bool => $this->extension->sender()->drain(Pace::cron()));
    }

    private function accounts(): void
    {
        if (!$this->extension->link()->state()->isOpen()) {
            $this->extension->accountReconciler()->run($this->extension->clock()->nowMs() + self::ACCOUNTS_MS);
        }
    }

    private function summary(): string
    {
        $state = $this->extension->link()->state();
        $waiting = $this->extension->outbox()->count(Outbox::PENDING);
        $rows = match ($waiting) {
            0 => 'Nothing waits',
            1 => '1 row waits',
            default => "{$waiting} rows wait",
        };
        return ($state->isOpen() ? "The service cannot be reached ({$state->reason}). " : '') . "{$rows}.\n";
    }

    /** One part that fails does not cost the others. */
    private function safely(string $part, callable $work): mixed
    {
        try {
            return $work();
        } catch (\Throwable $failure) {
            Log::failure("cron {$part}", $failure);
            return null;
        }
    }
}
