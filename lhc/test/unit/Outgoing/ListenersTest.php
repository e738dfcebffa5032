<?php

declare(strict_types=1);

use XmppChat\Lhc\Test\Sending;

/** What listeners write, and that they cost LHC nothing whatever happens. */
final class ListenersTest extends Sending
{
    /** Starts a chat as LHC does, up to its commit; the event after it never comes. */
    private const START = <<<'PHP'
        XmppChat\Lhc\Extension::instance()->attach(erLhcoreClassChatEventDispatcher::getInstance());
        $db = ezcDbInstance::get();
        $db->beginTransaction();
        $chat = erLhcoreClassModelChat::fetchAndLock($input['chat']);
        $msg = new erLhcoreClassModelmsg();
        $msg->msg = 'Hello';
        $msg->chat_id = $chat->id;
        $msg->user_id = 0;
        $msg->time = time();
        erLhcoreClassChatEventDispatcher::getInstance()->dispatch('chat.before_msg_user_saved', ['msg' => &$msg, 'chat' => &$chat]);
        $msg->saveThis();
        PHP;

    public function testAWorkerKilledBetweenCommitAndEventLosesNothing(): void
    {
        $chat = $this->chat($this->visitor());
        $worker = $this->secondProcess(self::START . "\n\$db->commit(); say('committed'); sleep(60);", ['chat' => $chat->id]);
        $worker->waitFor('committed');
        $worker->kill();
        self::assertSame([], self::$service->calls());
        $this->send();
        self::assertSame(['chats Hello'], self::$service->told());
    }

    public function testAWorkerKilledBeforeTheCommitLeavesNothing(): void
    {
        $chat = $this->chat($this->visitor());
        $worker = $this->secondProcess(self::START . "\nsay('written'); sleep(60);", ['chat' => $chat->id]);
        $worker->waitFor('written');
        $worker->kill();
        // Waits until the database has rolled back.
        erLhcoreClassModelChat::fetchAndLock($chat->id);
        self::assertSame([], [...$this->outbox(), ...$this->rowsOf('lh_msg')]);
    }

    public function testARollbackOfLhcTakesTheMarkAlong(): void
    {
        $chat = $this->chat($this->visitor());
        $db = ezcDbInstance::get();
        $db->beginTransaction();
        $this->dispatch('chat.accept', ['chat' => &$chat, 'user' => null]);
        $db->rollback();
        self::assertSame([], $this->outbox());
        $db->beginTransaction();
        $this->dispatch('chat.accept', ['chat' => &$chat, 'user' => null]);
        self::assertTrue($db->commit());
        self::assertCount(1, $this->outbox());
    }

    /** @return list<array{string, string}> */
    public function breakages(): array
    {
        return [
            'the outbox is missing' => ['RENAME TABLE lhc_xmppchat_outbox TO lhc_hidden', 'RENAME TABLE lhc_hidden TO lhc_xmppchat_outbox'],
            'the settings are missing' => ['RENAME TABLE lhc_xmppchat_setting TO lhc_hidden', 'RENAME TABLE lhc_hidden TO lhc_xmppchat_setting'],
            'the database is read-only' => ['SET SESSION TRANSACTION READ ONLY', 'SET SESSION TRANSACTION READ WRITE'],
        ];
    }

    /** @dataProvider breakages */
    public function testNoListenerThrows(string $break, string $mend): void
    {
        $visitor = $this->visitor();
        $chat = $this->chat($visitor);
        $listeners = (new ReflectionProperty(erLhcoreClassChatEventDispatcher::class, 'listeners'))
            ->getValue(erLhcoreClassChatEventDispatcher::getInstance());
        $events = array_filter(array_keys($listeners), static fn (string $event): bool => preg_match('/^(chat|onlineuser)\./', $event) === 1);
        self::assertGreaterThan(15, count($events));
        $this->newRequest();
        $this->database->run($break);
        try {
            foreach ($events as $event) {
                $this->dispatch($event, ['chat' => &$chat, 'ou' => &$visitor]);
                $this->dispatch($event, []);
                $this->dispatch($event, ['chat' => false, 'ou' => false, 'user' => false]);
            }
            $this->extension->shutdown()->afterChange();
            foreach ($this->atEnd as $work) {
                $work();
            }
        } finally {
            $this->database->run($mend);
        }
        self::assertNotSame([], $this->atEnd);
        self::assertSame([], $this->outbox());
    }

