<?php

declare(strict_types=1);

use XmppChat\Lhc\Admin\EmbedCode;
use XmppChat\Lhc\Admin\Finding;
use XmppChat\Lhc\Admin\LocalChecks;
use XmppChat\Lhc\Admin\PageFetch;
use XmppChat\Lhc\Admin\ServiceChecks;
use XmppChat\Lhc\Admin\TestPage;
use XmppChat\Lhc\Test\Office;

/** The connection test: each thing that can be wrong has its own finding, with what to do. */
final class ConnectionTestTest extends Office
{
    private const READY = [200, ['status' => 'ready', 'version' => '9.8.7', 'checks' => ['ejabberd' => ['ok' => true]]]];
    private const PING = ['status' => 'ok', 'message' => 'LHC takes callbacks, in 12 ms', 'httpStatus' => 200, 'tookMs' => 12];
    private const CALLBACKS = ['flavour' => 'native', 'signed' => true, 'state' => 'ok', 'reason' => null];

    /** @return array<string, Finding> by code */
    private function asked(int $timeoutMs = 5_000): array
    {
        $checks = new ServiceChecks($this->extension->settings(), $this->extension->service(), $this->database, $this->extension->clock(), $timeoutMs);
        return self::byCode($checks->run());
    }

    /**
     * @param list<Finding> $findings
     * @return array<string, Finding>
     */
    private static function byCode(array $findings): array
    {
        foreach ($findings as $finding) {
            $needsAdvice = in_array($finding->status, [Finding::PROBLEM, Finding::WARNING], true);
            self::assertSame($needsAdvice, $finding->advice !== '', "advice of {$finding->code}");
        }
        return array_combine(array_map(fn (Finding $each): string => $each->code, $findings), $findings);
    }

    /**
     * @param array<string, mixed> $ping what the service says of its own test
     * @param array<string, mixed> $tenant what it says of the tenant
     */
    private function servicesAnswers(array $ping = self::PING, array $tenant = []): void
    {
        self::$service->answer([
            'GET /readyz' => self::READY,
            'GET /v1/shop' => [200, $tenant + ['host' => 'chat.example', 'time' => time() * 1_000, 'state' => 'active', 'callbacks' => self::CALLBACKS]],
            'POST /v1/shop/callback-test' => [200, $ping],
        ]);
    }

    /** A ping arrives while the test runs: here, just before. */
    private function aPingArrives(): void
    {
        $this->database->run("INSERT INTO lhc_xmppchat_webhook (webhook_id, type, at, answer) VALUES ('w1', 'doctor.ping', ?, '')", [time() * 1_000 + 60_000]);
    }

    public function testAllIsWell(): void
    {
        $this->servicesAnswers();
        $this->aPingArrives();
        $findings = $this->asked();
        self::assertSame(['address', 'service', 'key', 'clock', 'callback'], array_keys($findings));
        self::assertStringContainsString('accounts at chat.example', $findings['key']->text);
        self::assertSame(['ok'], array_values(array_unique(array_map(fn (Finding $each): string => $each->status, $findings))));
        self::assertStringContainsString('9.8.7', $findings['service']->text);
        self::assertSame(['', 'key-of-the-tests-0123', 'key-of-the-tests-0123'], array_column(self::$service->calls(), 'token'));
    }

    /** @return array<string, array{string, string}> */
    public function unreachable(): array
    {
        return [
            'malformed' => ['xmpp-chat', 'address'],
            'no such name' => ['http://no-such-host.invalid', 'dns'],
            'refused' => ['http://127.0.0.1:1', 'refused'],
        ];
    }

    /** @dataProvider unreachable */
    public function testAnAddressThatIsWrong(string $url, string $code): void
    {
        $this->settings(['serviceUrl' => $url]);
        self::assertSame(Finding::PROBLEM, $this->asked()[$code]->status);
    }

    public function testTls(): void
    {
        $this->settings(['serviceUrl' => str_replace('http:', 'https:', self::$service->url())]);
        self::assertSame(Finding::PROBLEM, $this->asked()['tls']->status);
    }

