<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Test;

/**
 * The service's side of the batch, as a real HTTP server of its own process. It carries out each request once by its id,
 * as the service does, and remembers what came.
 */
final class FakeService
{
    private const DEADLINE_S = 20;

    public readonly int $port;
    private readonly string $folder;
    /** @var resource */
    private $process;

    public function __construct()
    {
        $this->folder = sys_get_temp_dir() . '/fake-service-' . bin2hex(random_bytes(6));
        mkdir($this->folder);
        $probe = stream_socket_server('tcp://127.0.0.1:0');
        $this->port = (int) substr((string) strrchr((string) stream_socket_get_name($probe, false), ':'), 1);
        fclose($probe);
        $errors = ['file', $this->folder . '/errors', 'w'];
        $process = proc_open(
            [PHP_BINARY, '-S', "127.0.0.1:{$this->port}", __DIR__ . '/fake-service.php'],
            [['file', '/dev/null', 'r'], $errors, $errors],
            $pipes,
            null,
            ['FAKE_SERVICE' => $this->folder, 'PATH' => (string) getenv('PATH')],
        );
        $this->process = is_resource($process) ? $process : throw new \RuntimeException('no fake service');
        $end = microtime(true) + self::DEADLINE_S;
        while (!($socket = @fsockopen('127.0.0.1', $this->port))) {
            if (microtime(true) > $end) {
                throw new \RuntimeException('the fake service does not start: ' . file_get_contents($this->folder . '/errors'));
            }
            usleep(10_000);
        }
        fclose($socket);
    }

    public function __destruct()
    {
        proc_terminate($this->process, SIGKILL);
        proc_close($this->process);
        array_map('unlink', (array) glob($this->folder . '/*'));
        rmdir($this->folder);
    }

    public function url(): string
    {
        return "http://127.0.0.1:{$this->port}";
    }

    /** As new: nothing came, everything is taken. */
    public function reset(): void
    {
        array_map('unlink', (array) glob($this->folder . '/{requests,mode,done}', GLOB_BRACE));
    }

    /**
     * @param array<string, mixed> $mode delayMs; status of the batch as a whole; answers: by a pattern of "path id", `{status, body}`
     */
    public function behave(array $mode): void
    {
        file_put_contents($this->folder . '/mode', json_encode($mode, JSON_THROW_ON_ERROR));
    }

    /** @return list<array{path: string, headers: array<string, string>, body: mixed}> HTTP requests as they came */
    public function calls(): array
    {
        $lines = is_file($this->folder . '/requests') ? file($this->folder . '/requests', FILE_IGNORE_NEW_LINES) : [];
        return array_map(static fn (string $line): array => json_decode($line, true, 64, JSON_THROW_ON_ERROR), $lines);
    }

    /** @return list<array<string, mixed>> requests of all batches, repeats too */
    public function requests(): array
    {
        $batches = array_filter($this->calls(), static fn (array $call): bool => str_ends_with($call['path'], '/batch'));
        return array_merge(...array_map(static fn (array $call): array => $call['body']['requests'], array_values($batches)), ...[[]]);
    }

    /** @return list<string> what came, a line each: path below the visitor, and what is said */
    public function told(): array
    {
        return array_map(static function (array $request): string {
            $path = preg_replace('#^visitors/[^/]+/#', '', $request['path']);
            $said = $request['body']['body'] ?? $request['body']['message']['body'] ?? $request['body']['by']
                ?? $request['body']['department'] ?? $request['body']['messageId'] ?? $request['body']['page'] ?? '';
            $who = $request['body']['lhcUserId'] ?? '';
            $accepted = isset($request['body']['accepted']) ? ($request['body']['accepted'] ? ' has it' : ' is asked') : '';
            return rtrim("{$path} {$said}") . ($who === '' ? '' : " ({$who}{$accepted})");
        }, $this->requests());
    }

    /** Waits until so many HTTP requests have come. */
    public function waitForCalls(int $count): void
    {
        $end = microtime(true) + self::DEADLINE_S;
        while (count($this->calls()) < $count) {
            if (microtime(true) > $end) {
                throw new \RuntimeException("waited for {$count} requests");
            }
            usleep(5_000);
        }
    }
}