    /** As when another extension, or an LHC of another release, hands over something else. */
    public function testNoListenerThrowsAnErrorOfPhp(): void
    {
        $visitor = new class () {
            public int $id = 7;

            public function __get(string $name): never
            {
                throw new TypeError($name);
            }

            public function __isset(string $name): bool
            {
                return true;
            }
        };
        $this->dispatch('onlineuser.pageview_logged', ['ou' => &$visitor]);
        self::assertSame([], [...$this->outbox(), ...$this->atEnd]);
    }

    public function testWhateverLhcSaysOfAChatMarksIt(): void
    {
        // What happens in LHC's transaction, by the events that LHC fires there; and what it says after its commit.
        $events = [
            'chat.genericbot_set_bot', 'chat.before_msg_user_saved', 'chat.before_msg_admin_saved', 'chat.web_add_msg_admin',
            'chat.unread_chat', 'chat.explicitly_closed', 'chat.user_reopened', 'chat.data_changed', 'chat.accept',
            'chat.chat_accepted', 'chat.chat_transfer_accepted', 'chat.chat_owner_changed',
            'chat.genericbot_chat_command_transfer', 'chat.chat_transfered', 'chat.close', 'chat.delete',
            'chat.chat_started', 'chat.addmsguser',
        ];
        foreach ($events as $event) {
            $this->newRequest();
            $chat = $this->chat($this->visitor());
            $this->dispatch($event, ['chat' => &$chat]);
            $rows = array_filter($this->outbox(), static fn (array $row): bool => (int) $row['chat_id'] === (int) $chat->id);
            self::assertSame(['chat'], array_column($rows, 'kind'), $event);
            self::assertCount(1, $this->atEnd, $event);
        }
    }

    public function testTheVisitorsReactionsAreToldAsTheyAreWhenTheyAreSent(): void
    {
        $chat = $this->knownChat();
        $react = function (int $user, string $id, array $current) use ($chat): array {
            $content = ['xmppchat' => ['id' => $id], 'reactions' => ['current' => $current]];
            $msg = $this->message($chat, $id, $user);
            $this->database->run('INSERT INTO lhc_xmppchat_message (visitor, xmpp_id, msg_id, chat_id) VALUES (?, ?, ?, ?)', [(string) $chat->online_user_id, "{$id}-corrected", $msg->id, $chat->id]);
            // LHC dispatches this before it saves.
            $this->dispatch('chat.reaction_visitor', ['reaction_identifier' => 'thumb', 'reaction_value' => '1', 'action' => 'add', 'msg' => &$msg, 'chat' => &$chat]);
            self::assertSame([], array_filter($this->outbox(), static fn (array $row): bool => $row['kind'] === 'reaction'));
            $msg->meta_msg = json_encode(['content' => $content]);
            $msg->saveThis();
            $this->extension->shutdown()->keepViews();
            $before = count(self::$service->requests());
            $this->send();
            return array_column(array_slice(self::$service->requests(), $before), 'body');
        };
        self::assertSame([['messageId' => 'a', 'reactions' => ['👍', '🐢', '❤️']]], $react(7, 'a', ['thumb' => '1', '1F422' => '1', '27640000FE0F' => '1', 'made-up' => '1']));
        self::assertSame([['messageId' => 'b', 'reactions' => []]], $react(7, 'b', []));
        // A bot's message, and one that was written in LHC's own pages.
        self::assertSame([], $react(-2, 'c', ['thumb' => '1']));
        $olga = $this->operator();
        $own = $this->message($chat, 'from LHC', (int) $olga->id);
        $this->dispatch('chat.reaction_visitor', ['msg' => &$own, 'chat' => &$chat]);
        $this->extension->shutdown()->keepViews();
        self::assertSame([], array_filter($this->changed($chat), static fn (string $said): bool => str_contains($said, 'reactions')));
    }

    public function testATableThatIsMissingDoesNotHurtLhcsTransaction(): void
    {
        $chat = $this->chat($this->visitor());
        $this->database->run('RENAME TABLE lhc_xmppchat_outbox TO lhc_hidden');
        try {
            $db = ezcDbInstance::get();
            $db->beginTransaction();
            $this->message($chat, 'Hello');
            $this->dispatch('chat.before_msg_user_saved', ['chat' => &$chat]);
            self::assertTrue($db->commit());
        } finally {
            $this->database->run('RENAME TABLE lhc_hidden TO lhc_xmppchat_outbox');
        }
        self::assertCount(1, $this->rowsOf('lh_msg'));
    }