    public function testAServiceThatHangs(): void
    {
        $silent = stream_socket_server('tcp://127.0.0.1:0');
        $this->settings(['serviceUrl' => 'http://' . stream_socket_get_name($silent, false)]);
        self::assertSame(Finding::PROBLEM, $this->asked(100)['timeout']->status);
    }

    public function testPlainHttpOverTheNetworkIsSaid(): void
    {
        $this->settings(['serviceUrl' => 'http://no-such-host.invalid']);
        self::assertSame(Finding::WARNING, $this->asked()['plain-http']->status);
    }

    public function testAnotherProgram(): void
    {
        self::$service->answer(['GET /readyz' => [200, '<html>It works!</html>']]);
        self::assertSame(Finding::PROBLEM, $this->asked()['not-xmpp-chat']->status);
    }

    public function testAServiceThatIsNotReady(): void
    {
        $this->servicesAnswers();
        self::$service->answer(['GET /readyz' => [503, ['status' => 'not-ready', 'version' => '1', 'checks' => ['ejabberd' => ['ok' => false], 'disk' => ['ok' => true]]]]]);
        $finding = $this->asked()['not-ready'];
        self::assertSame(Finding::WARNING, $finding->status);
        self::assertStringContainsString('not ready: ejabberd', $finding->text);
    }

    /** @return array<string, array{array<string, string>, array{int, array<string, string>}, string}> */
    public function keys(): array
    {
        return [
            'wrong key or tenant' => [[], [401, ['detail' => 'this key is not valid here']], 'key'],
            'no key' => [['apiKey' => ''], [200, []], 'key'],
            'tenant in removal' => [[], [200, ['state' => 'removing']], 'tenant'],
            'a defect' => [[], [500, []], 'service'],
        ];
    }

    /**
     * @dataProvider keys
     * @param array<string, string> $settings
     * @param array{int, array<string, string>} $answer
     */
    public function testTheKey(array $settings, array $answer, string $code): void
    {
        $this->settings($settings);
        self::$service->answer(['GET /readyz' => self::READY, 'GET /v1/shop' => $answer]);
        self::assertSame(Finding::PROBLEM, $this->asked()[$code]->status);
        self::assertNotContains('POST /v1/shop/callback-test', self::$service->asked());
    }

    /** @return array<string, array{array<string, mixed>, string}> */
    public function pings(): array
    {
        return [
            'the secret' => [['status' => 'problem', 'httpStatus' => 401, 'message' => 'LHC answered 401'], 'secret'],
            'another page' => [['status' => 'problem', 'httpStatus' => 404, 'message' => 'LHC answered 404'], 'callback-address'],
            'a redirect' => [['status' => 'problem', 'httpStatus' => 302, 'message' => 'LHC answered 302'], 'callback-address'],
            'no way' => [['status' => 'problem', 'httpStatus' => null, 'message' => 'LHC does not answer: ECONNREFUSED'], 'callback'],
            'another LHC' => [[], 'callback-elsewhere'],
        ];
    }

    /**
     * @dataProvider pings
     * @param array<string, mixed> $ping
     */
    public function testTheCallbacks(array $ping, string $code): void
    {
        $this->servicesAnswers($ping + self::PING);
        self::assertSame(Finding::PROBLEM, $this->asked()[$code]->status);
    }

    public function testACallbackThatWasHeardIsNoPing(): void
    {
        $this->servicesAnswers();
        $this->extension->link()->heard();
        self::assertSame(Finding::PROBLEM, $this->asked()['callback-elsewhere']->status);
    }

    public function testWhileItIsOffCallbacksAreNotTested(): void
    {
        $this->settings(['enabled' => false]);
        $this->servicesAnswers();
        self::assertSame(Finding::SKIPPED, $this->asked()['callback']->status);
        self::assertNotContains('POST /v1/shop/callback-test', self::$service->asked());
    }

