<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Outgoing;

use XmppChat\Lhc\Service;

/** Units that go out in one request, within the API's bounds. */
final class Batch
{
    /** Requests and bytes of a batch at most: the API takes 100 and 256 KiB. */
    public const REQUESTS_MAX = 100;
    private const BYTES_MAX = 230_000;

    /** @var list<Unit> */
    private array $units = [];
    /** @var list<array<string, mixed>> */
    private array $requests = [];
    private int $bytes = 0;
    private bool $full = false;
    /** @var array<string, true> visitors of whom a part waits for the next batch: their later units wait too */
    private array $waiting = [];
    /** @var array<string, true> visitors of whom a chat is in it */
    private array $chats = [];

    /** Adds as much of a unit as there is room for. */
    public function add(Unit $unit): void
    {
        if ($this->full || isset($this->waiting[$unit->visitor])) {
            return;
        }
        if ($unit->kind === Outbox::CHAT && isset($this->chats[$unit->visitor])) {
            // The service has one chat of a visitor. What this one needs depends on what becomes of the other one.
            $this->waiting[$unit->visitor] = true;
            return;
        }
        if ($unit->kind === Outbox::CHAT && $unit->steps !== []) {
            $this->chats[$unit->visitor] = true;
        }
        foreach ($unit->steps as $at => $step) {
            $request = $step->request();
            $bytes = strlen(Service::json($request)) + 1;
            if (count($this->requests) >= self::REQUESTS_MAX || ($this->bytes + $bytes > self::BYTES_MAX && $this->requests !== [])) {
                $this->full = true;
                $this->units[] = $unit->first($at);
                return;
            }
            $this->requests[] = $request;
            $this->bytes += $bytes;
        }
        if (!$unit->complete) {
            $this->waiting[$unit->visitor] = true;
        }
        $this->units[] = $unit;
    }

    public function isFull(): bool
    {
        return $this->full;
    }

    /** @return list<Unit> */
    public function units(): array
    {
        return $this->units;
    }

    /** @return list<array<string, mixed>> */
    public function requests(): array
    {
        return $this->requests;
    }
}
