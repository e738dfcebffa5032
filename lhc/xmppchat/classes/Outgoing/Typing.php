<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Outgoing;

use XmppChat\Lhc\Link;
use XmppChat\Lhc\Service;
use XmppChat\Lhc\Told;

/**
 * A visitor types: said at once or not at all, so it is no row of the outbox. While somebody sends, not at all: a service
 * that hangs may occupy one worker and no more.
 */
final class Typing
{
    public function __construct(
        private readonly Told $told,
        private readonly Link $link,
        private readonly Service $service,
        private readonly Lock $lock,
    ) {
    }

    /** @param array<int, array{bool, string}> $chats by id, whether the visitor types, and what; those that the service does not know are left out */
    public function send(array $chats): void
    {
        foreach (array_slice($chats, 0, 1, true) as $chatId => [$types, $preview]) {
            $told = $this->told->find($chatId);
            $isKnown = $told !== null && $told['started'] === 1 && $told['closed'] === 0;
            if ($isKnown && !$this->link->state()->isOpen() && $this->lock->take()) {
                try {
                    $this->say((string) $told['visitor'], $types, $preview);
                } finally {
                    $this->lock->release();
                }
            }
        }
    }

    private function say(string $visitor, bool $types, string $preview): void
    {
        $answer = $this->service->request(
            'POST',
            "visitors/{$visitor}/typing",
            ['state' => $types ? 'composing' : 'active'] + ($preview === '' ? [] : ['preview' => $preview]),
            Pace::web()->timeoutMs,
        );
        if ($answer->unreachable) {
            $this->link->failed($answer->reason());
        }
    }
}