    public function testAnAddressThatSpeaksNoHttp(): void
    {
        $other = stream_socket_server('tcp://127.0.0.1:0');
        $pid = pcntl_fork();
        if ($pid === 0) {
            $client = stream_socket_accept($other, 20);
            fwrite($client, "<?xml version='1.0'?><stream:stream>");
            usleep(200_000);
            posix_kill(getmypid(), SIGKILL);
        }
        $this->settings(['serviceUrl' => 'http://' . stream_socket_get_name($other, false)]);
        self::assertSame(Finding::PROBLEM, $this->asked(5_000)['connection']->status);
        pcntl_waitpid($pid, $status);
    }

    public function testASlowLhcAndCallbacksThatWait(): void
    {
        $this->servicesAnswers(
            ['status' => 'warning', 'message' => 'took 3000 ms', 'advice' => 'find out why'] + self::PING,
            ['callbacks' => ['state' => 'failing', 'reason' => 'LHC answered 500'] + self::CALLBACKS],
        );
        $this->aPingArrives();
        $findings = $this->asked();
        self::assertSame([Finding::WARNING, Finding::WARNING, Finding::OK], [$findings['callback-slow']->status, $findings['callbacks-wait']->status, $findings['callback']->status]);
        self::assertStringContainsString('LHC answered 500', $findings['callbacks-wait']->text);
    }

    public function testTheClocks(): void
    {
        foreach ([20 => Finding::OK, 100 => Finding::WARNING, 400 => Finding::PROBLEM, -400 => Finding::PROBLEM] as $seconds => $status) {
            $this->servicesAnswers(self::PING, ['time' => (time() + $seconds) * 1_000]);
            self::assertSame($status, $this->asked()['clock']->status, (string) $seconds);
        }
    }

    public function testATenantWithoutCallbacksOfThisForm(): void
    {
        foreach ([['state' => 'off'], ['signed' => false], ['flavour' => 'xmppservice']] as $callbacks) {
            $this->servicesAnswers(self::PING, ['callbacks' => $callbacks + self::CALLBACKS]);
            self::assertSame(Finding::PROBLEM, $this->asked()[isset($callbacks['state']) ? 'no-callbacks' : 'callback-form']->status);
            self::assertNotContains('POST /v1/shop/callback-test', self::$service->asked());
        }
    }

    public function testATestThatIsNotPossibleNow(): void
    {
        $this->servicesAnswers();
        self::$service->answer(['GET /readyz' => self::READY, 'GET /v1/shop' => [200, ['state' => 'active']], 'POST /v1/shop/callback-test' => [429, ['detail' => '5 tests in a row']]]);
        self::assertSame(Finding::WARNING, $this->asked()['callback-test']->status);
    }

    /** @return array<string, Finding> */
    private function local(): array
    {
        return self::byCode((new LocalChecks($this->database, $this->extension->link(), $this->extension->clock(), false))->run());
    }

    public function testCron(): void
    {
        self::assertSame(Finding::PROBLEM, $this->local()['cron']->status);
        $this->extension->link()->cronRan();
        self::assertSame(Finding::OK, $this->local()['cron']->status);
        $this->aheadMs = 600_000;
        self::assertSame(Finding::PROBLEM, $this->local()['cron']->status);
        self::assertStringContainsString('10 minutes', $this->local()['cron']->text);
    }

    public function testTheOutboxAndTheAccounts(): void
    {
        self::assertSame([Finding::OK, Finding::WARNING], [$this->local()['outbox']->status, $this->local()['accounts']->status]);
        $this->extension->outbox()->add('view', '7', null, []);
        $this->extension->outbox()->fail([$this->extension->outbox()->add('view', '7', null, [])], '400: page: is required');
        $this->extension->accountTable()->save(7, 'olga', 'active', '');
        $this->aheadMs = 400_000;
        $findings = $this->local();
        self::assertSame([Finding::WARNING, Finding::WARNING, Finding::OK], [$findings['outbox-old']->status, $findings['outbox-failed']->status, $findings['accounts']->status]);
    }

