<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Test;

/** A real HTTP server of its own process that answers as a test says: by method and path. For the API without the batch. */
final class ScriptedService extends ServerProcess
{
    public function __construct()
    {
        parent::__construct('scripted-service.php');
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
        @unlink($this->folder . '/calls'); // it may not be there
    }

    /** @return list<array{call: string, query: string, token: string, body: mixed}> requests as they came */
    public function calls(): array
    {
        return $this->lines('calls');
    }

    /** @return list<string> their methods and paths */
    public function asked(): array
    {
        return array_column($this->calls(), 'call');
    }
}
