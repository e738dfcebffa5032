<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Test;

/**
 * The service's side of the batch, as a real HTTP server of its own process. It carries out each request once by its id,
 * as the service does, and remembers what came.
 */
final class FakeService extends ServerProcess
{
    public function __construct()
    {
        parent::__construct('fake-service.php');
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
        return $this->lines('requests');
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
            $said = $request['body']['body'] ?? $request['body']['files'][0]['url'] ?? $request['body']['message']['body'] ?? $request['body']['message']['files'][0]['url'] ?? $request['body']['by']
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
