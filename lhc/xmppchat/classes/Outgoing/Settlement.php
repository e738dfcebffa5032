<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Outgoing;

use XmppChat\Lhc\Clock;
use XmppChat\Lhc\Database;
use XmppChat\Lhc\Told;

/** Writes down what came of a batch, in one transaction. If it is lost, the same requests go out again, with the same ids. */
final class Settlement
{
    /** Ms before a visitor's rows are tried again: doubles with each try up to the second value. */
    private const RETRY_MS = 1_000;
    private const RETRY_MAX_MS = 300_000;
    /** Tries after which a person decides. Some four hours. */
    private const TRIES_MAX = 60;

    public function __construct(
        private readonly Database $database,
        private readonly Outbox $outbox,
        private readonly Told $told,
        private readonly Clock $clock,
    ) {
    }

    /** Before the batch goes out. */
    public function begin(Batch $batch): void
    {
        foreach ($batch->units() as $unit) {
            if ($unit->begins !== null && $unit->progress !== null) {
                $this->told->begin($unit->progress->chatId, $unit->visitor, $unit->begins);
            }
        }
    }

    /** @param array<string, Result> $results by the requests' ids */
    public function settle(Batch $batch, array $results): void
    {
        $this->database->transaction(function () use ($batch, $results): void {
            foreach ($batch->units() as $unit) {
                $this->settleUnit($unit, $results);
            }
        });
    }

    /** @param array<string, Result> $results */
    private function settleUnit(Unit $unit, array $results): void
    {
        $told = [];
        foreach ($unit->steps as $step) {
            $result = $results[$step->id] ?? Result::none();
            if ($result->isLater()) {
                $this->record($unit, $told);
                $this->later($unit, $result);
                return;
            }
            if ($result->isRefused() && !($step->isClose() && $result->isOver())) {
                if ($unit->kind !== Outbox::CHAT) {
                    $this->outbox->fail($unit->rows, $result->reason);
                    return;
                }
                $this->outbox->addFailed($unit->visitor, $unit->progress?->chatId, $step->request(), $result->reason);
            }
            if ($step->messageId !== null) {
                $unit->progress?->done($step->messageId);
            }
            $told = [...$told, ...$step->told];
        }
        $this->record($unit, $unit->complete ? [...$told, ...$unit->told] : $told);
        if ($unit->complete) {
            $this->outbox->remove($unit->rows);
        }
    }

    private function later(Unit $unit, Result $result): void
    {
        if ($unit->tries >= self::TRIES_MAX) {
            $this->outbox->fail($unit->rows, $result->reason);
            return;
        }
        $wait = min(self::RETRY_MS * 2 ** min($unit->tries, 12), self::RETRY_MAX_MS);
        $wait = max(intdiv($wait, 2) + random_int(0, intdiv($wait, 2)), ($result->retryAfterS ?? 0) * 1_000);
        $this->outbox->later($unit->rows, $this->clock->nowMs() + min($wait, self::RETRY_MAX_MS), $result->reason);
    }

    /** @param array<string, int> $told */
    private function record(Unit $unit, array $told): void
    {
        if ($unit->progress === null) {
            return;
        }
        $chatId = $unit->progress->chatId;
        $now = $this->database->row(
            'SELECT started, closed, revision FROM ' . Told::TABLE . ' WHERE chat_id = ? FOR UPDATE',
            [$chatId],
        );
        if ((int) ($now['started'] ?? 0) === 0 && (int) ($now['closed'] ?? 0) === 0 && !isset($told['started'])) {
            return;
        }
        if (isset($told['other'])) {
            $this->told->record($told['other'], $unit->visitor, ['closed' => 1]);
        }
        if (isset($told['invitation'])) {
            $this->database->run(
                'UPDATE lhc_xmppchat_message SET msg_id = ?, chat_id = ? WHERE visitor = ? AND msg_id = 0',
                [$told['invitation'], $chatId, $unit->visitor],
            );
        }
        unset($told['other'], $told['invitation']);
        if ((int) ($now['revision'] ?? 0) !== $unit->revision) {
            // A callback changed the chat meanwhile, and wrote what the service knows now.
            unset($told['owner_id'], $told['dep_id'], $told['status']);
        }
        $this->told->record($chatId, $unit->visitor, $told + $unit->progress->columns());
    }
}
