<?php

declare(strict_types=1);

use XmppChat\Lhc\Test\CallbackTestCase;

/** Who has the chat: assigned, accepted, transferred, closed. */
final class PlacementTest extends CallbackTestCase
{
    private erLhcoreClassModelUser $paul;
    private erLhcoreClassModelDepartament $support;

    protected function setUp(): void
    {
        parent::setUp();
        $this->support = $this->department(['name' => 'Support']);
        $this->paul = $this->operator(['name' => 'Paul', 'surname' => ''], [$this->sales->id, $this->support->id]);
    }

    public function testAnAssignedChatWaitsForTheOperator(): void
    {
        $this->comes('chat.assigned', $this->about(['reason' => 'least-loaded']));
        self::assertPlace(0, $this->olga, $this->chatRow());
        self::assertGreaterThan(time() - 10, (int) $this->chatRow()['tslasign']);
        self::assertSame("-1: Chat was assigned to [{$this->olga->id}] Olga", $this->texts()[1]);
        self::assertSame(1, (int) $this->database->value('SELECT pending_chats FROM lh_userdep WHERE user_id = ?', [$this->olga->id]));
    }

    public function testAnAcceptedChatIsActive(): void
    {
        $this->comes('chat.assigned', $this->about(['reason' => 'least-loaded']));
        $this->comes('operator.typing', $this->about(['state' => 'composing']));
        $events = $this->events(['chat.data_changed', 'chat.accept', 'chat.chat_accepted'], fn () => $this->comes('chat.accepted', $this->about()));
        self::assertSame(['chat.data_changed', 'chat.accept', 'chat.chat_accepted'], $events);
        $chat = $this->chatRow();
        self::assertPlace(1, $this->olga, $chat);
        self::assertSame([1, 1, 0], [(int) $chat['status_sub'], (int) $chat['support_informed'], (int) $chat['operator_typing']]);
        self::assertSame('-1: Olga has accepted the chat!', $this->texts()[2]);
        $meta = json_decode((string) $this->database->value('SELECT meta_msg FROM lh_msg ORDER BY id DESC LIMIT 1'), true);
        self::assertEquals($this->olga->id, $meta['content']['accept_action']['user_id']);
        self::assertSame([(int) $this->olga->id, 1], [$this->told()['owner_id'], $this->told()['status']]);
    }

    public function testLhcsListenersGetWhoAccepts(): void
    {
        $who = null;
        erLhcoreClassChatEventDispatcher::getInstance()->listen('chat.accept', static function (array $call) use (&$who): void {
            $who = [$call['user']->getUserID(), erLhcoreClassUser::instance()->getUserID(), $call['user']->getUserData()->username];
        });
        $this->comes('chat.accepted', $this->about());
        self::assertEquals([$this->olga->id, $this->olga->id, $this->olga->username], $who);
    }

    public function testAcceptingTwiceIsOneAcceptance(): void
    {
        $this->comes('chat.accepted', $this->about());
        $rows = $this->texts();
        $this->comes('chat.accepted', $this->about());
        self::assertSame($rows, $this->texts());
    }

    public function testATransferInLhcThatNobodyTookEndsWithTheAcceptance(): void
    {
        $this->set(['transfer_uid' => $this->paul->id]);
        $transfer = new erLhcoreClassModelTransfer();
        $transfer->chat_id = $this->chat->id;
        $transfer->transfer_to_user_id = $this->olga->id;
        $transfer->from_dep_id = $transfer->dep_id = $transfer->transfer_scope = 0;
        $transfer->ctime = time();
        $transfer->transfer_user_id = $this->paul->id;
        $transfer->saveThis();
        $this->comes('chat.accepted', $this->about());
        self::assertSame([], $this->rowsOf('lh_transfer'));
        self::assertPlace(1, $this->olga, $this->chatRow());
    }

    private function offered(int $userId, int $departmentId = 0): void
    {
        $transfer = new erLhcoreClassModelTransfer();
        [$transfer->chat_id, $transfer->transfer_to_user_id, $transfer->dep_id] = [$this->chat->id, $userId, $departmentId];
        $transfer->from_dep_id = $transfer->transfer_scope = 0;
        [$transfer->ctime, $transfer->transfer_user_id] = [time(), $this->paul->id];
        $transfer->saveThis();
    }

