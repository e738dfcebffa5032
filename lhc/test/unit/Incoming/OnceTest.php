<?php

declare(strict_types=1);

use XmppChat\Lhc\Extension;
use XmppChat\Lhc\Incoming\Request;
use XmppChat\Lhc\Test\CallbackTestCase;
use XmppChat\Lhc\Test\Connection;

/** Once for each webhook id, all or nothing, and nothing is echoed. */
final class OnceTest extends CallbackTestCase
{
    public function testARepeatGetsTheSameAnswerAndDoesNothing(): void
    {
        $request = $this->message1();
        $first = $this->receive($request);
        $before = $this->everything();
        $again = $this->receive($request);
        self::assertSame([$first->status, $first->json()], [$again->status, $again->json()]);
        self::assertSame($before, $this->everything());
    }

    public function testARefusalIsRepeatedToo(): void
    {
        $this->set(['status' => 2]);
        $this->database->run('UPDATE lh_chat_online_user SET last_visit = 1, last_check_time = 1');
        $request = $this->message1();
        $first = $this->receive($request);
        self::assertSame('chat-ended', $first->body['code']);
        // The chat is open again; what was refused stays refused, as the operator has read.
        $this->set(['status' => 1]);
        self::assertSame($first->json(), $this->receive($request)->json());
        self::assertCount(1, $this->texts());
    }

    public function testTheSameIdWithOtherWordsIsARepeatToo(): void
    {
        $this->comes('chat.message', $this->about(['message' => ['id' => 'm1', 'body' => 'one']]), 'w');
        $this->comes('chat.message', $this->about(['message' => ['id' => 'm2', 'body' => 'two']]), 'w');
        self::assertNotContains("{$this->olga->id}: two", $this->texts());
    }

    public function testAFailureInLhcTakesEverythingBackAndTheNextTryActs(): void
    {
        $request = $this->message1();
        $before = $this->everything();
        $fails = true;
        erLhcoreClassChatEventDispatcher::getInstance()->listen('chat.web_add_msg_admin', static function () use (&$fails): void {
            $fails && throw new LogicException('another extension fails, with a visitor\'s words in its text');
        });
        $answer = $this->receive($request);
        self::assertSame(500, $answer->status);
        self::assertStringNotContainsString('words', $answer->json());
        self::assertSame($before, $this->everything());
        self::assertSame([], $this->rowsOf('lhc_xmppchat_webhook'));
        $fails = false;
        self::assertSame(200, $this->receive($request)->status);
        self::assertContains("{$this->olga->id}: Hello", $this->texts());
    }

    public function testARollbackInsideIsNoSuccess(): void
    {
        $before = $this->everything();
        erLhcoreClassChatEventDispatcher::getInstance()->listen('chat.web_add_msg_admin', static function (): void {
            $db = ezcDbInstance::get();
            $db->beginTransaction();
            $db->rollback();
        });
        self::assertSame(500, $this->receive($this->message1())->status);
        self::assertSame($before, $this->everything());
    }

    /**
     * @testWith ["chat.web_add_msg_admin"]
     *           ["chat.update_active_chats"]
     */
    public function testADeadlockThatLhcSwallowsIsNoSuccess(string $event): void
    {
        // What MariaDB does to the loser of a deadlock, and LHC's counters say nothing of: the transaction is gone.
        // What follows would be single changes.
        erLhcoreClassChatEventDispatcher::getInstance()->listen($event, static function (): void {
            ezcDbInstance::get()->exec('ROLLBACK');
        });
        $before = $this->everything();
        $request = $this->message1();
        self::assertSame(503, $this->receive($request)->status);
        self::assertSame($before, $this->everything());
        $this->forget();
        self::assertSame(200, $this->receive($request)->status);
        self::assertContains("{$this->olga->id}: Hello", $this->texts());
    }

    public function testWhileTheSameCallbackIsDoneTheSecondWaitsAndGetsItsAnswer(): void
    {
        $request = $this->message1();
        $other = $this->inAnotherProcess($request, 'chat.web_add_msg_admin', 'usleep(300_000);');
        $other->waitFor('inside');
        $answer = $this->receive($request);
        self::assertSame("200 {$answer->json()}\n", explode("inside\n", $other->finish())[1]);
        self::assertSame(200, $answer->status);
        self::assertSame([1], array_map('intval', array_column($this->database->rows('SELECT COUNT(*) n FROM lh_msg WHERE user_id > 0'), 'n')));
    }

