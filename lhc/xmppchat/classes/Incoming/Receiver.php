<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Incoming;

use XmppChat\Lhc\Clock;
use XmppChat\Lhc\Database;
use XmppChat\Lhc\Link;
use XmppChat\Lhc\Log;
use XmppChat\Lhc\Settings;
use XmppChat\Lhc\Told;

/**
 * Takes a callback of the service: checks who sent it, and does it once. The row of its id, what it changes in LHC and
 * what the service then knows are one transaction of the database (docs/adr/0046-how-callbacks-act-in-lhc.md).
 */
final class Receiver
{
    /** Seconds that a callback waits for a lock; the service waits 10 s for the answer. */
    public const LOCK_WAIT_S = 3;
    /** Ms between two notes that the service was heard, while nothing is wrong. */
    private const HEARD_EVERY_MS = 10_000;
    /** SQLSTATE: no such table, no such column. */
    private const OLD_TABLES = ['42S02', '42S22'];
    private const SAVEPOINT = 'xmppchat_callback';

    public function __construct(
        private readonly Settings $settings,
        private readonly Database $database,
        private readonly Link $link,
        private readonly Told $told,
        private readonly Clock $clock,
        private readonly int $lockWaitS = self::LOCK_WAIT_S,
    ) {
    }

    /** Never throws. */
    public function receive(Request $request): Answer
    {
        try {
            return $this->checked($request);
        } catch (Malformed $failure) {
            return Answer::error(400, $failure->getMessage());
        } catch (\Throwable $failure) {
            if (Busy::caused($failure)) {
                return Answer::error(503, 'busy: send it again');
            }
            Log::failure('callback', $failure);
            if ($failure instanceof \PDOException && in_array($failure->getCode(), self::OLD_TABLES, true)) {
                return Answer::error(503, 'the extension\'s tables are missing or old: run LHC\'s update of its structure');
            }
            return Answer::error(500, 'failed: LHC\'s log says where');
        }
    }

    private function checked(Request $request): Answer
    {
        if ($request->method !== 'POST') {
            return Answer::error(405, 'send it by POST');
        }
        $key = Signature::key($this->settings->callbackSecret());
        if (!$this->settings->enabled() || $this->settings->tenant() === '' || $key === null) {
            return Answer::error(503, 'not configured: switch the extension on, and set tenant and callbackSecret (whsec_…)');
        }
        if ($request->tooLarge()) {
            return Answer::error(413, 'more than ' . Request::BODY_MAX_BYTES . ' bytes');
        }
        $problem = Signature::problem($key, $request, intdiv($this->clock->nowMs(), 1_000));
        if ($problem !== null) {
            return Answer::error(401, $problem);
        }
        if (!in_array(strtolower($request->encoding), ['', 'identity'], true)) {
            throw new Malformed('Content-Encoding', 'send the body as it is');
        }
        $callback = Callback::parse($request->body, $request->id);
        if ($callback->tenant !== $this->settings->tenant()) {
            throw new Malformed('tenant', 'is not the one of this LHC');
        }
        $this->heard();
        return $this->act($callback);
    }

    private function act(Callback $callback): Answer
    {
        $files = Files::of($callback);
        $handlers = new Handlers($this->database, $this->told, $files);
        $carryOut = fn (): Answer => ActingUser::during(fn (): Answer => self::inPlainText(fn (): Answer => $handlers->carryOut($callback)));
        // A refusal is rolled back, and so may the whole be, at its very end.
        $work = fn (): Answer => $files->during($carryOut);
        if (!Handlers::isKept($callback)) {
            try {
                return $work();
            } catch (Refused $refusal) {
                return Answer::refused($refusal);
            }
        }
        return $files->during(fn (): Answer => $this->patiently(
            fn (): Answer => $this->database->transaction(fn (): Answer => $this->once($callback, $work)),
        ));
    }

    /** @param callable(): Answer $work */
    private function once(Callback $callback, callable $work): Answer
    {
        $log = new WebhookLog($this->database, $this->clock);
        $done = $log->begin($callback);
        if ($done !== null) {
            return Answer::repeated($done);
        }
        $pdo = $this->database->pdo();
        $pdo->exec('SAVEPOINT ' . self::SAVEPOINT);
        try {
            $answer = $work();
        } catch (Refused $refusal) {
            $pdo->exec('ROLLBACK TO SAVEPOINT ' . self::SAVEPOINT);
            $answer = Answer::refused($refusal);
        }
        $log->end($callback, $answer->json());
        return $answer;
    }

    /**
     * With a short wait for locks: the default of 50 s would outlive the service's patience.
     *
     * @param callable(): Answer $work
     */
    private function patiently(callable $work): Answer
    {
        $before = (int) $this->database->value('SELECT @@innodb_lock_wait_timeout');
        $this->database->pdo()->exec('SET SESSION innodb_lock_wait_timeout = ' . $this->lockWaitS);
        try {
            return $work();
        } finally {
            $this->database->pdo()->exec("SET SESSION innodb_lock_wait_timeout = {$before}");
        }
    }

    /**
     * LHC's translations come escaped for HTML, unless they are asked not to. Here they become rows, which LHC escapes
     * when it shows them, and answers that operators read in XMPP.
     *
     * @param callable(): Answer $work
     */
    private static function inPlainText(callable $work): Answer
    {
        $before = \erTranslationClassLhTranslation::$htmlEscape;
        \erTranslationClassLhTranslation::$htmlEscape = false;
        try {
            return $work();
        } finally {
            \erTranslationClassLhTranslation::$htmlEscape = $before;
        }
    }

    /** The service lives: all workers may send again. */
    private function heard(): void
    {
        try {
            $state = $this->link->state();
            if ($state->isOpen() || $state->heardAt < $this->clock->nowMs() - self::HEARD_EVERY_MS) {
                $this->link->heard();
            }
        } catch (\PDOException $failure) {
            Log::failure('callback: heard', $failure);
        }
    }
}
