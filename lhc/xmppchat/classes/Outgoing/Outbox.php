<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Outgoing;

use XmppChat\Lhc\Clock;
use XmppChat\Lhc\Database;

/**
 * What waits for the service (table `lhc_xmppchat_outbox`). Listeners insert, one statement each, in LHC's transaction
 * if one is open. The sender takes rows by their state, never by "id above the last": ids are given before the commit.
 */
final class Outbox
{
    public const TABLE = 'lhc_xmppchat_outbox';

    /** A page view, with what LHC knew of the visitor then. */
    public const VIEW = 'view';
    /** A mark: something of this chat may have changed. What, is read when it is sent. */
    public const CHAT = 'chat';
    /** A mark: the visitor has seen messages of this chat. */
    public const SHOWN = 'shown';
    /** A mark: the visitor has reacted to a message of an operator. */
    public const REACTION = 'reaction';
    /** One request that the service refused, kept for a person. */
    public const REQUEST = 'request';

    public const PENDING = 0;
    /** The service refused it: a person decides. */
    public const FAILED = 1;

    /** Rows that wait at most; page views beyond are dropped, oldest first. */
    public const ROWS_MAX = 20_000;
    /** Rows that failed at most; the oldest are dropped. */
    public const FAILED_MAX = 1_000;
    /** Rows that one clean-up deletes at most. */
    private const DELETE_MAX = 5_000;
    private const ERROR_MAX_BYTES = 250;

    public function __construct(private readonly Database $database, private readonly Clock $clock)
    {
    }

    /**
     * Adds a row.
     *
     * @param string $visitor key of the visitor: rows of one visitor keep their order
     * @param ?array<string, mixed> $payload
     * @return int its id
     */
    public function add(string $kind, string $visitor, ?int $chatId, ?array $payload = null): int
    {
        $this->database->run(
            'INSERT INTO ' . self::TABLE . ' (created_at, kind, visitor, chat_id, payload) VALUES (?, ?, ?, ?, ?)',
            [$this->clock->nowMs(), $kind, $visitor, $chatId, $payload === null ? null : self::json($payload)],
        );
        return (int) $this->database->pdo()->lastInsertId();
    }

    /**
     * Keeps a request that the service refused.
     *
     * @param array{id: string, method: string, path: string, body: array<string, mixed>} $request
     */
    public function addFailed(string $visitor, ?int $chatId, array $request, string $error): void
    {
        $this->database->run(
            'INSERT INTO ' . self::TABLE . ' (created_at, kind, visitor, chat_id, payload, state, tries, error)
             VALUES (?, ?, ?, ?, ?, ?, 1, ?)',
            [$this->clock->nowMs(), self::REQUEST, $visitor, $chatId, self::json($request), self::FAILED, self::cut($error)],
        );
    }

    /**
     * Rows that may be sent now, oldest first. While an earlier row of a visitor waits for its time, the visitor's
     * later ones wait too.
     *
     * @return list<array{id: int, created_at: int, kind: string, visitor: string, chat_id: ?int, payload: ?array<string, mixed>, tries: int}>
     */
    public function due(int $limit): array
    {
        $now = $this->clock->nowMs();
        $rows = $this->database->rows(
            'SELECT o.id, o.created_at, o.kind, o.visitor, o.chat_id, o.payload, o.tries
             FROM ' . self::TABLE . ' o FORCE INDEX (PRIMARY)
             WHERE o.state = ' . self::PENDING . ' AND o.next_at <= ? AND NOT EXISTS (
                 SELECT 1 FROM ' . self::TABLE . ' e
                 WHERE e.visitor = o.visitor AND e.id < o.id AND e.state = ' . self::PENDING . ' AND e.next_at > ?)
             ORDER BY o.id LIMIT ' . $limit,
            [$now, $now],
        );
        return array_map(static fn (array $row): array => [
            'id' => (int) $row['id'],
            'created_at' => (int) $row['created_at'],
            'kind' => (string) $row['kind'],
            'visitor' => (string) $row['visitor'],
            'chat_id' => $row['chat_id'] === null ? null : (int) $row['chat_id'],
            'payload' => $row['payload'] === null ? null : (array) json_decode((string) $row['payload'], true, 32),
            'tries' => (int) $row['tries'],
        ], $rows);
    }

    /** @param list<int> $ids of rows that are done */
    public function remove(array $ids): void
    {
        $this->each('DELETE FROM ' . self::TABLE . ' WHERE id = ?', [], $ids);
    }

