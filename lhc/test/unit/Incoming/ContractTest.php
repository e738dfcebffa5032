<?php

declare(strict_types=1);

use XmppChat\Lhc\Test\CallbackTestCase;

/** The extension takes what the service sends: an example of each callback, made of the service's own types. */
final class ContractTest extends CallbackTestCase
{
    /** @dataProvider callbacks */
    public function testTakes(string $type, array $data): void
    {
        $places = [
            '{visitor}' => (string) $this->anna->id,
            '{chat}' => (string) $this->chat->id,
            '{username}' => (string) $this->olga->username,
            '{department}' => (string) $this->sales->name,
            '{message}' => 'lhc-' . $this->chat->last_msg_id,
        ];
        array_walk_recursive($data, function (mixed &$value, string|int $name) use ($places): void {
            $value = $name === 'lhcUserId' && $value !== null ? (int) $this->olga->id : $places[$value] ?? $value;
        });
        $answer = $this->comes($type, $data);
        self::assertSame(200, $answer->status, $answer->json());
        self::assertSame('accepted', $answer->body['outcome'], $answer->json());
    }

    /** @return iterable<string, array{string, array<string, mixed>}> */
    public static function callbacks(): iterable
    {
        $file = dirname(__DIR__, 2) . '/fixtures/callbacks.json';
        foreach (json_decode((string) file_get_contents($file), true, 16, JSON_THROW_ON_ERROR) as $at => ['type' => $type, 'data' => $data]) {
            yield "{$type}, example {$at}" => [$type, $data];
        }
    }
}
