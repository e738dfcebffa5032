<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Incoming;

use XmppChat\Lhc\Clock;
use XmppChat\Lhc\Database;

/**
 * Which callbacks were done, and how they were answered. The row is written in the transaction of what it was for. Cron
 * deletes old ones.
 */
final class WebhookLog
{
    private const TABLE = 'lhc_xmppchat_webhook';
    private const DUPLICATE = 1062;

    public function __construct(private readonly Database $database, private readonly Clock $clock)
    {
    }

    /**
     * Begins a callback, in an open transaction. While another process does the same callback, this waits for its end:
     * the database holds the second insert back until the first is committed or rolled back.
     *
     * @return ?string the answer, if it was done before
     * @throws \PDOException if the wait is too long
     */
    public function begin(Callback $callback): ?string
    {
        try {
            $this->database->run(
                'INSERT INTO ' . self::TABLE . ' (webhook_id, type, at, answer) VALUES (?, ?, ?, ?)',
                [$callback->id, mb_strcut($callback->type, 0, 40), $this->clock->nowMs(), ''],
            );
            return null;
        } catch (\PDOException $failure) {
            if ((int) ($failure->errorInfo[1] ?? 0) !== self::DUPLICATE) {
                throw $failure;
            }
            return (string) $this->database->value('SELECT answer FROM ' . self::TABLE . ' WHERE webhook_id = ?', [$callback->id]);
        }
    }

    /** @param string $answer JSON */
    public function end(Callback $callback, string $answer): void
    {
        $this->database->run('UPDATE ' . self::TABLE . ' SET answer = ? WHERE webhook_id = ?', [$answer, $callback->id]);
    }
}
