<?php

declare(strict_types=1);

namespace XmppChat\Lhc;

/**
 * The circuit breaker and the health of the link to the service, in one row that all PHP workers share. The first
 * time-out of one worker opens it for all; then no web worker sends until cron has probed the service, or a callback of
 * the service shows that it lives.
 */
final class Link
{
    private const TABLE = 'lhc_xmppchat_link';
    /** Ms between cron's probes while the breaker is open: grows with the failures up to the second value. */
    private const PROBE_AFTER_MS = 5_000;
    private const PROBE_AFTER_MAX_MS = 60_000;
    /** Ms after a failure that was not the first one, before a callback closes the breaker. */
    private const HEARD_AFTER_MS = 10_000;

    public function __construct(private readonly Database $database, private readonly Clock $clock)
    {
    }

    public function state(): LinkState
    {
        $row = $this->database->row('SELECT * FROM ' . self::TABLE . ' WHERE id = 1');
        if ($row === null) {
            return new LinkState();
        }
        [$host, $addresses] = [...explode(' ', (string) $row['addresses'], 2), ''];
        return new LinkState(
            (int) $row['open_until'],
            (int) $row['failures'],
            (int) $row['opened_at'],
            (string) $row['reason'],
            $host,
            $addresses === '' ? [] : explode(',', $addresses),
            (int) $row['resolved_at'],
            (int) $row['cron_at'],
            (int) $row['sent_at'],
            (int) $row['heard_at'],
        );
    }

    /**
     * The service could not be reached: opens the breaker, or keeps it open longer.
     *
     * @param string $reason for the back office, without secrets
     */
    public function failed(string $reason): void
    {
        $state = $this->state();
        $failures = min($state->failures + 1, 1_000);
        $now = $this->clock->nowMs();
        $this->write([
            'open_until' => $now + self::wait($failures),
            'failures' => $failures,
            'opened_at' => $state->isOpen() ? $state->openedAt : $now,
            'reason' => mb_strcut($reason, 0, 250),
        ]);
    }

    /** The service answered a request: closes the breaker. */
    public function sent(): void
    {
        $this->write(['sent_at' => $this->clock->nowMs()] + self::CLOSED);
    }

    /**
     * A valid callback of the service came: it lives, so the breaker closes. Callbacks also come from a service that is
     * slow, or that only they reach: then each would cost another worker a time-out. So the failures still count, and
     * after the second one without an answer between them this has a pace.
     */
    public function heard(): void
    {
        $state = $this->state();
        $now = $this->clock->nowMs();
        $failedAt = $state->openUntil - self::wait($state->failures);
        $closes = $state->failures <= 1 || $now >= $failedAt + self::HEARD_AFTER_MS;
        $this->write(['heard_at' => $now] + ($closes ? ['open_until' => 0] : []));
    }

    /** Ms for which the breaker is open after so many failures. */
    private static function wait(int $failures): int
    {
        return min(self::PROBE_AFTER_MS * 2 ** min(max($failures - 1, 0), 10), self::PROBE_AFTER_MAX_MS);
    }

    /** Cron runs. */
    public function cronRan(): void
    {
        $this->write(['cron_at' => $this->clock->nowMs()]);
    }

    /**
     * The name of the service's host was looked up.
     *
     * @param list<string> $addresses its IP addresses, at least one
     */
    public function resolved(string $host, array $addresses): void
    {
        $this->write([
            'addresses' => mb_strcut($host . ' ' . implode(',', array_slice($addresses, 0, 4)), 0, 500),
            'resolved_at' => $this->clock->nowMs(),
        ]);
    }

    private const CLOSED = ['open_until' => 0, 'failures' => 0, 'opened_at' => 0, 'reason' => ''];

    /** @param array<string, int|string> $values by column; the row is made if it is missing */
    private function write(array $values): void
    {
        $columns = array_keys($values);
        $this->database->run(
            'INSERT INTO ' . self::TABLE . ' (id, ' . implode(', ', $columns) . ')
             VALUES (1, ' . Database::marks($columns) . ')
             ON DUPLICATE KEY UPDATE ' . Database::newValues($columns),
            array_values($values),
        );
    }
}
