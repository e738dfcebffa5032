<?php

declare(strict_types=1);

use XmppChat\Lhc\Outgoing\CronRun;
use XmppChat\Lhc\Outgoing\Pace;
use XmppChat\Lhc\Outgoing\Resolver;
use XmppChat\Lhc\Test\Sending;

/** What cron does: differences, names, old rows. */
final class CronTest extends Sending
{
    private function cron(int $seconds = 0): string
    {
        return (new CronRun($this->extension))->run($seconds);
    }

    public function testItSendsWhatWaitsAndSaysHowMuchIsLeft(): void
    {
        $this->view($this->visitor());
        self::assertSame("Nothing waits.\n", $this->cron());
        self::assertCount(1, self::$service->requests());
        self::assertGreaterThan(0, $this->extension->link()->state()->cronAt);
        $this->view($this->visitor());
        self::$service->behave(['status' => 500]);
        self::assertStringContainsString('cannot be reached (500', $this->cron());
        self::assertStringContainsString('1 row waits', $this->cron());
        $this->settings(['enabled' => false]);
        $this->newRequest();
        self::assertStringContainsString('switched off', $this->cron());
    }

    public function testItGoesOnForTheSecondsThatItIsGiven(): void
    {
        $worker = $this->secondProcess('say("begun"); (new XmppChat\Lhc\Outgoing\CronRun(new XmppChat\Lhc\Extension()))->run(2);');
        $worker->waitFor('begun');
        $this->database->run("INSERT INTO lhc_xmppchat_outbox (created_at, kind, visitor, payload, next_at) VALUES (?, 'view', '1', '{\"page\":\"//x\"}', ?)", [
            $this->extension->clock()->nowMs(),
            $this->extension->clock()->nowMs() + 1_000,
        ]);
        $worker->finish();
        self::assertSame(['page-views //x'], self::$service->told());
    }

    public function testAnOpenChatThatWasNeverAnnouncedIsFound(): void
    {
        $chat = $this->chat($this->visitor());
        $this->message($chat, 'Hello');
        $this->chat($this->visitor(), ['status' => 2]);
        $this->chat($this->visitor(), ['status' => 5]);
        $this->chat($this->visitor(), ['time' => time() - 3 * 86_400]);
        $this->cron();
        self::assertSame(['chats Hello'], self::$service->told());
        $this->cron();
        self::assertCount(1, self::$service->told());
    }

    public function testAChangeWithoutAnEventIsFound(): void
    {
        $olga = $this->operator();
        $changes = [
            'message' => fn ($chat) => $this->message($chat, 'Anybody?'),
            'owner' => fn ($chat) => $this->database->run('UPDATE lh_chat SET user_id = ?, status = 1 WHERE id = ?', [$olga->id, $chat->id]),
            'department' => fn ($chat) => $this->database->run('UPDATE lh_chat SET dep_id = ? WHERE id = ?', [$this->department(['name' => 'Support'])->id, $chat->id]),
            'end' => fn ($chat) => $this->database->run('UPDATE lh_chat SET status = 2 WHERE id = ?', [$chat->id]),
            'ended' => fn ($chat) => $this->database->run('UPDATE lh_chat SET status_sub = 3 WHERE id = ?', [$chat->id]),
            'deleted' => fn ($chat) => $this->database->run('DELETE FROM lh_chat WHERE id = ?', [$chat->id]),
        ];
        $expected = ['messages Anybody?', "owner ({$olga->id} has it)", 'transfer Support', 'close system', 'close visitor', 'close operator'];
        foreach ($changes as $change) {
            $change($this->knownChat(['dep_id' => 0]));
        }
        $before = count(self::$service->told());
        $this->cron();
        $told = array_map(static fn (string $line): string => (string) preg_replace('#^chats/\d+/#', '', $line), array_slice(self::$service->told(), $before));
        self::assertSame($expected, $told);
        $this->cron();
        self::assertCount($before + count($expected), self::$service->told());
    }

