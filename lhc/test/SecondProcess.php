<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Test;

/** Code in another PHP process: for kills, for locks, and for what only another connection sees. */
final class SecondProcess
{
    private const DEADLINE_S = 30;

    /** @var resource */
    private $process;
    /** @var array<int, resource> */
    private array $pipes = [];
    /** @var resource where its errors go; a pipe that nobody reads would stop it when full */
    private $errors;
    private string $output = '';

    /**
     * @param string $code PHP without `<?php`; `$input` is there, and `say()` writes a line for waitFor()
     * @param array<mixed> $input
     */
    public function __construct(string $code, array $input = [])
    {
        $program = 'require ' . var_export(__DIR__ . '/connect.php', true) . ";\n"
            . 'function say(string $line): void { fwrite(STDOUT, $line . "\n"); }' . "\n"
            . '$input = json_decode(' . var_export(json_encode($input, JSON_THROW_ON_ERROR), true) . ", true);\n" . $code;
        $this->errors = tmpfile();
        $process = proc_open([PHP_BINARY, '-r', $program], [['file', '/dev/null', 'r'], ['pipe', 'w'], $this->errors], $this->pipes);
        $this->process = is_resource($process) ? $process : throw new \RuntimeException('no second process');
        stream_set_blocking($this->pipes[1], false);
    }

    /**
     * @return string all of its standard output up to and including this line
     * @throws \RuntimeException when it ended before, or after the deadline
     */
    public function waitFor(string $line): string
    {
        $this->until(fn (): bool => str_contains("\n" . $this->output, "\n{$line}\n"), "the line {$line}");
        return $this->output;
    }

    /** SIGKILL: no destructor, no shutdown function, no rollback of its own. */
    public function kill(): void
    {
        posix_kill(proc_get_status($this->process)['pid'], SIGKILL);
        $this->close();
    }

    /**
     * @return string its standard output
     * @throws \RuntimeException if it failed, or after the deadline
     */
    public function finish(): string
    {
        $this->until(fn (): bool => feof($this->pipes[1]), 'its end');
        $code = $this->close();
        return $code === 0 ? $this->output : throw new \RuntimeException("the second process ended with {$code}: {$this->errors()}");
    }

    public function __destruct()
    {
        if (is_resource($this->process)) {
            $this->kill();
        }
    }

    private function until(callable $condition, string $what): void
    {
        $end = microtime(true) + self::DEADLINE_S;
        while (!$condition()) {
            $readable = [$this->pipes[1]];
            $none = [];
            feof($this->pipes[1]) || stream_select($readable, $none, $none, 1);
            $this->output .= (string) stream_get_contents($this->pipes[1]);
            if ($condition()) {
                return;
            }
            if (feof($this->pipes[1]) || microtime(true) > $end) {
                throw new \RuntimeException("waited for {$what}; there was: {$this->output}{$this->errors()}");
            }
        }
    }

    private function errors(): string
    {
        rewind($this->errors);
        return (string) stream_get_contents($this->errors);
    }

    private function close(): int
    {
        array_map('fclose', $this->pipes);
        $this->pipes = [];
        return proc_close($this->process);
    }
}
