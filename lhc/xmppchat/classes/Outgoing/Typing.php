<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Outgoing;

use XmppChat\Lhc\Link;
use XmppChat\Lhc\Service;
use XmppChat\Lhc\Told;

/** A visitor types: said at once or not at all, so it is no row of the outbox. */
final class Typing
{
    /** Ms for all of it. */
    private const TIMEOUT_MS = 300;

    public function __construct(
        private readonly Told $told,
        private readonly Link $link,
        private readonly Service $service,
    ) {
    }

    /** @param array<int, bool> $chats by id, whether the visitor types; those that the service does not know are left out */
    public function send(array $chats): void
    {
        foreach (array_slice($chats, 0, 1, true) as $chatId => $types) {
            $told = $this->told->find($chatId);
            if ($told === null || $told['started'] !== 1 || $told['closed'] !== 0 || $this->link->state()->isOpen()) {
                return;
            }
            $answer = $this->service->request(
                'POST',
                "visitors/{$told['visitor']}/typing",
                ['state' => $types ? 'composing' : 'active'],
                self::TIMEOUT_MS,
            );
            if ($answer->unreachable) {
                $this->link->failed($answer->reason());
            }
        }
    }
}
