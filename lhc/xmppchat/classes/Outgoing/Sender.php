<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Outgoing;

use XmppChat\Lhc\Clock;
use XmppChat\Lhc\Database;
use XmppChat\Lhc\Link;
use XmppChat\Lhc\Service;
use XmppChat\Lhc\ServiceAnswer;

/**
 * Sends what waits. One sender at a time; who finds another one at work leaves, and the other looks once more after it
 * has let go of the lock, so no row is left behind.
 */
final class Sender
{
    /** Rounds of taking the lock again, because a row came while it was held. */
    private const ROUNDS_MAX = 5;
    /** Ms for which a good answer is not written down again. */
    private const SENT_AGAIN_MS = 10_000;

    /** Whether the next batch has one row only: the service could not take the last one as a whole. */
    private bool $oneByOne = false;

    public function __construct(
        private readonly Database $database,
        private readonly Clock $clock,
        private readonly Link $link,
        private readonly Service $service,
        private readonly Outbox $outbox,
        private readonly Collector $collector,
        private readonly Settlement $settlement,
        private readonly Lock $lock,
    ) {
    }

    /**
     * Sends, within the bounds of the pace.
     *
     * @return bool whether the service took everything that was due; false also if another sender is at work
     * @throws \PDOException if the database is away
     */
    public function drain(Pace $pace): bool
    {
        if ($this->database->pdo()->inTransaction()) {
            // LHC left a transaction open, which ends with the request: nothing read in it is certain.
            return false;
        }
        $batches = $pace->batches;
        for ($round = 0; $round < self::ROUNDS_MAX; $round++) {
            if (!$this->mayTry($pace) || !$this->lock->take()) {
                return false;
            }
            try {
                while ($this->outbox->hasDue()) {
                    if ($batches-- <= 0 || !$this->sendOne($pace)) {
                        return false;
                    }
                }
            } finally {
                $this->lock->release();
            }
            if (!$this->outbox->hasDue()) {
                return true;
            }
        }
        return false;
    }

    private function mayTry(Pace $pace): bool
    {
        $state = $this->link->state();
        return !$state->isOpen() || ($pace->probes && $state->openUntil <= $this->clock->nowMs());
    }

    /** @return bool whether to go on */
    private function sendOne(Pace $pace): bool
    {
        $batch = $this->collector->collect($this->oneByOne ? 1 : Batch::REQUESTS_MAX);
        $requests = $batch->requests();
        if ($requests === []) {
            $this->settlement->settle($batch, []);
            return true;
        }
        $this->settlement->begin($batch);
        $answer = $this->service->request('POST', 'batch', ['requests' => $requests], $pace->timeoutMs);
        if ($answer->status === 200 && is_array($answer->body['results'] ?? null)) {
            $this->noteSent();
            $this->settlement->settle($batch, self::results($answer));
            return true;
        }
        if (in_array($answer->status, [400, 413, 422], true)) {
            return $this->isolate($batch, $answer);
        }
        if (in_array($answer->status, [429, 503], true)) {
            // It lives and is busy: these rows wait as long as it says.
            $busy = Result::of(['status' => $answer->status, 'body' => ($answer->body ?? []) + ['retryAfter' => $answer->retryAfterS]]);
            $this->settlement->settle($batch, array_fill_keys(array_column($requests, 'id'), $busy));
            return false;
        }
        $this->link->failed($answer->reason());
        return false;
    }

    /** The service refuses the batch as a whole: its rows go one by one, until the one is found that it cannot take. */
    private function isolate(Batch $batch, ServiceAnswer $answer): bool
    {
        if ($this->oneByOne) {
            foreach ($batch->units() as $unit) {
                $this->outbox->fail($unit->rows, $answer->reason());
            }
        }
        $this->oneByOne = true;
        return true;
    }

    private function noteSent(): void
    {
        $state = $this->link->state();
        if ($state->isOpen() || $state->failures > 0 || $state->sentAt < $this->clock->nowMs() - self::SENT_AGAIN_MS) {
            $this->link->sent();
        }
    }

    /** @return array<string, Result> by id */
    private static function results(ServiceAnswer $answer): array
    {
        $results = [];
        foreach ($answer->body['results'] ?? [] as $result) {
            if (is_array($result) && is_string($result['id'] ?? null)) {
                $results[$result['id']] = Result::of($result);
            }
        }
        return $results;
    }
}
