<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Hosting;

use XmppChat\Lhc\Extension;
use XmppChat\Lhc\Log;

/**
 * What the manager does each minute, for all instances: their tenants, then each instance's own cron work with its
 * database selected. A cron job of the customers' site could not: it has no host name, so it sees the manager's database.
 */
final class HostingCron
{
    public int $held = 0;

    private readonly Instances $instances;
    private readonly TenantTable $table;

    /** @throws \Exception if LHC's automated hosting is not set up */
    public function __construct(private readonly Extension $manager)
    {
        $this->instances = Instances::ofLhc($manager->database());
        $this->table = new TenantTable($manager->database(), $manager->clock());
    }

    /**
     * Makes and removes tenants; nothing happens until the manager's settings are complete.
     *
     * @param int $ms how long at most
     * @param bool $agreed many tenants may go at once
     * @param bool $atOnce what failed before is tried now
     * @return int how many requests the service answered
     */
    public function keepTenants(int $ms, bool $agreed = false, bool $atOnce = false): int
    {
        $settings = $this->manager->settings();
        if ($settings->adminToken() === '' || $settings->serviceUrl() === '' || $settings->xmppHost() === '') {
            return 0;
        }
        if ($atOnce) {
            $this->table->hurry();
        }
        $keeper = new TenantKeeper($this->instances, $this->table, $this->manager->database(), $settings, $this->manager->service(), $this->manager->clock());
        $answered = $keeper->run($this->manager->clock()->nowMs() + $ms, $agreed);
        $this->held = $keeper->held;
        return $answered;
    }

    /**
     * Each instance's own cron work. One that fails does not keep the others from theirs, and each run begins with
     * another one, so that all get their turn when the time is short.
     *
     * @param callable(Extension): mixed $work with the instance's extension
     * @param int $ms how long at most, for all
     * @return int how many instances had their turn
     */
    public function each(callable $work, int $ms): int
    {
        $until = $this->manager->clock()->nowMs() + $ms;
        $ids = array_keys(array_filter($this->table->all(), fn (array $row): bool => $row['state'] === TenantTable::MADE));
        shuffle($ids);
        $turns = 0;
        foreach ($ids as $id) {
            if ($this->manager->clock()->nowMs() >= $until) {
                break;
            }
            try {
                $this->instances->within((int) $id, function () use ($work): void {
                    $extension = new Extension($this->manager->clock(), $this->manager->database());
                    Extension::reset($extension);
                    $work($extension);
                });
                $turns++;
            } catch (\Throwable $failure) {
                Log::failure("cron of instance {$id}", $failure);
            } finally {
                Extension::reset($this->manager);
            }
        }
        return $turns;
    }
}
