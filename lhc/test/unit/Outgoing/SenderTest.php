<?php

declare(strict_types=1);

use XmppChat\Lhc\Clock;
use XmppChat\Lhc\Database;
use XmppChat\Lhc\Extension;
use XmppChat\Lhc\Outgoing\Outbox;
use XmppChat\Lhc\Outgoing\PageView;
use XmppChat\Lhc\Outgoing\Pace;
use XmppChat\Lhc\Test\Connection;
use XmppChat\Lhc\Test\Sending;

/** The one sender, what it makes of answers, and the breaker. */
final class SenderTest extends Sending
{
    /** What a worker does at the end of a request, in a process of its own. */
    private const WORKER = <<<'PHP'
        $extension = new XmppChat\Lhc\Extension();
        say($extension->sender()->drain(XmppChat\Lhc\Outgoing\Pace::web()) ? 'all' : 'not all');
        PHP;

    public function testAPageViewIsSentAsLhcSawIt(): void
    {
        $visitor = $this->visitor([
            'page_title' => 'Shoes', 'referrer' => '//search.example', 'user_country_name' => 'Latvia', 'city' => 'Rīga',
            'visitor_tz' => 'Europe/Riga', 'total_visits' => 3, 'dep_id' => $this->department()->id,
            'online_attr_system' => '{"username":"Anna"}', 'vid' => 'abc123',
        ]);
        $this->view($visitor, '//shop.example/shoes?a=1');
        ['id' => $id, 'created_at' => $at] = $this->outbox()[0];
        self::assertTrue($this->send());
        [$call] = self::$service->calls();
        self::assertSame('/v1/shop/batch', $call['path']);
        self::assertSame('Bearer key-of-the-tests', $call['headers']['authorization']);
        self::assertArrayNotHasKey('expect', $call['headers']);
        [$request] = $call['body']['requests'];
        ksort($request['body']);
        self::assertSame([
            'id' => "view-{$id}-{$at}",
            'method' => 'POST',
            'path' => "visitors/{$visitor->id}/page-views",
            'body' => [
                'city' => 'Rīga', 'country' => 'Latvia', 'department' => 'Sales', 'nick' => 'Anna',
                'page' => 'https://shop.example/shoes?a=1', 'referrer' => 'https://search.example', 'timezone' => 'Europe/Riga',
                'title' => 'Shoes', 'vid' => 'abc123', 'visits' => 3,
            ],
        ], $request);
        self::assertSame([], $this->outbox());
    }

    public function testAnAddressHasTheSchemeThatTheBrowserNames(): void
    {
        $visitor = $this->visitor(['referrer' => '//shop.example.org/']);
        $pages = [];
        foreach (['http://shop.example/', 'https://shop.example/', 'http://other.example/', 'no address', null] as $referrer) {
            $_SERVER['HTTP_REFERER'] = $referrer;
            $visitor->current_page = '//shop.example/a';
            $body = PageView::of($visitor);
            $pages[] = $body['page'];
            self::assertSame('https://shop.example.org/', $body['referrer']);
        }
        unset($_SERVER['HTTP_REFERER']);
        self::assertSame(['http://shop.example/a', ...array_fill(0, 4, 'https://shop.example/a')], $pages);
        $visitor->current_page = '/shoes';
        self::assertSame('/shoes', PageView::of($visitor)['page']);
    }

    public function testTheLanguageIsTheFirstOneThatTheBrowserAsksFor(): void
    {
        $visitor = $this->visitor([]);
        $languages = [];
        foreach (['de-AT,de;q=0.9,en;q=0.8', 'fr;q=0.5', ' pt-BR , en', '*', 'no words at all', str_repeat('a', 40), ''] as $header) {
            $_SERVER['HTTP_ACCEPT_LANGUAGE'] = $header;
            $languages[] = PageView::of($visitor)['language'] ?? null;
        }
        unset($_SERVER['HTTP_ACCEPT_LANGUAGE']);
        self::assertSame(['de-AT', 'fr', 'pt-BR', null, null, null, null], $languages);
        self::assertArrayNotHasKey('language', PageView::of($visitor));
    }

    public function testALostAnswerIsRepeatedWithTheSameIds(): void
    {
        $chat = $this->chat($this->visitor());
        $this->message($chat, 'Hello');
        $this->dispatch('chat.chat_started', ['chat' => &$chat]);
        $this->view($this->visitor());
        self::$service->behave(['delayMs' => 2_500]);
        self::assertFalse($this->extension->sender()->drain(Pace::web()), 'no answer in time');
        self::$service->waitForCalls(1);
        self::assertCount(2, $this->outbox());
        self::assertTrue($this->extension->link()->state()->isOpen());

        self::$service->behave([]);
        $this->message($chat, 'Anybody?');
        $this->aheadMs += 60_000;
        self::assertTrue($this->send());
        [$first, $second] = self::$service->calls();
        self::assertSame($first['body']['requests'], [$second['body']['requests'][0], $second['body']['requests'][2]]);
        self::assertSame('Anybody?', $second['body']['requests'][1]['body']['body']);
        self::assertFalse($this->extension->link()->state()->isOpen());
    }