    /** @return array<string, array{array{0: int, 1?: mixed, 2?: array<string, string>}, string, string}> */
    public function pages(): array
    {
        return [
            'with it' => [[200, "<script>LHC_API.args = {mode:'widget',check_messages:true}</script>"], Finding::OK, 'looks for invitations'],
            'without it' => [[200, "<script>LHC_API.args = {mode:'widget'}</script>"], Finding::WARNING, 'lacks check_messages'],
            'switched off' => [[200, "<script>LHC_API.args = {check_messages:false}</script>"], Finding::WARNING, 'lacks check_messages'],
            'no widget' => [[200, '<p>Shoes</p>'], Finding::WARNING, 'no embed code'],
            'an error' => [[500, 'sorry'], Finding::WARNING, 'answered 500'],
            'a file' => [[302, '', ['Location' => 'file:///etc/passwd']], Finding::WARNING, 'it has to begin with'],
            'a circle' => [[302, '', ['Location' => '/shoes']], Finding::WARNING, 'redirects more than 3 times'],
        ];
    }

    /**
     * @dataProvider pages
     * @param array{0: int, 1?: mixed, 2?: array<string, string>} $answer
     */
    public function testTheEmbedCode(array $answer, string $status, string $text): void
    {
        self::$service->answer(['GET /shoes' => $answer]);
        $finding = (new EmbedCode(new PageFetch(false)))->check(self::$service->url() . '/shoes');
        self::assertSame($status, $finding->status);
        self::assertStringContainsString($text, $finding->text);
    }

    public function testAHugePageIsReadInPart(): void
    {
        self::$service->answer(['GET /shoes' => [200, 'LHC_API' . str_repeat('a', 3_000_000) . 'check_messages:true']]);
        self::assertStringContainsString('lacks', (new EmbedCode(new PageFetch(false)))->check(self::$service->url() . '/shoes')->text);
    }

    public function testACustomersSiteReadsNoPrivateAddress(): void
    {
        foreach ([self::$service->url(), 'http://localhost:' . self::$service->port, 'http://10.0.0.1/', 'http://169.254.169.254/', 'http://[::1]/', 'http://[::ffff:127.0.0.1]/', 'http://[64:ff9b::7f00:1]/', 'http://100.100.100.200/', 'http://198.18.0.1/', 'http://224.0.0.1/'] as $url) {
            self::assertSame('its host has no public address', (new PageFetch(true))->read($url)['error'], $url);
        }
        self::assertSame([], self::$service->calls());
    }

    public function testThePageOfAVisitorIsOnlyProposed(): void
    {
        $this->signIn('configure');
        $this->visitor(['current_page' => '//shop.example/"><script>alert(1)</script>']);
        $html = $this->get(new TestPage($this->extension));
        self::assertStringContainsString('https://shop.example/&quot;&gt;&lt;script&gt;', $html);
        self::assertStringNotContainsString('<script>alert', $html);
        $this->database->run("UPDATE lh_chat_online_user SET current_page = 'javascript:alert(1)'");
        self::assertSame('', EmbedCode::suggestion($this->database));
    }

    public function testThePageShowsAllStepsAndAsksNothingBeforeTheButton(): void
    {
        $this->signIn('configure');
        $this->servicesAnswers();
        $this->get(new TestPage($this->extension));
        self::assertSame([], self::$service->calls());
        $html = $this->post(new TestPage($this->extension), 'test', ['page' => '']);
        foreach (['tables', 'enabled', 'service', 'callback-elsewhere', 'cron', 'embed-code'] as $code) {
            self::assertStringContainsString("data-code=\"{$code}\"", $html);
        }
        $this->post(new TestPage($this->extension), 'test', ['csfr_token' => '']);
        self::assertCount(3, self::$service->calls());
    }

    /** Each finding is in the table of the documentation. */
    public function testTheDocumentationHasAllFindings(): void
    {
        $document = (string) file_get_contents(dirname(__DIR__, 4) . '/docs/lhc-extension.md');
        $source = implode('', array_map('file_get_contents', (array) glob(dirname(__DIR__, 3) . '/xmppchat/classes/Admin/*.php')));
        preg_match_all("/Finding::(?:warning|problem)\\(\\s*'([a-z-]+)'/", $source, $found);
        self::assertGreaterThan(15, count(array_unique($found[1])));
        foreach (array_unique($found[1]) as $code) {
            self::assertMatchesRegularExpression("/^\\| (?:`[a-z-]+`, )*`{$code}`/m", $document, $code);
        }
    }
}
