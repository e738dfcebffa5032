<?php

declare(strict_types=1);

use XmppChat\Lhc\Test\CallbackTestCase;
use XmppChat\Lhc\Test\Connection;

/** Ticks, typing, and operators' being online. */
final class TicksTest extends CallbackTestCase
{
    private int $first;
    private int $second;

    protected function setUp(): void
    {
        parent::setUp();
        $this->first = (int) $this->chat->last_msg_id;
        $this->second = (int) $this->message($this->chat, 'Hello?', 0, ['del_st' => 1])->id;
        $this->set(['has_unread_messages' => 1]);
    }

    public function testDeliveredIsATickAndTheChatIsReadWhenAllAre(): void
    {
        $this->ticks('message.delivered', $this->second);
        self::assertSame([0, 2], $this->states());
        self::assertSame(1, (int) $this->chatRow()['has_unread_messages']);
        $events = $this->events(['chat.vi_msg_delivered'], fn () => $this->ticks('message.delivered', $this->first));
        self::assertSame(['chat.vi_msg_delivered'], $events);
        self::assertSame([2, 2], $this->states());
        self::assertSame(2, (int) $this->chatRow()['has_unread_messages']);
    }

    public function testDisplayedCountsForAllBefore(): void
    {
        $this->ticks('message.displayed', $this->first);
        self::assertSame([3, 1], $this->states());
        self::assertSame(1, (int) $this->chatRow()['has_unread_messages']);
        $this->ticks('message.displayed', $this->second);
        self::assertSame([3, 3], $this->states());
        self::assertSame(0, (int) $this->chatRow()['has_unread_messages']);
        // Late, and out of order: no tick goes back.
        $this->ticks('message.delivered', $this->first);
        self::assertSame([3, 3], $this->states());
        self::assertSame(0, (int) $this->chatRow()['has_unread_messages']);
    }

    /** LHC's page of a transfer writes its row before it locks the chat: who waits for that row with the chat in hand, meets it there. */
    public function testTicksDoNotWaitForARowThatLhcIsWriting(): void
    {
        $page = Connection::another();
        $page->beginTransaction();
        $page->exec("INSERT INTO lh_msg (msg, time, chat_id, user_id, name_support, meta_msg) VALUES ('offers', 1, {$this->chat->id}, -1, '', '')");
        try {
            $this->ticks('message.delivered', $this->first);
            $this->ticks('message.displayed', $this->second);
        } finally {
            $page->rollback();
        }
        self::assertSame([3, 3], $this->states());
        self::assertSame(0, (int) $this->chatRow()['has_unread_messages']);
    }

    public function testFailedIsSaidToLhcsOperators(): void
    {
        $this->set(['has_unread_messages' => 0]);
        $this->ticks('message.failed', $this->second, ['reason' => 'service-unavailable']);
        self::assertSame([0, 4], $this->states());
        self::assertSame('-1: No XMPP operator got a message of the visitor (service-unavailable)', $this->texts()[2]);
        self::assertSame(1, (int) $this->chatRow()['has_unread_messages']);
        self::assertSame((int) $this->database->value('SELECT MAX(id) FROM lh_msg'), (int) $this->chatRow()['last_msg_id']);
    }

    public function testOnlyMessagesOfThisChatHaveTicks(): void
    {
        $other = $this->chat(null, ['dep_id' => $this->sales->id]);
        $row = $this->message($other, 'Mine', 0, ['del_st' => 1]);
        $mine = $this->message($this->chat, 'An operator', (int) $this->olga->id, ['del_st' => 1]);
        $before = $this->everything();
        foreach (['message.delivered', 'message.failed'] as $type) {
            foreach (["lhc-{$row->id}", "lhc-{$mine->id}", 'lhc-0', 'lhc-999999', 'lhc-1 OR 1=1', 'other', "lhc-{$row->id}x"] as $id) {
                $answer = $this->comes($type, ['visitor' => (string) $this->anna->id, 'chatId' => (string) $this->chat->id, 'messageId' => $id, 'reason' => 'x']);
                self::assertSame(['outcome' => 'accepted'], $answer->body, $id);
            }
        }
        self::assertSame($before, $this->everything());
        self::assertSame(['outcome' => 'accepted'], $this->comes('message.delivered', ['visitor' => '1', 'chatId' => null, 'messageId' => 'lhc-1', 'reason' => 'x'])->body);
    }

