<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Hosting;

use XmppChat\Lhc\Clock;
use XmppChat\Lhc\Database;

/** What the manager told the service: a row for each instance that has a tenant, or should have one. No secret is here. */
final class TenantTable
{
    private const TABLE = 'lhc_xmppchat_instance';
    public const WANTED = 'wanted';
    public const MADE = 'made';
    /** The service refused it; tried again each hour, and when something changes. */
    public const FAILED = 'failed';

    public function __construct(private readonly Database $database, private readonly Clock $clock)
    {
    }

    /** @return array<int, array<string, mixed>> all rows, by instance */
    public function all(): array
    {
        return array_column($this->database->rows('SELECT * FROM ' . self::TABLE . ' ORDER BY instance_id'), null, 'instance_id');
    }

    /** An instance should have a tenant. Its name in XMPP is decided here, once. */
    public function want(Instance $instance, string $tenant): void
    {
        $this->database->run(
            'INSERT IGNORE INTO ' . self::TABLE . ' (instance_id, tenant, name, state, updated_at) VALUES (?, ?, ?, ?, ?)',
            [$instance->id, $tenant, $instance->name(), self::WANTED, $this->clock->nowMs()],
        );
    }

    /** @param string $told what the service was told, as a digest */
    public function made(int $instanceId, string $address, string $told): void
    {
        $this->database->run(
            'UPDATE ' . self::TABLE . " SET state = ?, address = ?, told = ?, error = '', tries = 0, next_at = 0, updated_at = ?
             WHERE instance_id = ?",
            [self::MADE, $address, $told, $this->clock->nowMs(), $instanceId],
        );
    }

    /** @param int $nextAt when to try again, in ms since 1970 */
    public function later(int $instanceId, string $state, string $error, int $nextAt): void
    {
        $this->database->run(
            'UPDATE ' . self::TABLE . ' SET state = ?, error = ?, tries = LEAST(tries + 1, 1000), next_at = ?, updated_at = ?
             WHERE instance_id = ?',
            [$state, mb_strcut($error, 0, 250), $nextAt, $this->clock->nowMs(), $instanceId],
        );
    }

    public function delete(int $instanceId): void
    {
        $this->database->run('DELETE FROM ' . self::TABLE . ' WHERE instance_id = ?', [$instanceId]);
    }

    /** All that failed are tried at once. */
    public function hurry(): void
    {
        $this->database->run('UPDATE ' . self::TABLE . ' SET tries = 0, next_at = 0');
    }
}