    public function testNothingHappensWhileTheExtensionIsOff(): void
    {
        $this->settings(['enabled' => false]);
        $this->newRequest();
        $visitor = $this->visitor();
        $chat = $this->chat($visitor);
        $this->view($visitor);
        $this->dispatch('chat.chat_started', ['chat' => &$chat]);
        self::assertSame([], [...$this->outbox(), ...$this->atEnd]);
    }

    public function testWhatIsSentAfterTheAnswerGoesInOnePost(): void
    {
        $visitor = $this->visitor();
        $chat = $this->chat($visitor);
        $this->view($visitor);
        $this->message($chat, 'Hello');
        $this->dispatch('chat.genericbot_set_bot', ['chat' => &$chat, 'params' => []]);
        $this->dispatch('chat.chat_started', ['chat' => &$chat, 'msg' => false]);
        self::assertCount(1, $this->atEnd);
        self::assertCount(2, $this->outbox(), 'the event after the commit needs no second mark');
        ($this->atEnd[0])();
        self::assertCount(1, self::$service->calls());
        self::assertSame(['page-views https://shop.example/shoes', 'chats Hello'], self::$service->told());
    }

    public function testNothingThatCameFromACallbackGoesBack(): void
    {
        $chat = $this->knownChat();
        $olga = $this->operator();
        $this->database->transaction(function () use ($chat, $olga): void {
            $chat->status = 1;
            $chat->user_id = $olga->id;
            $chat->saveThis();
            $this->extension->told()->record((int) $chat->id, (string) $chat->online_user_id, ['owner_id' => (int) $olga->id, 'status' => 1]);
            $this->dispatch('chat.accept', ['chat' => &$chat, 'user' => null]);
            $msg = $this->message($chat, 'Yes, in black', (int) $olga->id);
            $this->database->run(
                "INSERT INTO lhc_xmppchat_message (visitor, xmpp_id, msg_id, chat_id) VALUES (?, 'a1', ?, ?)",
                [(string) $chat->online_user_id, $msg->id, $chat->id],
            );
            $this->dispatch('chat.web_add_msg_admin', ['chat' => &$chat, 'msg' => &$msg]);
            $this->message($chat, 'corrected', (int) $olga->id, ['meta_msg' => '{"content":{"xmppchat":{"id":"a2"}}}']);
            $this->dispatch('chat.web_add_msg_admin', ['chat' => &$chat]);
        });
        self::assertSame([], $this->changed($chat));
        self::assertSame([], $this->outbox());
        $chat->status = 2;
        $chat->saveThis();
        $this->extension->told()->record((int) $chat->id, (string) $chat->online_user_id, ['closed' => 1, 'status' => 2]);
        self::assertSame([], $this->changed($chat, 'chat.close'));
    }

    public function testACallbackThatComesBeforeTheAnswerStands(): void
    {
        $olga = $this->operator();
        $chat = $this->chat($this->visitor(), ['dep_id' => $this->department()->id]);
        $this->message($chat, 'Hello');
        $this->dispatch('chat.chat_started', ['chat' => &$chat]);
        self::$service->behave(['delayMs' => 800]);
        $sender = $this->secondProcess('(new XmppChat\Lhc\Extension())->sender()->drain(XmppChat\Lhc\Outgoing\Pace::cron());');
        self::$service->waitForCalls(1);
        $chat->user_id = $olga->id;
        $chat->saveThis();
        $this->extension->told()->record((int) $chat->id, (string) $chat->online_user_id, ['owner_id' => (int) $olga->id, 'status' => 0]);
        $sender->finish();
        self::assertSame([1, (int) $olga->id, (int) $chat->dep_id], [$this->told($chat)['started'], $this->told($chat)['owner_id'], $this->told($chat)['dep_id']]);
        self::assertSame([], $this->changed($chat));
    }

    public function testTheAnswerToAnInvitationOfOursDoesNotEchoIt(): void
    {
        $olga = $this->operator();
        $visitor = $this->visitor();
        $this->database->run("INSERT INTO lhc_xmppchat_message (visitor, xmpp_id, msg_id) VALUES (?, 'inv1', 0)", [(string) $visitor->id]);
        $chat = $this->chat($visitor, ['chat_initiator' => 1, 'user_id' => $olga->id]);
        $invitation = $this->message($chat, 'Can I help you?', (int) $olga->id, ['del_st' => 3]);
        $this->message($chat, 'Yes, please');
        self::assertSame(['chats Yes, please'], $this->changed($chat, 'chat.chat_started'));
        self::assertSame((string) $invitation->id, (string) $this->rowsOf('lhc_xmppchat_message')[0]['msg_id']);
        self::assertSame(['displayed inv1'], $this->changed($chat, 'chat.messages_read'));
    }