    public function testWhoWaitsTooLongIsAskedToComeAgain(): void
    {
        $request = $this->message1();
        $other = $this->inAnotherProcess($request, 'chat.web_add_msg_admin', 'sleep(60);');
        $other->waitFor('inside');
        $answer = $this->receive($request);
        self::assertSame([503, 1], [$answer->status, $answer->retryAfterS]);
        // The process dies in the middle: nothing of it is there, and the repeat does it all.
        $other->kill();
        self::assertCount(1, $this->texts());
        self::assertSame(200, $this->receive($request)->status);
        self::assertContains("{$this->olga->id}: Hello", $this->texts());
    }

    public function testAChatThatIsLockedIsNotAChatThatIsMissing(): void
    {
        $another = Connection::another();
        $another->beginTransaction();
        $another->query("SELECT id FROM lh_chat WHERE id = {$this->chat->id} FOR UPDATE");
        self::assertSame(503, $this->receive($this->message1())->status);
        $another->rollback();
        self::assertSame(200, $this->receive($this->message1())->status);
    }

    public function testTheWaitForLocksIsLhcsOwnAgainAfterwards(): void
    {
        $this->database->run('SET SESSION innodb_lock_wait_timeout = 42');
        $this->says('Hello');
        self::assertSame(42, (int) $this->database->value('SELECT @@innodb_lock_wait_timeout'));
    }

    public function testTablesOfAnOlderVersionAreSaidToBeOld(): void
    {
        $this->database->run('ALTER TABLE lhc_xmppchat_chat RENAME COLUMN revision TO older');
        try {
            $answer = $this->comes('chat.accepted', $this->about());
        } finally {
            $this->database->run('ALTER TABLE lhc_xmppchat_chat RENAME COLUMN older TO revision');
        }
        self::assertSame(503, $answer->status);
        self::assertStringContainsString('old', $answer->json());
        self::assertSame(0, (int) $this->chatRow()['status']);
    }

    public function testTheSessionOfWhoeverIsThereIsLeftAlone(): void
    {
        $nobody = $GLOBALS['LhUserInstance'] ?? null;
        $this->says('Hello');
        self::assertSame($nobody, $GLOBALS['LhUserInstance'] ?? null);
        self::assertNotSame(PHP_SESSION_ACTIVE, session_status());
    }

    /** @dataProvider strangers */
    public function testChatsOfOthersAreUnknown(string $visitor, string $chatId): void
    {
        $other = $this->chat($this->visitor(), ['dep_id' => $this->sales->id]);
        $names = ['{anna}' => (string) $this->anna->id, '{chat}' => (string) $this->chat->id, '{other}' => (string) $other->id];
        $before = $this->everything();
        foreach (['chat.message', 'chat.accepted', 'chat.assigned', 'chat.transferred', 'chat.closed', 'chat.note', 'chat.command', 'operator.typing'] as $type) {
            $answer = $this->comes($type, [
                'visitor' => strtr($visitor, $names),
                'chatId' => strtr($chatId, $names),
                'operator' => $this->named($this->olga),
                'message' => ['id' => 'm', 'body' => 'x'],
                'note' => ['id' => 'm', 'body' => 'x'],
                ...['reason' => 'x', 'state' => 'composing', 'messageId' => 'm', 'command' => '!info', 'text' => '!info'],
            ]);
            self::assertSame([200, 'chat-unknown'], [$answer->status, $answer->body['code'] ?? ''], $type);
        }
        self::assertSame($before, $this->everything());
    }

    /** @return iterable<string, array{string, string}> */
    public function strangers(): iterable
    {
        yield 'another visitor\'s chat' => ['{anna}', '{other}'];
        yield 'under another name' => ['{chat}.chat', '{chat}'];
        yield 'no such chat' => ['{anna}', '99999999'];
        yield 'of another instance' => ['{anna}', '5_{chat}'];
        yield 'no number' => ['{anna}', '{chat} OR 1=1'];
        yield 'with a zero in front' => ['{anna}', '0{chat}'];
        yield 'too large a number' => ['{anna}', '99999999999999999999'];
    }

    public function testAVisitorWithoutAPageIsKnownByTheChat(): void
    {
        $this->database->run('UPDATE lh_chat SET online_user_id = 0');
        $answer = $this->comes('chat.message', $this->about(['visitor' => "{$this->chat->id}.chat", 'message' => ['id' => 'm', 'body' => 'Hello']]));
        self::assertSame('accepted', $answer->body['outcome']);
    }

    public function testTheVisitorIsWhoTheServiceWasTold(): void
    {
        Extension::instance()->told()->record((int) $this->chat->id, 'told', ['started' => 1]);
        self::assertSame('chat-unknown', $this->says('Hello')->body['code']);
        $answer = $this->comes('chat.message', $this->about(['visitor' => 'told', 'message' => ['id' => 'm', 'body' => 'Hello']]));
        self::assertSame('accepted', $answer->body['outcome']);
    }