    public function testTypingIsShownAndEnds(): void
    {
        $this->typing('composing');
        self::assertGreaterThan(time() - 10, (int) $this->chatRow()['operator_typing']);
        $this->typing('paused');
        self::assertSame(0, (int) $this->chatRow()['operator_typing']);
        $this->typing('composing');
        $paul = $this->operator(['name' => 'Paul'], [$this->sales->id]);
        $this->typing('active', $paul);
        self::assertSame((int) $this->olga->id, (int) $this->chatRow()['operator_typing_id']);
        $this->set(['user_id' => $this->olga->id, 'operator_typing' => 0, 'operator_typing_id' => 0]);
        $this->typing('composing', $paul);
        self::assertSame(0, (int) $this->chatRow()['operator_typing']);
        self::assertSame([], $this->rowsOf('lhc_xmppchat_webhook'));
    }

    public function testTypingOnAChatThatIsOverIsNotShown(): void
    {
        $this->set(['status' => 2]);
        $this->typing('composing');
        self::assertSame(0, (int) $this->chatRow()['operator_typing']);
        self::assertSame(400, $this->comes('operator.typing', $this->about(['state' => 'sleeping']))->status);
    }

    public function testOnlineAliveOffline(): void
    {
        $this->presence('operator.online');
        self::assertGreaterThan(time() - 10, $this->activity());
        $this->database->run('UPDATE lh_userdep SET last_activity = 1, hide_online = 1');
        $this->presence('operator.alive');
        self::assertGreaterThan(time() - 10, $this->activity());
        self::assertSame(1, (int) $this->rowsOf('lh_userdep')[0]['hide_online']);
        self::assertSame(0, (int) $this->database->value('SELECT hide_online FROM lh_users'));
        $this->presence('operator.offline');
        self::assertSame(0, $this->activity());
    }

    public function testAClockThatIsAheadKeepsNobodyOnline(): void
    {
        $body = json_encode([
            'id' => 'w', 'type' => 'operator.online', 'tenant' => self::TENANT, 'at' => gmdate('c', time() + 3_600),
            'data' => ['operator' => $this->named($this->olga)],
        ], JSON_THROW_ON_ERROR);
        self::assertSame(200, $this->receive($this->sealed($body, 'w'))->status);
        self::assertLessThanOrEqual(time(), $this->activity());
    }

    public function testADisabledOrUnknownOperatorIsNotOnline(): void
    {
        $this->database->run('UPDATE lh_users SET disabled = 1');
        $this->presence('operator.online');
        $this->presence('operator.alive');
        self::assertSame(0, $this->activity());
        $nobody = ['operator' => ['username' => 'nobody', 'lhcUserId' => null], 'at' => '2026-01-01T00:00:00Z'];
        self::assertSame(['outcome' => 'accepted'], $this->comes('operator.online', $nobody)->body);
    }

    /** @param array<string, mixed> $more */
    private function ticks(string $type, int $row, array $more = []): void
    {
        $answer = $this->comes($type, $this->about($more + ['messageId' => "lhc-{$row}", 'reason' => 'receipt']));
        self::assertSame(['outcome' => 'accepted'], $answer->body);
    }

    private function typing(string $state, ?erLhcoreClassModelUser $user = null): void
    {
        $this->comes('operator.typing', $this->about(['state' => $state, 'operator' => $this->named($user ?? $this->olga)]));
    }

    private function presence(string $type): void
    {
        $this->comes($type, ['operator' => $this->named($this->olga), 'at' => gmdate('c')]);
    }

    private function activity(): int
    {
        return (int) $this->database->value('SELECT last_activity FROM lh_userdep WHERE user_id = ?', [$this->olga->id]);
    }

    /** @return list<int> `del_st` of the visitor's messages */
    private function states(): array
    {
        $rows = $this->database->rows('SELECT del_st FROM lh_msg WHERE chat_id = ? AND user_id = 0 ORDER BY id', [$this->chat->id]);
        return array_map('intval', array_column($rows, 'del_st'));
    }
}