    public function testAnInvitationOfLhcsOwnPagesHasItsInviter(): void
    {
        $olga = $this->operator();
        $chat = $this->chat($this->visitor(), ['chat_initiator' => 1, 'user_id' => $olga->id]);
        $this->message($chat, 'Can I help you?', (int) $olga->id);
        $this->message($chat, 'Yes, please');
        self::assertSame([
            'chats Yes, please',
            "chats/{$chat->id}/owner ({$olga->id} is asked)",
            // An invitation is no answer.
            "chats/{$chat->id}/operator-messages Can I help you? (0)",
        ], $this->changed($chat, 'chat.chat_started'));
        // LHC invites by itself in the name of anybody who is online. The chat is for all.
        $other = $this->chat($this->visitor(), ['chat_initiator' => 1]);
        $this->message($other, 'Can I help you?', (int) $olga->id);
        $this->message($other, 'Please');
        $this->message($other, 'I am here', (int) $olga->id);
        self::assertSame([
            'chats Please',
            "chats/{$other->id}/operator-messages Can I help you? (0)",
            "chats/{$other->id}/operator-messages I am here ({$olga->id})",
        ], $this->changed($other, 'chat.chat_started'));
    }

    public function testWhatTheVisitorHasSeenIsTheNewestOfOurs(): void
    {
        $chat = $this->knownChat();
        foreach (['a' => 3, 'b' => 3, 'c' => 2] as $id => $state) {
            $msg = $this->message($chat, $id, 1, ['del_st' => $state]);
            $this->database->run(
                'INSERT INTO lhc_xmppchat_message (visitor, xmpp_id, msg_id, chat_id) VALUES (?, ?, ?, ?)',
                [(string) $chat->online_user_id, $id, $msg->id, $chat->id],
            );
        }
        self::assertSame(['displayed b'], $this->changed($chat, 'chat.messages_read'));
        self::assertSame([], $this->changed($this->knownChat(), 'chat.messages_read'));
    }

    public function testTypingIsSaidAtOnceOrNotAtAll(): void
    {
        $chat = $this->knownChat();
        $types = function (string $how, array $settings = ['shareTyping' => true]) use ($chat): array {
            $this->settings($settings);
            $this->newRequest();
            $_SERVER['REQUEST_URI'] = "/chat/usertyping/{$chat->id}/{$chat->hash}/{$how}";
            $before = count(self::$service->calls());
            $this->dispatch('chat.validstatus_chat', ['chat' => &$chat]);
            array_map(fn (callable $work) => $work(), $this->atEnd);
            return array_slice(self::$service->calls(), $before);
        };
        [$call] = $types('true');
        self::assertSame(["/v1/shop/visitors/{$chat->online_user_id}/typing", ['state' => 'composing']], [$call['path'], $call['body']]);
        self::assertSame('active', $types('false')[0]['body']['state']);
        self::assertSame([], $types('true', ['shareTyping' => false]));
        $_POST['msg'] = ' I <b>want</b> ' . str_repeat('x', 300);
        self::assertSame(['state' => 'composing'], $types('true')[0]['body'], 'nobody wants it');
        $wanted = ['shareTyping' => true, 'sharePreview' => true];
        self::assertSame(['state' => 'composing', 'preview' => str_repeat('x', 200)], $types('true', $wanted)[0]['body']);
        $_POST['msg'] = ' I <b>want</b> ';
        self::assertSame('I want', $types('true', $wanted)[0]['body']['preview']);
        self::assertSame(['state' => 'active'], $types('false', $wanted)[0]['body']);
        $this->database->run("INSERT INTO lh_chat_config (identifier, value, type, `explain`, hidden) VALUES ('ignore_typing', '1', 0, '', 0)");
        self::assertSame(['state' => 'composing'], $types('true', $wanted)[0]['body'], 'LHC shows it to nobody');
        unset($_POST['msg']);
        $other = $this->secondProcess('(new XmppChat\Lhc\Outgoing\Lock(new XmppChat\Lhc\Database()))->take(); say("taken"); sleep(60);');
        $other->waitFor('taken');
        self::assertSame([], $types('true'), 'somebody else sends');
        $other->kill();
        $this->extension->link()->failed('away');
        self::assertSame([], $types('true'));
        self::assertSame([], $this->outbox());
        unset($_SERVER['REQUEST_URI']);
    }
}