    public function testAChatThatLhcOffersToAnOperatorWhoDoesNotTakeItStaysWhoseItIs(): void
    {
        $this->comes('chat.accepted', $this->about(['operator' => $this->named($this->paul)]));
        foreach (['missed', 'declined', 'offline'] as $reason) {
            $this->offered((int) $this->olga->id);
            $this->comes('chat.transferred', $this->about(['operator' => null, 'reason' => $reason]));
            self::assertPlace(1, $this->paul, $this->chatRow());
            self::assertSame([], $this->rowsOf('lh_transfer'));
            self::assertSame('-1: Olga has not taken the chat.', array_slice($this->texts(), -1)[0]);
            // So the sender says that Paul has it.
            self::assertSame([0, 0], [$this->told()['owner_id'], $this->told()['status']]);
        }
        // Of a chat that was taken nothing is on offer.
        $this->offered((int) $this->olga->id);
        $this->comes('chat.accepted', $this->about());
        self::assertSame([], $this->rowsOf('lh_transfer'));
        self::assertPlace(1, $this->olga, $this->chatRow());
        $this->comes('chat.transferred', $this->about(['operator' => null, 'reason' => 'declined']));
        self::assertSame([0, 0], [(int) $this->chatRow()['status'], (int) $this->chatRow()['user_id']]);
    }

    public function testAChatThatLhcOffersToADepartmentStaysUntilSomebodyTakesIt(): void
    {
        $this->comes('chat.accepted', $this->about(['operator' => $this->named($this->paul)]));
        $this->offered(0, (int) $this->sales->id);
        $told = $this->told();
        $this->comes('chat.transferred', $this->about(['operator' => null, 'reason' => 'missed']));
        self::assertPlace(1, $this->paul, $this->chatRow());
        self::assertCount(1, $this->rowsOf('lh_transfer'));
        self::assertSame($told, $this->told());
        // Who had it is gone: then nobody has it, whatever was offered.
        $this->comes('chat.transferred', $this->about(['operator' => null, 'reason' => 'owner-gone']));
        self::assertSame([0, 0], [(int) $this->chatRow()['status'], (int) $this->chatRow()['user_id']]);
    }

    public function testAChatThatLhcOffersMovesToTheDepartmentWithWhoTakesIt(): void
    {
        $this->comes('chat.accepted', $this->about());
        $this->offered(0, (int) $this->support->id);
        $pia = $this->operator(['name' => 'Pia', 'surname' => ''], [$this->support->id]);
        // Who is only asked has not taken it.
        $this->comes('chat.assigned', $this->about(['operator' => $this->named($pia), 'reason' => 'random']));
        self::assertPlace(1, $this->olga, $this->chatRow());
        $this->comes('chat.accepted', $this->about(['operator' => $this->named($pia)]));
        self::assertPlace(1, $pia, $this->chatRow());
        self::assertSame((int) $this->support->id, (int) $this->chatRow()['dep_id']);
        self::assertSame([], $this->rowsOf('lh_transfer'));
        self::assertSame([(int) $this->support->id, (int) $pia->id, 1], [$this->told()['dep_id'], $this->told()['owner_id'], $this->told()['status']]);
        // Offered to somebody who has not got the department, it moves to one of theirs.
        $this->offered((int) $this->olga->id);
        $this->comes('chat.accepted', $this->about());
        self::assertPlace(1, $this->olga, $this->chatRow());
        self::assertSame((int) $this->sales->id, (int) $this->chatRow()['dep_id']);
        // Others get it by their departments alone.
        $this->offered((int) $this->paul->id);
        self::assertSame('not-allowed', $this->comes('chat.accepted', $this->about(['operator' => $this->named($pia)]))->body['code'] ?? null);
        self::assertPlace(1, $this->olga, $this->chatRow());
    }

