<?php

declare(strict_types=1);

use XmppChat\Lhc\Incoming\Request;
use XmppChat\Lhc\Test\CallbackTestCase;

/** The view itself, over HTTP. */
final class EndpointTest extends CallbackTestCase
{
    private const START_DEADLINE_S = 30;

    /** @var resource|null one server for all tests of this class */
    private static $server = null;
    private static string $address = '';

    protected function setUp(): void
    {
        parent::setUp();
        self::$server ??= self::start();
    }

    public static function tearDownAfterClass(): void
    {
        if (is_resource(self::$server)) {
            proc_terminate(self::$server, SIGKILL);
            proc_close(self::$server);
        }
        self::$server = null;
    }

    public function testACallbackIsDoneAndAnsweredInJsonWithoutASession(): void
    {
        $request = $this->signed('chat.message', $this->about(['message' => ['id' => 'm1', 'body' => 'Hello 👟']]));
        foreach (['first', 'repeat'] as $time) {
            $answer = $this->post($request);
            self::assertSame([200, '{"outcome":"accepted"}'], [$answer['status'], $answer['body']], $time);
            self::assertStringContainsString('application/json', $answer['headers']);
            self::assertStringNotContainsStringIgnoringCase('set-cookie', $answer['headers']);
        }
        self::assertSame(1, count(array_keys($this->texts(), "{$this->olga->id}: Hello 👟", true)));
    }

    public function testABodyOfAMegabyteIsTooLarge(): void
    {
        self::assertSame(413, $this->post($this->sealed(str_repeat('x', 1 << 20), 'id'))['status']);
    }

    public function testTheLongestMessageOfTheServiceIsTaken(): void
    {
        // 64 KiB of what JSON doubles.
        $request = $this->signed('chat.message', $this->about(['message' => ['id' => 'm1', 'body' => str_repeat('"', 65_536)]]));
        self::assertGreaterThan(2 * 65_536, strlen($request->body));
        $answer = $this->post($request);
        self::assertSame(200, $answer['status'], $answer['body']);
        self::assertSame(65_536, (int) $this->database->value('SELECT MAX(CHAR_LENGTH(msg)) FROM lh_msg'));
    }

    public function testAMultipartBodyIsNotThere(): void
    {
        $form = "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--b--\r\n";
        $request = $this->sealed('', 'id');
        $answer = $this->post(new Request('POST', $form, 'id', $request->timestamp, $request->signatures), ['Content-Type: multipart/form-data; boundary=b']);
        self::assertSame(400, $answer['status']);
        self::assertStringContainsString('application/json', $answer['body']);
    }

    public function testFormsAndOtherTypesAreRawBytesLikeJson(): void
    {
        $request = $this->signed('doctor.ping', []);
        self::assertSame(200, $this->post($request, ['Content-Type: application/x-www-form-urlencoded'])['status']);
        self::assertSame(200, $this->post($request, ['Content-Type: text/plain', 'Transfer-Encoding: chunked'])['status']);
    }

    public function testCompressedBytesAreRefused(): void
    {
        $answer = $this->post($this->sealed((string) gzencode('{}'), 'id'), ['Content-Encoding: gzip']);
        self::assertSame(400, $answer['status']);
    }

    public function testAHeaderThatComesTwiceIsNoSignature(): void
    {
        $request = $this->signed('doctor.ping', []);
        foreach (["webhook-id: {$request->id}", 'webhook-timestamp: ' . time()] as $twice) {
            self::assertSame(401, $this->post($request, [$twice])['status'], $twice);
        }
    }

    public function testOnlyByPost(): void
    {
        $answer = self::http([CURLOPT_HTTPGET => true]);
        self::assertSame(405, $answer['status']);
        self::assertStringContainsString('Allow: POST', $answer['headers']);
    }

    public function testARequestThatDiesIsNoYes(): void
    {
        $request = $this->signed('chat.message', $this->about(['message' => ['id' => 'm1', 'body' => 'Hello']]));
        $before = $this->texts();
        $answer = $this->post($request, ['Content-Type: application/json', 'X-Dies: yes']);
        self::assertSame([500, ''], [$answer['status'], $answer['body']]);
        self::assertSame($before, $this->texts());
        self::assertSame(200, $this->post($request)['status']);
    }

    public function testWithoutTablesItSaysSo(): void
    {
        $this->database->run('RENAME TABLE lhc_xmppchat_setting TO lhc_xmppchat_away');
        try {
            $answer = $this->post($this->signed('doctor.ping', []));
        } finally {
            $this->database->run('RENAME TABLE lhc_xmppchat_away TO lhc_xmppchat_setting');
        }
        self::assertSame(503, $answer['status']);
        self::assertStringContainsString('not installed', $answer['body']);
        self::assertStringNotContainsString('SQLSTATE', $answer['body']);
    }

    /**
     * @param list<string> $headers besides those of the request
     * @return array{status: int, headers: string, body: string}
     */
    private function post(Request $request, array $headers = []): array
    {
        return self::http([
            CURLOPT_POST => true,
            CURLOPT_POSTFIELDS => $request->body,
            CURLOPT_HTTPHEADER => [
                "webhook-id: {$request->id}",
                "webhook-timestamp: {$request->timestamp}",
                "webhook-signature: {$request->signatures}",
                'Expect:',
                ...($headers === [] ? ['Content-Type: application/json'] : $headers),
            ],
        ]);
    }

    /** @return array{status: int, headers: string, body: string} */
    private static function http(array $options): array
    {
        $curl = curl_init(self::$address);
        curl_setopt_array($curl, $options + [CURLOPT_RETURNTRANSFER => true, CURLOPT_HEADER => true, CURLOPT_TIMEOUT => 30]);
        $text = (string) curl_exec($curl);
        $size = curl_getinfo($curl, CURLINFO_HEADER_SIZE);
        return ['status' => curl_getinfo($curl, CURLINFO_RESPONSE_CODE), 'headers' => substr($text, 0, $size), 'body' => substr($text, $size)];
    }

    /** @return resource */
    private static function start()
    {
        // Port 0 would be chosen by the system and told to nobody.
        $free = stream_socket_server('tcp://127.0.0.1:0');
        $name = stream_socket_get_name($free, false);
        fclose($free);
        self::$address = "http://{$name}/xmppchat/callback";
        $server = proc_open(
            // LHC has displayed errors off; a php.ini may have them on.
            [PHP_BINARY, '-d', 'display_errors=stderr', '-S', $name, dirname(__DIR__, 2) . '/callback.php'],
            [['file', '/dev/null', 'r'], ['file', '/dev/null', 'w'], ['file', '/dev/null', 'w']],
            $pipes,
        );
        $end = microtime(true) + self::START_DEADLINE_S;
        while (self::http([CURLOPT_HTTPGET => true])['status'] === 0) {
            microtime(true) < $end || throw new RuntimeException("PHP's web server does not answer at {$name}");
            usleep(50_000);
        }
        return $server;
    }
}