    public function testAPortThatHangsCostsOneSendOfAllWorkers(): void
    {
        $hanging = stream_socket_server('tcp://127.0.0.1:0');
        $name = (string) stream_socket_get_name($hanging, false);
        $this->settings(['serviceUrl' => "http://{$name}"]);
        $this->view($this->visitor());
        $answers = [];
        foreach (range(1, 3) as $worker) {
            $answers[] = $this->secondProcess(self::WORKER)->finish();
        }
        self::assertSame(array_fill(0, 3, "not all\n"), $answers);
        $connections = 0;
        while (@stream_socket_accept($hanging, 0)) {
            $connections++;
        }
        self::assertSame(1, $connections, 'the first time-out opened the breaker for the others');
        $state = $this->extension->link()->state();
        self::assertTrue($state->isOpen());
        self::assertStringStartsWith('curl 28', $state->reason);
    }

    public function testOnlyCronProbesAndACallbackClosesTheBreaker(): void
    {
        $this->extension->link()->failed('as in a test');
        $this->view($this->visitor());
        $this->aheadMs += 3_600_000;
        self::assertFalse($this->extension->sender()->drain(Pace::web()));
        self::assertSame([], self::$service->calls());
        self::assertTrue($this->send());
        self::assertCount(1, self::$service->calls());

        $this->extension->link()->failed('again');
        $this->view($this->visitor());
        self::assertFalse($this->send(), 'cron leaves the service alone for a while, too');
        $this->extension->link()->heard();
        self::assertTrue($this->extension->sender()->drain(Pace::web()));
    }

    /** A service that is slow, or a proxy before it that hangs: callbacks come, and each would occupy another worker. */
    public function testWhileSendingFailsACallbackOpensTheWayOnceInTenSeconds(): void
    {
        $link = $this->extension->link();
        $link->failed('no answer');
        $link->heard();
        self::assertFalse($link->state()->isOpen(), 'the service may have been started again');
        $link->failed('no answer');
        $link->heard();
        self::assertTrue($link->state()->isOpen());
        self::assertSame(2, $link->state()->failures);
        foreach (range(3, 8) as $failures) {
            $this->aheadMs += 10_000;
            $link->heard();
            self::assertFalse($link->state()->isOpen(), "after {$failures} failures");
            $link->failed('no answer');
            $link->heard();
            self::assertTrue($link->state()->isOpen());
        }
        $link->sent();
        $link->failed('once more');
        $link->heard();
        self::assertFalse($link->state()->isOpen());
    }

    public function testABusyServiceHoldsUpThatVisitorOnly(): void
    {
        [$anna, $bert] = [$this->visitor(), $this->visitor()];
        self::$service->behave(['answers' => ["#visitors/{$anna->id}/#" => ['status' => 503, 'body' => ['code' => 'overloaded', 'detail' => 'busy', 'retryAfter' => 40]]]]);
        $this->view($anna, '//1');
        $this->view($bert, '//2');
        $this->send();
        self::assertSame([(string) $anna->id], array_column($this->outbox(), 'visitor'));
        [$row] = $this->outbox();
        self::assertSame([1, '503: busy'], [(int) $row['tries'], $row['error']]);
        self::assertGreaterThanOrEqual(39_000, (int) $row['next_at'] - $this->extension->clock()->nowMs());

        $this->view($anna, '//3');
        $this->view($bert, '//4');
        $this->send();
        self::assertSame(['page-views https://1', 'page-views https://2', 'page-views https://4'], self::$service->told(), 'the later view of the first one waits');
        self::$service->behave([]);
        $this->aheadMs += 41_000;
        $this->send();
        self::assertSame(['page-views https://1', 'page-views https://3'], array_slice(self::$service->told(), 3));
        self::assertSame([], $this->outbox());
    }

    public function testABusyServiceAsAWholeIsTriedLaterAndIsNotAway(): void
    {
        $this->view($this->visitor());
        foreach ([429, 503] as $status) {
            self::$service->behave(['status' => $status, 'retryAfter' => 7]);
            self::assertFalse($this->send());
            self::assertFalse($this->extension->link()->state()->isOpen(), (string) $status);
            self::assertGreaterThan(6_000, (int) $this->outbox()[0]['next_at'] - $this->extension->clock()->nowMs());
            $this->aheadMs += 8_000;
        }
        self::$service->behave(['status' => 401]);
        self::assertFalse($this->send());
        self::assertStringContainsString('as the test wishes', $this->extension->link()->state()->reason);
        self::assertCount(1, $this->outbox(), 'a wrong key loses nothing');
    }

