<?php

declare(strict_types=1);

use XmppChat\Lhc\Admin\StatusPage;
use XmppChat\Lhc\Extension;
use XmppChat\Lhc\Outgoing\Outbox;
use XmppChat\Lhc\Structure;
use XmppChat\Lhc\Test\Office;

/** The page "XMPP chat": the service's lists, the outbox, and what is shown while the service is away. */
final class StatusPageTest extends Office
{
    private const EMPTY = [200, ['items' => [], 'next' => null]];

    protected function setUp(): void
    {
        parent::setUp();
        $this->signIn('use', 'configure');
    }

    private function page(): StatusPage
    {
        return new StatusPage($this->extension);
    }

    private function failed(string $error = '400: page: is required'): int
    {
        $id = $this->extension->outbox()->add(Outbox::VIEW, '42', null, ['page' => 'https://shop.example/secret-page']);
        $this->extension->outbox()->fail([$id], $error);
        return $id;
    }

    public function testShowsWhatTheServiceSaysAndEscapesIt(): void
    {
        $evil = '"><script>alert(1)</script>';
        self::$service->answer([
            'GET /v1/shop/operators' => [200, ['items' => [[
                'username' => 'olga', 'name' => $evil, 'availability' => 'available', 'departments' => ['Sales', 'Support'],
                'sessions' => [['resource' => 'gajim', 'show' => 'chat', 'responsive' => false]], 'chats' => [['chatId' => '77', 'state' => 'open']],
            ], 'not a row'], 'next' => 'b/c+d=']],
            'GET /v1/shop/visitors' => [200, ['items' => [['key' => '42', 'nick' => $evil, 'page' => $evil, 'loggedIn' => true]], 'next' => null]],
            'GET /v1/shop/queue' => [200, ['items' => [['position' => 1, 'chatId' => '78', 'nick' => $evil, 'offered' => ['olga']]], 'next' => null]],
        ]);
        $html = $this->get($this->page(), ['operators' => StatusPage::encoded('a/b')]);
        self::assertStringNotContainsString('<script>', $html);
        foreach (['olga', 'Sales, Support', 'gajim (chat, does not answer)', '77', '78', '42'] as $text) {
            self::assertStringContainsString($text, $html);
        }
        self::assertStringContainsString('/(operators)/' . StatusPage::encoded('b/c+d='), $html);
        self::assertSame(['limit=50&cursor=a%2Fb', 'online=true&limit=50', 'limit=50'], array_column(self::$service->calls(), 'query'));
    }

    /** @return array<string, array{string}> */
    public function away(): array
    {
        return ['hanging' => ['hangs'], 'refusing' => ['refuses'], 'failing' => ['fails']];
    }

    /** @dataProvider away */
    public function testWithTheServiceAwayTheOutboxIsShown(string $how): void
    {
        $silent = stream_socket_server('tcp://127.0.0.1:0');
        match ($how) {
            'hangs' => $this->settings(['serviceUrl' => 'http://' . stream_socket_get_name($silent, false)]),
            'refuses' => $this->settings(['serviceUrl' => 'http://127.0.0.1:1']),
            'fails' => self::$service->answer(['GET /v1/shop/operators' => [503, ['detail' => 'the disk is full']]]),
        };
        $this->failed();
        $html = $this->get($this->page());
        self::assertStringContainsString('The service does not answer: ', self::alerts($html));
        self::assertStringContainsString('400: page: is required', $html);
        self::assertStringNotContainsString('secret-page', $html);
    }

    public function testWhileTheLinkIsInterruptedTheServiceIsNotAsked(): void
    {
        $this->extension->link()->failed('curl 28: too late');
        $html = $this->get($this->page());
        self::assertStringContainsString('cannot be reached: curl 28: too late', self::alerts($html));
        self::assertSame([], self::$service->calls());
    }

    public function testSendsAgainAndDropsOneOrAllThatFailed(): void
    {
        self::$service->answer(['GET /v1/shop/operators' => self::EMPTY, 'GET /v1/shop/visitors' => self::EMPTY, 'GET /v1/shop/queue' => self::EMPTY]);
        [$first, $second] = [$this->failed(), $this->failed()];
        self::assertStringContainsString('To be sent again: 1', self::alerts($this->post($this->page(), "again:{$first}")));
        self::assertSame([0, 1], array_map('intval', array_column($this->rowsOf('lhc_xmppchat_outbox'), 'state')));
        self::assertStringContainsString('Dropped: 1', self::alerts($this->post($this->page(), "drop:{$second}")));
        $this->failed();
        $this->post($this->page(), 'again:0');
        self::assertSame([0, 0], array_map('intval', array_column($this->rowsOf('lhc_xmppchat_outbox'), 'state')));
        $this->failed();
        $this->post($this->page(), 'drop:0');
        self::assertCount(2, $this->rowsOf('lhc_xmppchat_outbox'));
        foreach (['drop:', 'drop:1 OR 1=1', 'drop:-1', 'wipe:1', ''] as $action) {
            self::assertStringContainsString('Nothing was asked', self::alerts($this->post($this->page(), $action)));
        }
        self::assertCount(2, $this->rowsOf('lhc_xmppchat_outbox'));
    }

    public function testWithoutTheRightOrTheTokenNothingChanges(): void
    {
        $id = $this->failed();
        $this->post($this->page(), "drop:{$id}", ['csfr_token' => 'x']);
        $this->signIn('use');
        self::assertStringContainsString('not change it', self::alerts($this->post($this->page(), "drop:{$id}")));
        self::assertSame(403, http_response_code());
        self::assertStringNotContainsString('value="drop:', $this->get($this->page()));
        self::assertSame([1], array_map('intval', array_column($this->rowsOf('lhc_xmppchat_outbox'), 'state')));
    }

    public function testHasPages(): void
    {
        for ($i = 0; $i < 51; $i++) {
            $this->extension->outbox()->add(Outbox::VIEW, (string) $i, null, []);
        }
        self::assertSame(1, preg_match('~/\(pending\)/(\d+)"~', $this->get($this->page()), $found));
        self::assertSame(1, substr_count($this->get($this->page(), ['pending' => $found[1]]), 'value="again:'));
    }

    public function testWithoutTablesItSaysWhatToDo(): void
    {
        try {
            $this->database->run('DROP TABLE lhc_xmppchat_outbox');
            $this->extension = new Extension();
            self::assertStringContainsString('Install or update the tables', self::alerts($this->get($this->page())));
            self::assertStringContainsString('refused', self::alerts($this->post($this->page(), 'drop:1')));
        } finally {
            (new Structure($this->database))->update();
        }
    }
}
