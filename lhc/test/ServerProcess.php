<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Test;

/** A real HTTP server of its own process, with a folder in which its router writes down what came. It ends with this object. */
abstract class ServerProcess
{
    protected const DEADLINE_S = 20;

    public readonly int $port;
    protected readonly string $folder;
    /** @var resource */
    private $process;

    /** @param string $router file in this folder; it finds its folder in the environment as SERVICE_FOLDER */
    protected function __construct(string $router)
    {
        $this->folder = sys_get_temp_dir() . '/service-' . bin2hex(random_bytes(6));
        mkdir($this->folder);
        // Port 0 would be chosen by the system and told to nobody.
        $probe = stream_socket_server('tcp://127.0.0.1:0');
        $this->port = (int) substr((string) strrchr((string) stream_socket_get_name($probe, false), ':'), 1);
        fclose($probe);
        $errors = ['file', $this->folder . '/errors', 'w'];
        $process = proc_open(
            [PHP_BINARY, '-S', "127.0.0.1:{$this->port}", __DIR__ . "/{$router}"],
            [['file', '/dev/null', 'r'], $errors, $errors],
            $pipes,
            null,
            ['SERVICE_FOLDER' => $this->folder, 'PATH' => (string) getenv('PATH')],
        );
        $this->process = is_resource($process) ? $process : throw new \RuntimeException("{$router} does not start");
        $end = microtime(true) + self::DEADLINE_S;
        // `@`: until it listens, each try is a warning.
        while (!($socket = @fsockopen('127.0.0.1', $this->port))) {
            if (microtime(true) > $end) {
                throw new \RuntimeException("{$router} does not start: " . file_get_contents($this->folder . '/errors'));
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

    /** @return list<array<string, mixed>> the lines of JSON that the router has written into this file; none if it is not there */
    protected function lines(string $file): array
    {
        $lines = is_file("{$this->folder}/{$file}") ? file("{$this->folder}/{$file}", FILE_IGNORE_NEW_LINES) : [];
        return array_map(static fn (string $line): array => json_decode($line, true, 64, JSON_THROW_ON_ERROR), $lines);
    }
}
