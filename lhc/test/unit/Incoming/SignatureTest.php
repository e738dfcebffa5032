<?php

declare(strict_types=1);

use XmppChat\Lhc\Extension;
use XmppChat\Lhc\Incoming\Request;
use XmppChat\Lhc\Incoming\Signature;
use XmppChat\Lhc\Test\CallbackTestCase;

/** Who may call, and what is no callback at all: the right status, and nothing changed. */
final class SignatureTest extends CallbackTestCase
{
    private const NOW_S = 1_700_000_000;

    public function testTakesTheExampleOfStandardWebhooks(): void
    {
        $key = (string) Signature::key('whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');
        $request = new Request(
            'POST',
            '{"test": 2432232314}',
            'msg_p5jXN8AQM9LWM0D4loKWxJek',
            '1614265330',
            'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
        );
        self::assertNull(Signature::problem($key, $request, 1_614_265_330));
    }

    public function testASecretIsPrefixAndStrictBase64OfEnoughBytes(): void
    {
        $secret = base64_encode(self::KEY);
        self::assertSame(self::KEY, Signature::key("whsec_{$secret}"));
        foreach ([$secret, "whsec_{$secret}!", 'whsec_' . base64_encode('short'), 'whsec_', '', "xwhsec_{$secret}"] as $bad) {
            self::assertNull(Signature::key($bad), $bad);
        }
    }

    public function testAnyOfSeveralSignaturesWillDo(): void
    {
        $request = $this->sealed('{}', 'id', self::NOW_S);
        $with = fn (string $signatures): Request => new Request('POST', $request->body, $request->id, $request->timestamp, $signatures);
        self::assertNull(Signature::problem(self::KEY, $with("v1,AAAA {$request->signatures}"), self::NOW_S));
        self::assertNull(Signature::problem(self::KEY, $with("v1a,x {$request->signatures} v1,"), self::NOW_S));
        foreach (['', 'v1,', substr($request->signatures, 3), 'v2,' . substr($request->signatures, 3), str_replace('v1,', 'v1, ', $request->signatures)] as $bad) {
            self::assertNotNull(Signature::problem(self::KEY, $with($bad), self::NOW_S), $bad);
        }
        // Two headers that a server joins by a comma are no signature of ours.
        self::assertNotNull(Signature::problem(self::KEY, $with("v1,AAAA, {$request->signatures}, x"), self::NOW_S));
    }

    public function testTheClockMayBeFiveMinutesOff(): void
    {
        foreach ([-300, 0, 300] as $off) {
            self::assertNull(Signature::problem(self::KEY, $this->sealed('{}', 'id', self::NOW_S + $off), self::NOW_S), (string) $off);
        }
        foreach ([-301, 301, -86_400] as $off) {
            self::assertStringContainsString('off', (string) Signature::problem(self::KEY, $this->sealed('{}', 'id', self::NOW_S + $off), self::NOW_S));
        }
    }

    public function testRefusesHeadersOfAnotherForm(): void
    {
        $key = self::KEY;
        foreach ([['', '1'], ["a\nb", '1'], [str_repeat('x', 192), '1'], ['id', ''], ['id', '1.5'], ['id', '-1'], ['id', "1\n"], ['id', '1, 1']] as [$id, $timestamp]) {
            $signature = 'v1,' . base64_encode(hash_hmac('sha256', "{$id}.{$timestamp}.{}", $key, true));
            self::assertNotNull(Signature::problem($key, new Request('POST', '{}', $id, $timestamp, $signature), 1));
        }
    }

    public function testEachByteOfTheBodyCounts(): void
    {
        $request = $this->signed('chat.message', $this->about(['message' => ['id' => 'm', 'body' => 'x']]));
        $before = $this->everything();
        $spaced = new Request('POST', "{$request->body} ", $request->id, $request->timestamp, $request->signatures);
        self::assertSame(401, $this->receive($spaced)->status);
        self::assertSame($before, $this->everything());
    }

    /** @dataProvider hostile */
    public function testWhatIsNoCallbackChangesNothing(int $status, string $says, Closure $request): void
    {
        $before = $this->everything();
        $answer = $this->receive(Closure::bind($request, $this, self::class)());
        self::assertSame($status, $answer->status, $answer->json());
        self::assertStringContainsString($says, $answer->json());
        self::assertSame($before, $this->everything());
        self::assertSame([], $this->rowsOf('lhc_xmppchat_webhook'));
    }