    public function testWhatIsRefusedFailsWithItsReasonAndTheNextGoesOn(): void
    {
        $chat = $this->knownChat();
        $refused = $this->message($chat, 'Refused');
        $this->message($chat, 'Taken');
        self::$service->behave(['answers' => ["#msg-{$refused->id}$#" => ['status' => 409, 'body' => ['code' => 'refused', 'detail' => 'chat 7 is not open']]]]);
        self::assertSame(['messages Refused', 'messages Taken'], $this->changed($chat));
        [$row] = $this->outbox();
        self::assertSame(['request', 1, '409: chat 7 is not open', (int) $chat->id], [$row['kind'], (int) $row['state'], $row['error'], (int) $row['chat_id']]);
        self::assertSame([], $this->changed($chat));

        self::$service->behave([]);
        $this->database->run('UPDATE lhc_xmppchat_outbox SET state = 0, next_at = 0');
        $this->send();
        self::assertSame("msg-{$refused->id}", self::$service->requests()[3]['id'], 'a person sends it again');
        self::assertSame([], $this->outbox());
    }

    public function testAnIdThatIsUsedForAnotherRequestWasCarriedOut(): void
    {
        $this->view($this->visitor());
        self::$service->behave(['answers' => ['#page-views#' => ['status' => 422, 'body' => ['code' => 'reused']]]]);
        self::assertTrue($this->send());
        self::assertSame([], $this->outbox());
    }

    public function testABatchThatTheServiceCannotTakeIsTakenApart(): void
    {
        $this->view($this->visitor());
        $this->view($this->visitor());
        self::$service->behave(['status' => 400]);
        $this->send();
        self::assertSame([Outbox::FAILED, Outbox::FAILED], array_map('intval', array_column($this->outbox(), 'state')));
        self::assertSame([2, 1, 1], array_map(fn (array $call): int => count($call['body']['requests']), self::$service->calls()));
    }

    public function testThereIsOneSenderAndNoRowIsLeftBehind(): void
    {
        self::$service->behave(['delayMs' => 700]);
        $this->view($this->visitor());
        $other = $this->secondProcess(<<<'PHP'
            say((new XmppChat\Lhc\Extension())->sender()->drain(XmppChat\Lhc\Outgoing\Pace::cron()) ? 'all' : 'not all');
            PHP);
        self::$service->waitForCalls(1);
        $this->view($this->visitor());
        self::assertFalse($this->extension->sender()->drain(Pace::web()), 'the other one is at work');
        self::assertSame("all\n", $other->finish());
        self::assertSame([], $this->outbox());
        self::assertCount(2, self::$service->requests());
    }

    public function testARowThatComesWhileSomebodySendsIsSentWheneverItComes(): void
    {
        $other = Connection::another();
        $rows = 0;
        for ($at = 1, $calls = 1; $calls >= $at; $at++) {
            $this->view($this->visitor());
            $calls = 0;
            // Each statement of the sender asks for the connection: just before one of them, another worker inserts a row.
            $database = new Database(function () use (&$calls, &$rows, $at, $other): PDO {
                $isHeld = ++$calls === $at && $other->query("SELECT IS_USED_LOCK(CONCAT('xmppchat.', DATABASE()))")->fetchColumn() !== null;
                if ($isHeld) {
                    $rows++;
                    $other->query("INSERT INTO lhc_xmppchat_outbox (created_at, kind, visitor, payload) VALUES (1, 'view', 'x', '{\"page\":\"//x\"}')");
                }
                return ezcDbInstance::get();
            });
            (new Extension(new Clock(), $database))->sender()->drain(Pace::cron());
            self::assertSame([], $this->outbox(), "inserted before statement {$at}");
        }
        self::assertGreaterThan(5, $rows);
    }

    public function testASenderThatIsKilledLeavesNoLockAndNothingIsLost(): void
    {
        self::$service->behave(['delayMs' => 1_000]);
        $chat = $this->chat($this->visitor());
        $this->message($chat, 'Hello');
        $this->dispatch('chat.chat_started', ['chat' => &$chat]);
        $other = $this->secondProcess('(new XmppChat\Lhc\Extension())->sender()->drain(XmppChat\Lhc\Outgoing\Pace::cron());');
        self::$service->waitForCalls(1);
        $other->kill();
        self::$service->behave([]);
        $end = microtime(true) + 20;
        while (!$this->send() && microtime(true) < $end) {
            usleep(20_000);
        }
        self::assertSame([], $this->outbox());
        [$first, $second] = self::$service->requests();
        self::assertSame($first, $second, 'the same request with the same id');
    }