    public function testWorkersUseTheAddressesThatCronLookedUp(): void
    {
        $port = self::$service->port;
        $this->settings(['serviceUrl' => "http://service.invalid:{$port}"]);
        $this->newRequest();
        $asked = [];
        $resolver = function (array $answer) use (&$asked): Resolver {
            $lookUp = function (string $host) use (&$asked, $answer): array {
                $asked[] = $host;
                return $answer;
            };
            return new Resolver($this->extension->settings(), $this->extension->link(), $this->extension->clock(), $lookUp);
        };
        $resolver(['127.0.0.1'])->run();
        $resolver(['127.0.0.1'])->run();
        self::assertSame(['service.invalid'], $asked, 'once a minute');
        $this->view($this->visitor());
        self::assertTrue($this->extension->sender()->drain(Pace::web()));
        self::assertSame("service.invalid:{$port}", self::$service->calls()[0]['headers']['host']);

        $this->aheadMs += 3_600_000;
        $resolver([])->run();
        self::assertSame(['127.0.0.1'], $this->extension->link()->state()->addresses, 'a name server that fails takes nothing away');
        $this->settings(['serviceUrl' => "http://127.0.0.1:{$port}"]);
        $this->newRequest();
        $resolver(['192.0.2.1'])->run();
        self::assertCount(2, $asked, 'an address needs no name server');
    }

    public function testANameThatNobodyKnowsOpensTheBreaker(): void
    {
        $this->settings(['serviceUrl' => 'http://service.invalid']);
        $this->newRequest();
        (new Resolver($this->extension->settings(), $this->extension->link(), $this->extension->clock(), fn (): array => []))->run();
        self::assertStringContainsString('service.invalid', $this->extension->link()->state()->reason);
        $this->view($this->visitor());
        self::assertFalse($this->extension->sender()->drain(Pace::web()));
    }

    public function testOldRowsGo(): void
    {
        $now = $this->extension->clock()->nowMs();
        $month = 31 * 86_400_000;
        $chat = $this->knownChat();
        $msg = $this->message($chat, 'x', 1);
        $gone = $this->visitor();
        $known = $this->visitor();
        $goneId = (string) $gone->id;
        $this->database->run('DELETE FROM lh_chat_online_user WHERE id = ?', [$goneId]);
        foreach ([$now, $now - $month] as $i => $at) {
            $this->database->run('INSERT INTO lhc_xmppchat_webhook (webhook_id, type, at, answer) VALUES (?, ?, ?, ?)', ["w{$i}", 'chat.message', $at, '']);
            $this->database->run('INSERT INTO lhc_xmppchat_outbox (created_at, kind, visitor, state) VALUES (?, ?, ?, 1)', [$at, 'request', "v{$i}"]);
            $this->database->run('INSERT INTO lhc_xmppchat_chat (chat_id, visitor, closed, started, updated_at) VALUES (?, ?, 1, 1, ?)', [9_000 + $i, 'x', $at]);
        }
        foreach ([[(string) $chat->online_user_id, $msg->id, $chat->id], [$goneId, 0, 0], [(string) $known->id, 0, 0]] as $i => $values) {
            $this->database->run('INSERT INTO lhc_xmppchat_message (xmpp_id, visitor, msg_id, chat_id) VALUES (?, ?, ?, ?)', ["m{$i}", ...$values]);
        }
        $this->database->run("INSERT INTO lhc_xmppchat_outbox (created_at, kind, visitor, next_at) VALUES (?, 'view', 'old', ?)", [$now - 3_600_000, $now + 60_000]);
        $this->extension->cleaner()->run();
        self::assertSame(['w0'], array_column($this->rowsOf('lhc_xmppchat_webhook'), 'webhook_id'));
        self::assertSame(['v0'], array_column($this->outbox(), 'visitor'), 'an old page view is true no more');
        self::assertSame(['9000', (string) $chat->id], array_map('strval', array_column($this->database->rows('SELECT chat_id FROM lhc_xmppchat_chat ORDER BY closed DESC'), 'chat_id')));
        $left = $this->database->rows('SELECT xmpp_id FROM lhc_xmppchat_message ORDER BY xmpp_id');
        self::assertSame(['m0', 'm2'], array_column($left, 'xmpp_id'), 'the invitation of a visitor whom LHC has forgotten goes');
    }

    public function testWithoutTablesItSaysHowToMakeThem(): void
    {
        $this->newRequest();
        $this->database->run('RENAME TABLE lhc_xmppchat_setting TO lhc_xmppchat_away');
        try {
            self::assertStringContainsString('cron/update_structure', $this->cron());
        } finally {
            $this->database->run('RENAME TABLE lhc_xmppchat_away TO lhc_xmppchat_setting');
        }
    }

    public function testTheTablesAreMadeAndCompleted(): void
    {
        $structure = new XmppChat\Lhc\Structure($this->database);
        self::assertSame([], $structure->update());
        $this->database->run('ALTER TABLE lhc_xmppchat_chat DROP COLUMN seen, DROP INDEX visitor');
        $this->database->run('DROP TABLE lhc_xmppchat_link');
        self::assertCount(3, $structure->update());
        self::assertSame([], $structure->update());
        self::assertSame([], $this->rowsOf('lhc_xmppchat_link'));
    }
}
