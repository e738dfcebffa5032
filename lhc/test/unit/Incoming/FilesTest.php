<?php

declare(strict_types=1);

use XmppChat\Lhc\Test\CallbackTestCase;
use XmppChat\Lhc\Test\FileServer;

/** Files of operators: LHC has them as its own if they are what the service has looked at. */
final class FilesTest extends CallbackTestCase
{
    private const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

    private static FileServer $server;
    private string $folder;
    private string $before;

    public static function setUpBeforeClass(): void
    {
        parent::setUpBeforeClass();
        self::$server = new FileServer();
    }

    protected function setUp(): void
    {
        parent::setUp();
        $this->before = (string) getcwd();
        $this->folder = sys_get_temp_dir() . '/lhc-files-' . bin2hex(random_bytes(6));
        mkdir($this->folder);
        // LHC writes below its own folder. A real one has to stay in it.
        (getenv('LHC_DIR') ?: '') === '' && chdir($this->folder);
        $this->rules('gif|jpe?g|png|pdf|txt', 100);
        $this->set(['status' => 1, 'user_id' => $this->olga->id]);
    }

    protected function tearDown(): void
    {
        chdir($this->before);
        exec('rm -rf ' . escapeshellarg($this->folder));
        parent::tearDown();
    }

    private function rules(string $types, int $kilobytes): void
    {
        $this->database->run("DELETE FROM lh_chat_config WHERE identifier = 'file_configuration'");
        $this->database->run(
            "INSERT INTO lh_chat_config (identifier, value, type, `explain`, hidden) VALUES ('file_configuration', ?, 0, '', 0)",
            [serialize(['ft_op' => $types, 'fs_max' => $kilobytes])],
        );
    }

    /** @return array<string, mixed> as the service describes it */
    private function file(string $name, string $bytes): array
    {
        return [
            'url' => self::$server->has($name, $bytes),
            'name' => $name,
            'type' => 'image/png',
            'size' => strlen($bytes),
            'sha256' => hash('sha256', $bytes),
        ];
    }

    /** @param list<array<string, mixed>> $files */
    private function sends(array $files, string $text = '', string $id = 'm1'): array
    {
        $body = $text !== '' ? $text : implode(' ', array_column($files, 'url'));
        $answer = $this->comes('chat.message', $this->about(['message' => ['id' => $id, 'body' => $body, 'files' => $files]]));
        return [$answer->status, (string) $this->database->value('SELECT msg FROM lh_msg ORDER BY id DESC LIMIT 1')];
    }

    public function testAPictureIsAFileOfLhcs(): void
    {
        $bytes = (string) base64_decode(self::PNG, true);
        $events = $this->events(['file.uploadfileadmin.file_path', 'file.uploadfileadmin.file_store'], function () use ($bytes): void {
            [$status, $text] = $this->sends([$this->file('photo.png', $bytes)]);
            [$row] = $this->rowsOf('lh_chat_file');
            $hash = md5("{$row['name']}_{$this->chat->id}");
            self::assertSame([200, "[file={$row['id']}_{$hash}_img]"], [$status, $text]);
            self::assertSame(
                ['photo.png', 'png', 'image/png', strlen($bytes), (int) $this->olga->id, (int) $this->chat->id, 1, 1],
                [$row['upload_name'], $row['extension'], $row['type'], (int) $row['size'], (int) $row['user_id'], (int) $row['chat_id'], (int) $row['width'], (int) $row['height']],
            );
            self::assertStringStartsWith('var/storage/', $row['file_path']);
            self::assertSame($bytes, file_get_contents($row['file_path'] . $row['name']));
        });
        self::assertSame(['file.uploadfileadmin.file_path', 'file.uploadfileadmin.file_store'], $events);
    }