    /**
     * @dataProvider fields
     * @param list<string> $fields
     */
    public function testAWrongShapeOfAFieldChangesNothing(string $type, array $fields): void
    {
        $before = $this->everything();
        foreach ($fields as $field) {
            foreach ([7.5, true, [], ['x' => 1], '', ...self::WORSE[$field] ?? []] as $value) {
                $answer = $this->comes($type, $this->withWrong($field, $value));
                self::assertSame(400, $answer->status, "{$field}: {$answer->json()}");
                self::assertStringContainsString("data.{$field}", $answer->json());
            }
        }
        self::assertSame($before, $this->everything());
        self::assertSame([], $this->rowsOf('lhc_xmppchat_webhook'));
    }

    /** Values that are wrong for one field only. */
    private const WORSE = [
        'message.body' => [" \n\t"],
        'operator.lhcUserId' => [1e30, 0, -1, '7'],
    ];

    /** @return iterable<string, array{string, list<string>}> */
    public function fields(): iterable
    {
        $operator = ['operator.username', 'operator.lhcUserId'];
        yield 'invited' => ['visitor.invited', ['visitor', 'message.id', 'message.body', 'message.replaces', ...$operator]];
        yield 'invitation expired' => ['visitor.invitation_expired', ['visitor', ...$operator]];
        yield 'cleaned up' => ['visitor.cleaned_up', ['visitor']];
        yield 'message' => ['chat.message', ['visitor', 'chatId', 'message.id', 'message.body', 'message.replaces', ...$operator]];
        yield 'assigned' => ['chat.assigned', ['visitor', 'chatId', ...$operator]];
        yield 'accepted' => ['chat.accepted', ['visitor', 'chatId', ...$operator]];
        yield 'transferred' => ['chat.transferred', ['visitor', 'chatId', 'department', ...$operator]];
        yield 'closed' => ['chat.closed', ['visitor', 'chatId', ...$operator]];
        yield 'note' => ['chat.note', ['visitor', 'chatId', 'note.id', 'note.body', ...$operator]];
        yield 'command' => ['chat.command', ['visitor', 'chatId', 'command', 'text', ...$operator]];
        yield 'typing' => ['operator.typing', ['visitor', 'chatId', 'state', ...$operator]];
        yield 'delivered' => ['message.delivered', ['visitor', 'chatId', 'messageId']];
        yield 'displayed' => ['message.displayed', ['visitor', 'chatId', 'messageId', ...$operator]];
        yield 'failed' => ['message.failed', ['visitor', 'chatId', 'messageId', 'reason']];
        yield 'online' => ['operator.online', $operator];
        yield 'alive' => ['operator.alive', $operator];
        yield 'offline' => ['operator.offline', $operator];
    }

    public function testWhatIsNoObjectIsSaidToBeNone(): void
    {
        foreach (['operator' => ['x', 1, null, ['x']], 'message' => ['x', 1, null, ['x']]] as $field => $values) {
            foreach ($values as $value) {
                self::assertSame(400, $this->comes('chat.message', $this->withWrong($field, $value))->status);
            }
        }
    }

    /** @return array<string, mixed> `data` for any type, with one wrong field */
    private function withWrong(string $field, mixed $value): array
    {
        $data = $this->about([
            'message' => ['id' => 'm', 'body' => 'x'], 'note' => ['id' => 'm', 'body' => 'x'],
            ...['reason' => 'x', 'state' => 'composing', 'messageId' => 'lhc-1', 'command' => '!info', 'text' => '!info'],
        ]);
        $place = &$data;
        foreach (explode('.', $field) as $name) {
            $place = &$place[$name];
        }
        $place = $value;
        return $data;
    }

    private function message1(): Request
    {
        return $this->signed('chat.message', $this->about(['message' => ['id' => 'm1', 'body' => 'Hello']]));
    }

    private function inAnotherProcess(Request $request, string $event, string $code): XmppChat\Lhc\Test\SecondProcess
    {
        return $this->secondProcess(<<<PHP
            erLhcoreClassChatEventDispatcher::getInstance()->listen('{$event}', function (): void {
                say('inside');
                {$code}
            });
            \$request = new XmppChat\\Lhc\\Incoming\\Request('POST', ...\$input);
            \$answer = XmppChat\\Lhc\\Extension::instance()->receiver()->receive(\$request);
            say("{\$answer->status} {\$answer->json()}");
            PHP, [$request->body, $request->id, $request->timestamp, $request->signatures]);
    }
}