    /**
     * These rows are tried again later.
     *
     * @param list<int> $ids
     */
    public function later(array $ids, int $nextAtMs, string $error): void
    {
        $set = 'UPDATE ' . self::TABLE . ' SET tries = tries + 1, next_at = ?, error = ? WHERE id = ?';
        $this->each($set, [$nextAtMs, self::cut($error)], $ids);
    }

    /** @param list<int> $ids of rows that a person decides about */
    public function fail(array $ids, string $error): void
    {
        $set = 'UPDATE ' . self::TABLE . ' SET state = ' . self::FAILED . ', tries = tries + 1, error = ? WHERE id = ?';
        $this->each($set, [self::cut($error)], $ids);
    }

    /**
     * One statement for each row, because it locks that row and no other. For `id IN (…)` the database may read the whole
     * table, and lock rows and gaps that an open transaction of LHC writes to: a deadlock, in which LHC's page may lose.
     *
     * @param list<int|string> $parameters before the id
     * @param list<int> $ids
     */
    private function each(string $sql, array $parameters, array $ids): void
    {
        foreach ($ids as $id) {
            $this->database->run($sql, [...$parameters, $id]);
        }
    }

    /** Many rows, outside a transaction. @param list<int> $ids */
    private function removeMany(array $ids): void
    {
        foreach (array_chunk($ids, 500) as $some) {
            $this->database->run('DELETE FROM ' . self::TABLE . ' WHERE id IN (' . Database::marks($some) . ')', $some);
        }
    }

    /** Whether a row could be sent now. */
    public function hasDue(): bool
    {
        return $this->due(1) !== [];
    }

    /**
     * Holds the bounds: marks that a later mark of the same chat makes needless, then page views and reactions beyond `ROWS_MAX`,
     * then failed rows beyond `FAILED_MAX`. Reads first and deletes by id, so it locks no gap that a listener needs.
     *
     * @return int page views and reactions that were dropped
     */
    public function trim(): int
    {
        $excess = $this->count(self::PENDING) - self::ROWS_MAX;
        $dropped = 0;
        if ($excess > 0) {
            $marks = $this->ids(
                'SELECT o.id FROM ' . self::TABLE . " o WHERE o.kind IN ('chat', 'shown') AND o.state = 0 AND o.payload IS NULL
                 AND EXISTS (SELECT 1 FROM " . self::TABLE . " l
                     WHERE l.chat_id = o.chat_id AND l.kind = o.kind AND l.state = 0 AND l.id > o.id)
                 ORDER BY o.id LIMIT " . self::DELETE_MAX,
            );
            $this->removeMany($marks);
            $excess -= count($marks);
        }
        if ($excess > 0) {
            $views = $this->ids(
                'SELECT id FROM ' . self::TABLE . " WHERE kind IN ('view', 'reaction') AND state = 0
                 ORDER BY id LIMIT " . min($excess, self::DELETE_MAX),
            );
            $this->removeMany($views);
            $dropped = count($views);
        }
        $failed = $this->count(self::FAILED) - self::FAILED_MAX;
        if ($failed > 0) {
            $this->removeMany($this->ids(
                'SELECT id FROM ' . self::TABLE . ' WHERE state = 1 ORDER BY id LIMIT ' . min($failed, self::DELETE_MAX),
            ));
        }
        return $dropped;
    }

    /** Page views older than this tell the operators nothing true any more. @return int how many were dropped */
    public function dropViewsBefore(int $ms): int
    {
        $ids = $this->ids(
            'SELECT id FROM ' . self::TABLE . " WHERE kind = 'view' AND state = 0 AND created_at < {$ms}
             ORDER BY id LIMIT " . self::DELETE_MAX,
        );
        $this->removeMany($ids);
        return count($ids);
    }

    public function count(int $state): int
    {
        return (int) $this->database->value('SELECT COUNT(*) FROM ' . self::TABLE . ' WHERE state = ?', [$state]);
    }

    /** @return list<int> */
    private function ids(string $sql): array
    {
        return array_map('intval', array_column($this->database->rows($sql), 'id'));
    }

    /** @param array<string, mixed> $value */
    private static function json(array $value): string
    {
        return json_encode($value, JSON_THROW_ON_ERROR | JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_INVALID_UTF8_SUBSTITUTE);
    }

    private static function cut(string $error): string
    {
        return mb_strcut(mb_scrub($error, 'UTF-8'), 0, self::ERROR_MAX_BYTES, 'UTF-8');
    }
}