    public function testAnotherConnectionsTransactionIsNotSent(): void
    {
        $other = Connection::another();
        $other->beginTransaction();
        $other->query("INSERT INTO lhc_xmppchat_outbox (created_at, kind, visitor) VALUES (1, 'view', '1')");
        $this->view($this->visitor());
        self::assertTrue($this->send());
        $other->commit();
        self::assertCount(1, $this->outbox(), 'it appears with a lower id, and is not overlooked');
        $this->send();
        self::assertSame([], $this->outbox());
    }

    public function testALargeOutboxGoesInBatchesWithinTheBounds(): void
    {
        $visitor = $this->visitor(['page_title' => str_repeat('ü', 250)]);
        for ($i = 0; $i < 240; $i++) {
            $this->view($visitor, '//' . str_repeat('p', 3_000) . $i);
        }
        self::assertFalse($this->extension->sender()->drain(Pace::web()), 'the rest is for another worker, or for cron');
        self::assertCount(2, self::$service->calls());
        self::assertTrue($this->send());
        foreach (self::$service->calls() as $call) {
            self::assertLessThanOrEqual(100, count($call['body']['requests']));
            self::assertLessThanOrEqual(262_144, (int) $call['headers']['content-length']);
        }
        self::assertSame(240, count(array_unique(array_column(self::$service->requests(), 'id'))));
    }

    public function testTheOutboxIsBoundedAndPageViewsGoFirst(): void
    {
        $chat = $this->knownChat();
        $this->message($chat, 'Hello?');
        $this->dispatch('chat.before_msg_user_saved', ['chat' => &$chat]);
        $this->dispatch('chat.before_msg_user_saved', ['chat' => &$chat]);
        $this->dispatch('chat.messages_read', ['chat' => &$chat]);
        $this->dispatch('chat.messages_read', ['chat' => &$chat]);
        $this->view($this->visitor(), '//first');
        for ($rows = 1; $rows < Outbox::ROWS_MAX + 10; $rows *= 2) {
            $this->database->run("INSERT INTO lhc_xmppchat_outbox (created_at, kind, visitor, payload) SELECT created_at, kind, visitor, payload FROM lhc_xmppchat_outbox WHERE kind = 'view'");
        }
        while ($this->extension->outbox()->trim() > 0) {
        }
        self::assertSame(Outbox::ROWS_MAX, $this->extension->outbox()->count(Outbox::PENDING));
        foreach (['chat', 'shown'] as $kind) {
            self::assertSame('1', (string) $this->database->value("SELECT COUNT(*) FROM lhc_xmppchat_outbox WHERE kind = ?", [$kind]), "one mark '{$kind}' of a chat is enough");
        }
    }

    /** Rows of listeners are in LHC's transactions. A sender that locks more than its own rows meets them there. */
    public function testASenderAndAnOpenTransactionOfLhcDoNotWaitForEachOther(): void
    {
        foreach (range(1, 9) as $page) {
            $this->view($this->visitor());
        }
        $ids = array_map('intval', array_column($this->outbox(), 'id'));
        $page = Connection::another();
        $insert = "INSERT INTO lhc_xmppchat_outbox (created_at, kind, visitor, chat_id) VALUES (1, 'chat', 'x', 1)";
        $outbox = $this->extension->outbox();
        foreach ([$page, ezcDbInstance::get()] as $connection) {
            $connection->exec('SET SESSION innodb_lock_wait_timeout = 1');
        }
        $page->beginTransaction();
        $page->exec($insert);
        try {
            $this->database->transaction(function () use ($page, $insert, $outbox, $ids): void {
                $outbox->remove(array_slice($ids, 0, 7));
                $outbox->later([$ids[7]], 1, 'busy');
                $outbox->fail([$ids[8]], 'refused');
                $page->exec($insert);
            });
            $page->commit();
        } finally {
            ezcDbInstance::get()->exec('SET SESSION innodb_lock_wait_timeout = DEFAULT');
        }
        self::assertSame(['busy', 'refused', '', ''], array_column($this->outbox(), 'error'));
    }

    public function testATransactionThatLhcLeftOpenIsLeftAlone(): void
    {
        $this->view($this->visitor());
        ezcDbInstance::get()->beginTransaction();
        self::assertFalse($this->send());
        ezcDbInstance::get()->rollback();
        self::assertSame([], self::$service->calls());
    }
}