    public function testAChatThatLhcGaveToAnOperatorIsTheirsInAnyDepartment(): void
    {
        $this->set(['dep_id' => $this->support->id]);
        self::assertSame('not-allowed', $this->says('Hm', 'm1')->body['code'] ?? null);
        $this->set(['user_id' => $this->olga->id]);
        self::assertSame('accepted', $this->comes('chat.accepted', $this->about())->body['outcome']);
        self::assertSame('accepted', $this->says('Hm', 'm2')->body['outcome']);
        self::assertPlace(1, $this->olga, $this->chatRow());
        self::assertSame((int) $this->support->id, (int) $this->chatRow()['dep_id']);
    }

    public function testTransferredToAnOperator(): void
    {
        $this->comes('chat.accepted', $this->about());
        $events = $this->events(['chat.chat_owner_changed'], fn () => $this->comes('chat.transferred', $this->about(['operator' => $this->named($this->paul), 'reason' => 'operator'])));
        self::assertSame(['chat.chat_owner_changed'], $events);
        self::assertPlace(1, $this->paul, $this->chatRow());
        self::assertSame(1, (int) $this->chatRow()['status_sub']);
        self::assertSame('-1: Olga has changed owner to Paul', $this->texts()[2]);
        self::assertSame([0, 1], array_map('intval', array_column($this->database->rows('SELECT active_chats FROM lh_userdep WHERE user_id IN (?, ?) AND dep_id = ? ORDER BY user_id', [$this->olga->id, $this->paul->id, $this->sales->id]), 'active_chats')));
    }

    public function testTransferredToADepartmentItWaitsThere(): void
    {
        $this->comes('chat.accepted', $this->about());
        $this->comes('operator.typing', $this->about(['state' => 'composing']));
        $this->comes('chat.transferred', $this->about(['operator' => null, 'department' => 'Support', 'reason' => 'operator']));
        $chat = $this->chatRow();
        self::assertSame([0, 0, (int) $this->support->id, 0], [(int) $chat['status'], (int) $chat['user_id'], (int) $chat['dep_id'], (int) $chat['operator_typing']]);
        self::assertSame([(int) $this->support->id, 0, 0], [$this->told()['dep_id'], $this->told()['owner_id'], $this->told()['status']]);
        self::assertContains('-1: Olga has changed department to Support from Sales', $this->texts());
        // Olga has not got Support.
        self::assertSame('not-allowed', $this->says('Hm')->body['code']);
    }

    public function testBackInTheQueueNobodyHasIt(): void
    {
        $this->comes('chat.assigned', $this->about(['reason' => 'random']));
        $this->comes('chat.transferred', $this->about(['operator' => null, 'reason' => 'missed']));
        $chat = $this->chatRow();
        self::assertSame([0, 0, 0], [(int) $chat['status'], (int) $chat['user_id'], (int) $chat['tslasign']]);
        $rows = $this->texts();
        $this->comes('chat.transferred', $this->about(['operator' => null, 'reason' => 'declined']));
        self::assertSame($rows, $this->texts());
    }

    public function testADepartmentThatLhcHasNotIsRefusedWhole(): void
    {
        $this->comes('chat.accepted', $this->about());
        $before = $this->everything();
        $answer = $this->comes('chat.transferred', $this->about(['operator' => null, 'department' => 'Boots', 'reason' => 'operator']));
        self::assertSame('not-possible', $answer->body['code']);
        self::assertSame($before, $this->everything());
    }

    public function testARefusalTakesEverythingBackThatWasDoneForIt(): void
    {
        // The department is changed first; then Olga may not have the chat there.
        $before = $this->everything();
        $answer = $this->comes('chat.transferred', $this->about(['department' => 'Support', 'reason' => 'operator']));
        self::assertSame('not-allowed', $answer->body['code']);
        self::assertSame($before, $this->everything());
    }

    public function testClosedByAnOperator(): void
    {
        $this->comes('chat.accepted', $this->about());
        $this->comes('operator.typing', $this->about(['state' => 'composing']));
        $who = [];
        erLhcoreClassChatEventDispatcher::getInstance()->listen('chat.close', static function (array $call) use (&$who): void {
            $who[] = $call['user_data'] === false ? 0 : $call['user_data']->id;
        });
        $this->comes('chat.closed', $this->about(['reason' => 'operator']));
        $chat = $this->chatRow();
        self::assertSame([2, 0, 0], [(int) $chat['status'], (int) $chat['operator_typing'], (int) $chat['has_unread_messages']]);
        self::assertSame('-1: Olga has closed the chat!', $this->texts()[2]);
        self::assertSame([2, 1], [$this->told()['status'], $this->told()['closed']]);
        $this->comes('chat.closed', $this->about(['reason' => 'operator']));
        self::assertEquals([$this->olga->id], $who);
    }

