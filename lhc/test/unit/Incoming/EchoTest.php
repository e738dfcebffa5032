<?php

declare(strict_types=1);

use XmppChat\Lhc\Extension;
use XmppChat\Lhc\Outgoing\ChatChanges;
use XmppChat\Lhc\Outgoing\ChatReader;
use XmppChat\Lhc\Outgoing\Words;
use XmppChat\Lhc\Test\CallbackTestCase;

/** What the service asked for is not reported to it; what LHC did besides is. */
final class EchoTest extends CallbackTestCase
{
    private erLhcoreClassModelUser $paul;

    protected function setUp(): void
    {
        parent::setUp();
        $this->department(['name' => 'Support']);
        $this->paul = $this->operator(['name' => 'Paul', 'surname' => ''], [0]);
        Extension::instance()->told()->record((int) $this->chat->id, (string) $this->anna->id, [
            'started' => 1,
            'dep_id' => (int) $this->sales->id,
            'last_msg_id' => (int) $this->chat->last_msg_id,
        ]);
    }

    public function testAWholeChatOfTheServiceIsNoNews(): void
    {
        self::assertSame([], $this->news());
        foreach ([
            ['chat.assigned', ['reason' => 'random']],
            ['chat.accepted', []],
            ['chat.message', ['message' => ['id' => 'm1', 'body' => 'Hello']]],
            ['chat.message', ['message' => ['id' => 'm2', 'body' => 'Hello!', 'replaces' => 'm1']]],
            ['operator.typing', ['state' => 'composing']],
            ['chat.note', ['note' => ['id' => 'n', 'body' => 'a note']]],
            ['message.displayed', ['messageId' => "lhc-{$this->chat->last_msg_id}"]],
            ['message.failed', ['messageId' => "lhc-{$this->chat->last_msg_id}", 'reason' => 'x']],
            ['chat.transferred', ['operator' => $this->named($this->paul), 'reason' => 'operator']],
            ['chat.transferred', ['operator' => null, 'reason' => 'missed']],
            ['chat.transferred', ['operator' => null, 'department' => 'Support', 'reason' => 'operator']],
            ['chat.accepted', ['operator' => $this->named($this->paul)]],
            ['chat.closed', ['operator' => $this->named($this->paul), 'reason' => 'operator']],
        ] as [$type, $more]) {
            self::assertSame('accepted', $this->comes($type, $this->about($more))->body['outcome'], $type);
            self::assertSame([], $this->news(), $type);
        }
    }

    public function testAMessageThatAcceptsIsNoNews(): void
    {
        $this->says('Hello');
        self::assertSame([], $this->news());
    }

    public function testWhatLhcSaysBesidesIsNews(): void
    {
        if (!property_exists(erLhcoreClassChatWorkflow::class, 'greeting')) {
            self::markTestSkipped('the double alone greets');
        }
        erLhcoreClassChatWorkflow::$greeting = 'Welcome to our shop';
        try {
            $this->comes('chat.accepted', $this->about());
        } finally {
            erLhcoreClassChatWorkflow::$greeting = null;
        }
        self::assertSame(['operator-messages'], $this->news());
    }

    public function testWhatACommandDoesIsNews(): void
    {
        $this->comes('chat.accepted', $this->about());
        $this->command('!hold One moment');
        self::assertSame(['operator-messages'], $this->news());
        $this->command('!close');
        self::assertSame(['operator-messages', 'close'], $this->news());
    }

    public function testWhatLhcChangedMeanwhileIsStillNews(): void
    {
        // Somebody moves the chat in LHC's page; before that is sent, the service's acceptance comes.
        $support = (int) $this->database->value("SELECT id FROM lh_departament WHERE name = 'Support'");
        $this->set(['dep_id' => $support]);
        $visitors = $this->message($this->chat, 'And boots?');
        $this->comes('chat.message', $this->about(['operator' => $this->named($this->paul), 'message' => ['id' => 'm', 'body' => 'Hello']]));
        self::assertSame($support, (int) $this->chatRow()['dep_id']);
        self::assertSame((int) $this->sales->id, $this->told()['dep_id']);
        self::assertContains('messages', $this->news());
        self::assertGreaterThan((int) $visitors->id, (int) $this->chatRow()['last_msg_id']);
        self::assertLessThan((int) $visitors->id, $this->told()['last_msg_id']);
    }

    private function command(string $text): void
    {
        $this->comes('chat.command', $this->about(['messageId' => 'c', 'command' => explode(' ', $text)[0], 'text' => $text]));
    }

    /** @return list<string> what the sender would tell the service of the chat: the ends of the requests' paths */
    private function news(): array
    {
        $changes = new ChatChanges(
            new ChatReader($this->database),
            new Words($this->database, Extension::instance()->fileLinks()),
        );
        $steps = $changes->of((int) $this->chat->id, [], 0, [])->steps;
        return array_map(fn (object $step): string => basename($step->path), $steps);
    }
}