    public function testWordsStayAroundFilesAndOthersThanPicturesAreDownloads(): void
    {
        $one = $this->file('a.txt', 'one');
        $two = $this->file('a.txt.pdf', '%PDF-two');
        [, $text] = $this->sends([$one, $two], "See {$one['url']} and {$two['url']}!");
        self::assertMatchesRegularExpression('/^See \[file=\d+_[0-9a-f]{32}\] and \[file=\d+_[0-9a-f]{32}\]!$/D', $text);
        self::assertEqualsCanonicalizing(['a.txt', 'a.txt.pdf'], array_column($this->rowsOf('lh_chat_file'), 'upload_name'));
    }

    /** @return iterable<string, array{callable(array<string, mixed>): array<string, mixed>}> */
    public static function others(): iterable
    {
        yield 'with other bytes' => [fn (array $file): array => ['sha256' => hash('sha256', 'other')] + $file];
        yield 'longer than it says' => [fn (array $file): array => ['size' => $file['size'] - 1] + $file];
        yield 'shorter than it says' => [fn (array $file): array => ['size' => $file['size'] + 1] + $file];
        yield 'that is gone' => [fn (array $file): array => ['url' => "{$file['url']}.gone"] + $file];
        yield 'that leads elsewhere' => [fn (array $file): array => ['url' => str_replace('/photo', '/to/photo', $file['url'])] + $file];
        yield 'of another scheme' => [fn (array $file): array => ['url' => 'file:///etc/hostname'] + $file];
        yield 'of a type that LHC does not take' => [fn (array $file): array => ['name' => 'photo.exe'] + $file];
        yield 'of a type that LHC does not know' => [fn (array $file): array => ['name' => 'photo.opus'] + $file];
        yield 'without a type' => [fn (array $file): array => ['name' => 'png'] + $file];
        yield 'larger than LHC takes' => [fn (array $file): array => ['size' => 102_401] + $file];
    }

    /** @dataProvider others */
    public function testAnyOtherFileStaysALink(callable $change): void
    {
        $file = $change($this->file('photo.png', (string) base64_decode(self::PNG, true)));
        self::assertSame([200, $file['url']], $this->sends([$file]));
        self::assertSame([], $this->rowsOf('lh_chat_file'));
    }

    public function testNothingStaysOfTheFilesOfARefusedMessage(): void
    {
        if ((getenv('LHC_DIR') ?: '') !== '') {
            self::markTestSkipped('LHC has rules of its own; the double keeps card numbers');
        }
        $file = $this->file('a.txt', 'one');
        $this->sends([$file]);
        self::assertCount(1, glob($this->folder . '/var/storage/*/*/*/*/*') ?: []);
        $this->database->run("INSERT INTO lh_chat_config (identifier, value, type, `explain`, hidden) VALUES ('guardrails_enabled', '1', 0, '', 0)");
        $this->sends([$file], "Pay with 4111 {$file['url']}", 'm2');
        self::assertCount(1, $this->rowsOf('lh_chat_file'));
        self::assertCount(1, glob($this->folder . '/var/storage/*/*/*/*/*') ?: []);
    }

    public function testARepeatIsNoSecondFile(): void
    {
        $file = $this->file('a.txt', 'one');
        $request = $this->signed('chat.message', $this->about(['message' => ['id' => 'm1', 'body' => $file['url'], 'files' => [$file]]]));
        self::assertSame($this->receive($request)->json(), $this->receive($request)->json());
        self::assertCount(1, $this->rowsOf('lh_chat_file'));
    }

    public function testWrongFilesAreNamed(): void
    {
        $wrong = fn (mixed $files): array => $this->comes('chat.message', $this->about(['message' => ['id' => 'm1', 'body' => 'x', 'files' => $files]]))->body;
        self::assertStringContainsString('data.message.files', json_encode($wrong('x')));
        self::assertStringContainsString('data.message.files', json_encode($wrong(array_fill(0, 11, ['url' => 'x']))));
        self::assertStringContainsString('data.message.files.size', json_encode($wrong([['url' => 'http://x/', 'name' => 'a.png', 'sha256' => 'x', 'size' => -1]])));
    }
}
