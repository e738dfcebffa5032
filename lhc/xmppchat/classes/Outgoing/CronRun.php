<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Outgoing;

use XmppChat\Lhc\Extension;
use XmppChat\Lhc\Log;

/** What cron does each minute: names, what waits, the probe of a service that was away, differences, old rows. */
final class CronRun
{
    /** Seconds of one run at most. */
    public const SECONDS_MAX = 300;
    private const PAUSE_US = 1_000_000;

    public function __construct(private readonly Extension $extension)
    {
    }

    /**
     * @param int $seconds how long it goes on sending; 0: once
     * @return string what to print
     */
    public function run(int $seconds): string
    {
        if (!$this->extension->settings()->ready()) {
            return "The extension is switched off, or its settings are not complete.\n";
        }
        $link = $this->extension->link();
        $link->cronRan();
        $this->safely('reconcile', fn (): int => $this->extension->chatReconciler()->run());
        $end = microtime(true) + min($seconds, self::SECONDS_MAX);
        do {
            $this->safely('resolve', fn () => $this->extension->resolver()->run());
            $done = $this->safely('send', fn (): bool => $this->extension->sender()->drain(Pace::cron()));
            $left = $end - microtime(true);
            if ($left > 0) {
                usleep((int) min(self::PAUSE_US, $left * 1_000_000));
                $link->cronRan();
            }
        } while ($left > 0);
        $this->safely('clean', fn () => $this->extension->cleaner()->run());
        $state = $link->state();
        $waiting = $this->extension->outbox()->count(Outbox::PENDING);
        if ($state->isOpen()) {
            return "The service cannot be reached ({$state->reason}). {$waiting} rows wait.\n";
        }
        return $waiting === 0 ? "Nothing waits.\n" : "{$waiting} rows wait" . ($done === true ? '' : ', some for their next try') . ".\n";
    }

    /** One part that fails does not cost the others. */
    private function safely(string $part, callable $work): mixed
    {
        try {
            return $work();
        } catch (\Throwable $failure) {
            Log::failure("cron {$part}", $failure);
            return null;
        }
    }
}