    public function testClosedByNobody(): void
    {
        $this->comes('chat.closed', $this->about(['operator' => null, 'reason' => 'visitor']));
        self::assertSame(2, (int) $this->chatRow()['status']);
        self::assertSame('-1: Live Support has closed the chat!', $this->texts()[1]);
    }

    public function testAnEndedOperatorStillClosesTheirChat(): void
    {
        $this->comes('chat.accepted', $this->about());
        $this->database->run('UPDATE lh_users SET disabled = 1');
        $this->comes('chat.closed', $this->about(['reason' => 'operator-removed']));
        self::assertSame(2, (int) $this->chatRow()['status']);
    }

    public function testAClosedChatStaysClosed(): void
    {
        $this->set(['status' => 2]);
        $before = $this->texts();
        foreach (['chat.assigned', 'chat.accepted', 'chat.transferred'] as $type) {
            self::assertSame(['outcome' => 'accepted'], $this->comes($type, $this->about(['reason' => 'x']))->body);
        }
        self::assertSame([2, 0], [(int) $this->chatRow()['status'], (int) $this->chatRow()['user_id']]);
        self::assertSame($before, $this->texts());
    }

    /** @dataProvider aboutOperators */
    public function testWhoMayNotIsRefused(string $type, array $more): void
    {
        $sue = $this->operator(['name' => 'Sue'], [$this->support->id]);
        $before = $this->everything();
        $refused = fn (array $operator): string => (string) ($this->comes($type, $this->about($more + ['operator' => $operator]))->body['code'] ?? '');
        self::assertSame('not-allowed', $refused($this->named($sue)));
        self::assertSame('operator-unknown', $refused(['username' => 'nobody', 'lhcUserId' => 999_999]));
        self::assertSame('operator-unknown', $refused(['username' => 'nobody', 'lhcUserId' => null]));
        $this->database->run('UPDATE lh_users SET disabled = 1');
        self::assertSame('operator-disabled', $refused($this->named($this->olga)));
        self::assertSame($before, $this->everything());
    }

    /** @return iterable<string, array{string, array<string, mixed>}> */
    public function aboutOperators(): iterable
    {
        yield 'message' => ['chat.message', ['message' => ['id' => 'm', 'body' => 'x']]];
        yield 'correction' => ['chat.message', ['message' => ['id' => 'm', 'body' => 'x', 'replaces' => 'y']]];
        yield 'note' => ['chat.note', ['note' => ['id' => 'm', 'body' => 'x']]];
        yield 'command' => ['chat.command', ['messageId' => 'm', 'command' => '!info', 'text' => '!info']];
        yield 'assigned' => ['chat.assigned', ['reason' => null]];
        yield 'accepted' => ['chat.accepted', []];
        yield 'transferred' => ['chat.transferred', ['reason' => 'operator']];
        yield 'typing' => ['operator.typing', ['state' => 'composing']];
    }

    public function testAReadOnlyDepartmentIsNoDepartment(): void
    {
        $this->database->run('UPDATE lh_userdep SET ro = 1 WHERE user_id = ?', [$this->olga->id]);
        self::assertSame('not-allowed', $this->says('Hello')->body['code']);
    }

    public function testAnOperatorWithoutLhcsIdIsFoundByTheirAccount(): void
    {
        $this->database->run("INSERT INTO lhc_xmppchat_account (user_id, username) VALUES (?, 'olga@xmpp')", [$this->olga->id]);
        $this->comes('chat.accepted', $this->about(['operator' => ['username' => 'olga@xmpp', 'lhcUserId' => null]]));
        self::assertPlace(1, $this->olga, $this->chatRow());
    }

    /** @param array<string, mixed> $chat */
    private static function assertPlace(int $status, erLhcoreClassModelUser $owner, array $chat): void
    {
        self::assertSame([$status, (int) $owner->id], [(int) $chat['status'], (int) $chat['user_id']]);
    }
}