    /** @return iterable<string, array{int, string, Closure}> */
    public function hostile(): iterable
    {
        $envelope = static fn (array $over): array => $over + [
            'id' => 'id', 'type' => 'chat.message', 'tenant' => self::TENANT, 'at' => '2026-01-01T00:00:00Z', 'data' => new stdClass(),
        ];
        yield 'by GET' => [405, 'POST', fn (): Request => new Request('GET', '')];
        yield 'a wrong signature' => [401, 'webhook-signature', fn (): Request => new Request('POST', '{}', 'id', (string) time(), 'v1,AAAA')];
        yield 'an old timestamp' => [401, 'webhook-timestamp', fn (): Request => $this->sealed('{}', 'id', time() - 400)];
        yield 'a megabyte' => [413, '262144', fn (): Request => $this->sealed(str_repeat('x', 1 << 20), 'id')];
        yield 'gzip' => [400, 'Content-Encoding', function (): Request {
            $request = $this->sealed((string) gzencode('{}'), 'id');
            return new Request('POST', $request->body, $request->id, $request->timestamp, $request->signatures, 'gzip');
        }];
        yield 'no body, as PHP gives it for multipart' => [400, 'body: is empty', fn (): Request => $this->sealed('', 'id')];
        foreach (['{', 'null', '"x"', '[]', '[1]', str_repeat('[', 50), "{\"id\":\"\xff\"}"] as $body) {
            yield "the body {$body}" => [400, ':', fn (): Request => $this->sealed($body, 'id')];
        }
        $wrong = [
            'id' => ['other', 1, null, ''],
            'type' => [1, null, '', [], str_repeat('x', 65)],
            'tenant' => ['boots', 1, null],
            'at' => ['yesterday at noon or so', 1, null],
            'data' => [1, 'x', null, [1]],
        ];
        foreach ($wrong as $field => $values) {
            foreach ($values as $value) {
                $body = json_encode($envelope([$field => $value]), JSON_THROW_ON_ERROR);
                yield "{$field} " . json_encode($value) => [400, $field, fn (): Request => $this->sealed($body, 'id')];
            }
        }
    }

    public function testUnknownTypesAndThePingAreAccepted(): void
    {
        $before = $this->everything();
        foreach (['visitor.timed_out', 'visitor.failed', 'chat.newer', 'x'] as $type) {
            self::assertSame([200, ['outcome' => 'accepted']], [$this->comes($type, [])->status, $this->comes($type, [])->body]);
        }
        self::assertSame($before, $this->everything());
        self::assertSame([], $this->rowsOf('lhc_xmppchat_webhook'));
        // The connection test looks for each ping, however soon it comes after another callback.
        foreach ([1, 2] as $pings) {
            self::assertSame(200, $this->comes('doctor.ping', [])->status);
            self::assertSame(array_fill(0, $pings, 'doctor.ping'), array_column($this->rowsOf('lhc_xmppchat_webhook'), 'type'));
        }
    }

    public function testWithoutSettingsItSaysWhatIsMissing(): void
    {
        foreach ([['enabled' => false], ['tenant' => ''], ['callbackSecret' => ''], ['callbackSecret' => 'whsec_x']] as $settings) {
            $this->settings($settings + ['tenant' => self::TENANT, 'callbackSecret' => 'whsec_' . base64_encode(self::KEY)]);
            $answer = $this->comes('doctor.ping', []);
            self::assertSame(503, $answer->status);
            self::assertStringContainsString('not configured', $answer->json());
        }
    }

    public function testAValidCallbackClosesTheBreaker(): void
    {
        $link = Extension::instance()->link();
        $link->failed('the service hangs');
        $this->receive(new Request('POST', '{}', 'id', (string) time(), 'v1,AAAA'));
        self::assertTrue($link->state()->isOpen());
        $this->comes('doctor.ping', []);
        self::assertFalse($link->state()->isOpen());
        self::assertGreaterThan(0, $link->state()->heardAt);
    }
}
