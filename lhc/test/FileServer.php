<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Test;

/** A real HTTP server with files, in the place of ejabberd's uploads. */
final class FileServer extends ServerProcess
{
    public function __construct()
    {
        parent::__construct('file-server.php');
    }

    /** Puts a file there. @return string its address */
    public function has(string $name, string $bytes): string
    {
        file_put_contents($this->folder . '/' . $name, $bytes);
        return "{$this->url()}/{$name}";
    }

    /** @return list<array<string, mixed>> what was asked for */
    public function asked(): array
    {
        return $this->lines('asked');
    }
}
