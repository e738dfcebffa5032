<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Test;

/** A real HTTP server of its own process that answers as a test says: by method and path. For the API without the batch. */
final class ScriptedService
{
    private const DEADLINE_S = 20;

    public readonly int $port;
    private readonly string $folder;
    /** @var resource */
    private $process;

    public function __construct()
    {
        $this->folder = sys_get_temp_dir() . '/scripted-service-' . bin2hex(random_bytes(6));
        mkdir($this->folder);
        $probe = stream_socket_server('tcp://127.0.0.1:0');
        $this->port = (int) substr((string) strrchr((string) stream_socket_get_name($probe, false), ':'), 1);
        fclose($probe);
        $errors = ['file', $this->folder . '/errors', 'w'];
        $process = proc_open(
            [PHP_BINARY, '-S', "127.0.0.1:{$this->port}", __DIR__ . '/scripted-service.php'],
            [['file', '/dev/null', 'r'], $errors, $errors],
            $pipes,
            null,
            ['SCRIPTED_SERVICE' => $this->folder, 'PATH' => (string) getenv('PATH')],
        );
        $this->process = is_resource($process) ? $process : throw new \RuntimeException('no scripted service');
        $end = microtime(true) + self::DEADLINE_S;
        while (!($socket = @fsockopen('127.0.0.1', $this->port))) {
            if (microtime(true) > $end) {
                throw new \RuntimeException('the scripted service does not start: ' . file_get_contents($this->folder . '/errors'));
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

    /**
     * Forgets what came, and answers like this from now on.
     *
     * @param array<string, array{0: int, 1?: mixed, 2?: array<string, string>}> $answers by `METHOD /path` without the
     *        query: status, JSON or text, headers. What is not named is answered with 404.
     */
    public function answer(array $answers): void
    {
        file_put_contents($this->folder . '/answers', json_encode($answers, JSON_THROW_ON_ERROR));
        @unlink($this->folder . '/calls');
    }

    /** @return list<array{call: string, query: string, token: string, body: mixed}> requests as they came */
    public function calls(): array
    {
        $lines = is_file($this->folder . '/calls') ? file($this->folder . '/calls', FILE_IGNORE_NEW_LINES) : [];
        return array_map(static fn (string $line): array => json_decode($line, true, 64, JSON_THROW_ON_ERROR), $lines);
    }

    /** @return list<string> their methods and paths */
    public function asked(): array
    {
        return array_column($this->calls(), 'call');
    }
}
