<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Outgoing;

use XmppChat\Lhc\Database;
use XmppChat\Lhc\Emoji;

/** Makes a batch of what waits in the outbox, oldest first. */
final class Collector
{
    /** Hints that marks carry, beside "changed". */
    private const HINTS = ['by', 'name', 'transferUser', 'transferDepartment'];

    /** Reactions to one message at most, as the API takes them. */
    private const REACTIONS_MAX = 20;

    public function __construct(
        private readonly Database $database,
        private readonly Outbox $outbox,
        private readonly ChatReader $reader,
        private readonly ChatChanges $changes,
    ) {
    }

    /**
     * @param int $rowsMax rows of the outbox that are looked at; 1 to find the one that the service cannot take
     */
    public function collect(int $rowsMax = Batch::REQUESTS_MAX): Batch
    {
        $batch = new Batch();
        $rows = $this->outbox->due($rowsMax);
        /** @var array<string, list<array<string, mixed>>> $marks of one chat, or of what was seen in it */
        $marks = [];
        foreach ($rows as $row) {
            if ($row['kind'] === Outbox::CHAT || $row['kind'] === Outbox::SHOWN) {
                $marks["{$row['kind']}.{$row['chat_id']}"][] = $row;
            }
        }
        foreach ($rows as $row) {
            if ($batch->isFull()) {
                break;
            }
            $together = $marks["{$row['kind']}.{$row['chat_id']}"] ?? [$row];
            if ($row['id'] === $together[0]['id']) {
                $batch->add($this->unit($row, $together));
            }
        }
        return $batch;
    }

    /**
     * @param array<string, mixed> $row
     * @param list<array<string, mixed>> $together this row, and later ones that it does the work of
     */
    private function unit(array $row, array $together): Unit
    {
        $ids = array_column($together, 'id');
        $tries = max(array_column($together, 'tries'));
        if ($row['kind'] === Outbox::CHAT) {
            $hints = array_merge(...array_map(static fn (array $mark): array => $mark['payload'] ?? [], $together));
            return $this->changes->of($row['chat_id'], $ids, $tries, array_intersect_key($hints, array_flip(self::HINTS)));
        }
        $steps = match ($row['kind']) {
            Outbox::VIEW => [$this->view($row)],
            Outbox::SHOWN => $this->shown($row),
            Outbox::REACTION => $this->reacted($row),
            Outbox::REQUEST => $this->again($row),
            default => [],
        };
        return new Unit($ids, $row['kind'], $row['visitor'], $tries, $steps);
    }

    /** @param array<string, mixed> $row */
    private function view(array $row): Step
    {
        $body = $row['payload'] ?? [];
        $department = $this->reader->department((int) ($body['dep_id'] ?? 0));
        unset($body['dep_id']);
        return new Step(
            self::id($row),
            "visitors/{$row['visitor']}/page-views",
            $body + ($department === '' ? [] : ['department' => $department]),
        );
    }

    /** The newest message of the service that the visitor has seen. @param array<string, mixed> $row @return list<Step> */
    private function shown(array $row): array
    {
        $seen = $this->database->row(
            'SELECT x.visitor, x.xmpp_id FROM lhc_xmppchat_message x JOIN lh_msg m ON m.id = x.msg_id
             WHERE m.chat_id = ? AND m.del_st = 3 ORDER BY m.id DESC LIMIT 1',
            [$row['chat_id']],
        );
        // An id that the operator's client used again, or that is too long to keep, is not what the service knows.
        if ($seen === null || preg_match('/^(~|sha256-)/', (string) $seen['xmpp_id']) === 1) {
            return [];
        }
        return [new Step(self::id($row), "visitors/{$seen['visitor']}/displayed", ['messageId' => (string) $seen['xmpp_id']])];
    }

    /**
     * The visitor's reactions to a message of an XMPP operator, as they are now.
     *
     * @param array<string, mixed> $row
     * @return list<Step>
     */
    private function reacted(array $row): array
    {
        $message = $this->database->row(
            "SELECT x.visitor, x.xmpp_id, m.meta_msg FROM lh_msg m JOIN lhc_xmppchat_message x ON x.msg_id = m.id
             WHERE m.id = ? AND m.chat_id = ? AND x.xmpp_id NOT LIKE '~%' AND x.xmpp_id NOT LIKE 'sha256-%' LIMIT 1",
            [(int) ($row['payload']['message'] ?? 0), $row['chat_id']],
        );
        if ($message === null) {
            return [];
        }
        $meta = json_decode((string) $message['meta_msg'], true, 32);
        $content = is_array($meta) && is_array($meta['content'] ?? null) ? $meta['content'] : [];
        // Clients look for the first id of a message that was corrected.
        $first = $content['xmppchat']['id'] ?? null;
        $current = is_array($content['reactions']['current'] ?? null) ? $content['reactions']['current'] : [];
        $emoji = array_map(
            static fn (int|string $name, mixed $value): ?string => Emoji::fromLhc((string) $name, is_scalar($value) ? (string) $value : ''),
            array_keys($current),
            $current,
        );
        return [new Step(self::id($row), "visitors/{$message['visitor']}/reactions", [
            'messageId' => is_string($first) && $first !== '' ? $first : (string) $message['xmpp_id'],
            'reactions' => array_slice(array_values(array_unique(array_filter($emoji))), 0, self::REACTIONS_MAX),
        ])];
    }

    /**
     * The time is part of it: MySQL 5.7 counts from the beginning again if it is started while the table is empty, and so
     * does a table that is made anew. The service would take the row for a repeat.
     *
     * @param array<string, mixed> $row
     */
    private static function id(array $row): string
    {
        return "{$row['kind']}-{$row['id']}-{$row['created_at']}";
    }

    /** A request that a person sends again. @param array<string, mixed> $row @return list<Step> */
    private function again(array $row): array
    {
        $request = $row['payload'] ?? [];
        if (!is_string($request['id'] ?? null) || !is_string($request['path'] ?? null)) {
            return [];
        }
        return [new Step($request['id'], $request['path'], (array) ($request['body'] ?? []), [], null, (string) ($request['method'] ?? 'POST'))];
    }
}
