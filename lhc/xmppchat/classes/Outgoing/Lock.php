<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Outgoing;

use XmppChat\Lhc\Database;

/**
 * One sender at a time, over all PHP workers and cron: a lock of the database. It ends with the connection, so a worker
 * that is killed leaves none behind.
 */
final class Lock
{
    /** Characters of a lock's name at most, in MySQL. */
    private const NAME_MAX = 64;

    private ?string $name = null;

    public function __construct(private readonly Database $database)
    {
    }

    /** Takes the lock if it is free. Does not wait. */
    public function take(): bool
    {
        return (int) $this->database->value('SELECT GET_LOCK(?, 0)', [$this->name()]) === 1;
    }

    public function release(): void
    {
        $this->database->value('SELECT RELEASE_LOCK(?)', [$this->name()]);
    }

    /** Locks are the server's, so their names carry the database: several LHCs may share a server. */
    private function name(): string
    {
        if ($this->name === null) {
            $name = 'xmppchat.' . $this->database->value('SELECT DATABASE()');
            $this->name = strlen($name) <= self::NAME_MAX ? $name : 'xmppchat.' . md5($name);
        }
        return $this->name;
    }
}
