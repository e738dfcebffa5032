<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Admin;

use XmppChat\Lhc\Database;
use XmppChat\Lhc\Outgoing\Outbox;

/** The outbox as an administrator sees it. What visitors wrote is not shown. */
final class OutboxList
{
    public const PAGE = 50;
    /** Rows that one press of a button changes at most. */
    private const AT_ONCE = 10_000;

    public function __construct(private readonly Database $database)
    {
    }

    /** @return array{pending: int, failed: int} */
    public function counts(): array
    {
        $row = $this->database->row('SELECT SUM(state = 0) AS pending, SUM(state = 1) AS failed FROM ' . Outbox::TABLE) ?? [];
        return ['pending' => (int) ($row['pending'] ?? 0), 'failed' => (int) ($row['failed'] ?? 0)];
    }

    /**
     * One page, the oldest first.
     *
     * @param int $after the id of the last row of the page before; 0 for the first page
     * @return array{rows: list<array<string, mixed>>, next: int} next is 0 at the end
     */
    public function page(int $state, int $after): array
    {
        $rows = $this->database->rows(
            'SELECT id, created_at, kind, visitor, chat_id, tries, next_at, error FROM ' . Outbox::TABLE . '
             WHERE state = ? AND id > ? ORDER BY id LIMIT ' . (self::PAGE + 1),
            [$state, $after],
        );
        $more = count($rows) > self::PAGE;
        $rows = array_slice($rows, 0, self::PAGE);
        return ['rows' => $rows, 'next' => $more ? (int) end($rows)['id'] : 0];
    }

    /**
     * Rows are sent again, at once.
     *
     * @param int $id of one row; 0 for all that failed
     * @return int how many
     */
    public function again(int $id): int
    {
        $where = $id === 0 ? 'state = ' . Outbox::FAILED : 'id = ?';
        return $this->database->run(
            'UPDATE ' . Outbox::TABLE . " SET state = 0, tries = 0, next_at = 0, error = '' WHERE {$where} LIMIT " . self::AT_ONCE,
            $id === 0 ? [] : [$id],
        )->rowCount();
    }

    /**
     * Rows are thrown away: the service never hears of them.
     *
     * @param int $id of one row; 0 for all that failed
     * @return int how many
     */
    public function drop(int $id): int
    {
        $where = $id === 0 ? 'state = ' . Outbox::FAILED : 'id = ?';
        return $this->database->run(
            'DELETE FROM ' . Outbox::TABLE . " WHERE {$where} LIMIT " . self::AT_ONCE,
            $id === 0 ? [] : [$id],
        )->rowCount();
    }

    /** What a row is about, in words. */
    public static function kind(string $kind): string
    {
        return match ($kind) {
            Outbox::VIEW => Words::t('page view'),
            Outbox::CHAT => Words::t('chat'),
            Outbox::SHOWN => Words::t('messages were seen'),
            Outbox::REACTION => Words::t('a reaction'),
            Outbox::REQUEST => Words::t('a request that was refused'),
            default => $kind,
        };
    }
}
