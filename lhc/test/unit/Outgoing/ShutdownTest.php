<?php

declare(strict_types=1);

use XmppChat\Lhc\Outgoing\Outbox;
use XmppChat\Lhc\Test\Sending;

/** What a request does after its answer. */
final class ShutdownTest extends Sending
{
    /** A request of PHP-FPM that changed a chat: writes what happened before its first statement, and after its last. */
    private const REQUEST = <<<'PHP'
        ini_set('session.save_path', sys_get_temp_dir());
        session_start();
        $said = [];
        function fastcgi_finish_request(): bool
        {
            $GLOBALS['said'][] = session_status() === PHP_SESSION_ACTIVE ? 'answered with the session' : 'answered';
            return true;
        }
        $database = new XmppChat\Lhc\Database(function (): PDO {
            $GLOBALS['said'][] = 'asked the database';
            return ezcDbInstance::get();
        });
        $extension = new XmppChat\Lhc\Extension(new XmppChat\Lhc\Clock(), $database, static fn (callable $work) => null);
        $extension->shutdown()->afterChange();
        $extension->shutdown()->run();
        $said[] = class_exists(XmppChat\Lhc\Outgoing\Sender::class, false) ? 'could send' : 'could not send';
        $said[] = ignore_user_abort() === 1 ? 'goes on alone' : 'ends with the visitor';
        session_start();
        session_destroy();
        say(implode(', ', array_unique($said)));
        PHP;

    public function testTheVisitorHasTheAnswerAndTheSessionIsFreeBeforeAnythingElse(): void
    {
        $this->view($this->visitor());
        self::assertSame("answered, asked the database, could send, goes on alone\n", $this->secondProcess(self::REQUEST)->finish());
        self::assertCount(1, self::$service->calls());
    }

    public function testWhileTheServiceIsAwayNothingOfTheSenderIsLoaded(): void
    {
        $this->extension->link()->failed('away');
        $this->view($this->visitor());
        self::assertStringContainsString('could not send', $this->secondProcess(self::REQUEST)->finish());
        self::assertSame([], self::$service->calls());
    }

    public function testTheBoundsOfTheOutboxAreHeldWithoutCron(): void
    {
        $this->extension->link()->failed('away');
        $this->database->run("INSERT INTO lhc_xmppchat_outbox (created_at, kind, visitor, state) VALUES (1, 'request', 'x', 1)");
        for ($rows = 1; $rows <= Outbox::FAILED_MAX; $rows *= 2) {
            $this->database->run('INSERT INTO lhc_xmppchat_outbox (created_at, kind, visitor, state) SELECT created_at, kind, visitor, state FROM lhc_xmppchat_outbox');
        }
        foreach (range(1, 100) as $page) {
            $this->extension->shutdown()->afterView('7', ['page' => "/{$page}"]);
        }
        ($this->atEnd[0])();
        self::assertSame(Outbox::FAILED_MAX, $this->extension->outbox()->count(Outbox::FAILED));
        self::assertSame(100, $this->extension->outbox()->count(Outbox::PENDING));
    }
}
