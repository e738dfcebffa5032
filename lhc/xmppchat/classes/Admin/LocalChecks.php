<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Admin;

use XmppChat\Lhc\Clock;
use XmppChat\Lhc\Database;
use XmppChat\Lhc\Link;

/** The steps of the connection test that look at this LHC alone. The tables have to be there. */
final class LocalChecks
{
    private const CRON_LINE = '* * * * * cd %s && php cron.php -s site_admin -e xmppchat -c cron/outbox -p 55';
    /** Cron runs each minute; three are missed before it is said. */
    private const CRON_LATE_MS = 180_000;
    /** A row that waits longer than this waits for something that does not come by itself. */
    private const OUTBOX_OLD_MS = 300_000;

    public function __construct(
        private readonly Database $database,
        private readonly Link $link,
        private readonly Clock $clock,
        private readonly bool $hosted,
    ) {
    }

    /** @return list<Finding> */
    public function run(): array
    {
        return [$this->cron(), ...$this->outbox(), $this->accounts()];
    }

    private function cron(): Finding
    {
        $at = $this->link->state()->cronAt;
        $advice = $this->hosted
            ? Words::t('The cron jobs of the hosting have to run: see "Automated hosting" in the documentation of the extension.')
            : Words::t('Add this line to the crontab of the user of the web server: {line}', ['line' => self::cronLine()]);
        if ($at === 0) {
            return Finding::problem('cron', Words::t('The cron job of the extension has never run. What is not sent at once is never sent.'), $advice);
        }
        $minutes = intdiv($this->clock->nowMs() - $at, 60_000);
        return $this->clock->nowMs() - $at > self::CRON_LATE_MS
            ? Finding::problem('cron', Words::t('The cron job of the extension last ran {minutes} minutes ago.', ['minutes' => $minutes]), $advice)
            : Finding::ok('cron', Words::t('The cron job of the extension runs.'));
    }

    private static function cronLine(): string
    {
        $folder = rtrim((string) \erLhcoreClassSystem::instance()->SiteDir, '/');
        // What a shell would read otherwise is for the person to write.
        return sprintf(self::CRON_LINE, preg_match('#^[\w./-]+\z#', $folder) === 1 ? $folder : '/path/to/lhc_web');
    }

    /** @return list<Finding> */
    private function outbox(): array
    {
        $row = $this->database->row(
            'SELECT SUM(state = 0) AS pending, MIN(CASE WHEN state = 0 THEN created_at END) AS oldest, SUM(state = 1) AS failed
             FROM lhc_xmppchat_outbox',
        ) ?? [];
        $findings = [];
        $oldest = (int) ($row['oldest'] ?? 0);
        $age = $oldest === 0 ? 0 : $this->clock->nowMs() - $oldest;
        if ($age > self::OUTBOX_OLD_MS) {
            $findings[] = Finding::warning(
                'outbox-old',
                Words::t('Changes that wait for the service: {count}, the oldest for {minutes} minutes', ['count' => (int) $row['pending'], 'minutes' => intdiv($age, 60_000)]),
                Words::t('They go out by themselves when the service answers and cron runs. The page "XMPP chat" shows them.'),
            );
        }
        if ((int) ($row['failed'] ?? 0) > 0) {
            $findings[] = Finding::warning(
                'outbox-failed',
                Words::t('Changes that the service refused: {count}', ['count' => (int) $row['failed']]),
                Words::t('The page "XMPP chat" shows the reasons. Send them again when the reason is gone, or drop them.'),
            );
        }
        return $findings === [] ? [Finding::ok('outbox', Words::t('The outbox is in order.'))] : $findings;
    }

    private function accounts(): Finding
    {
        $count = (int) $this->database->value("SELECT COUNT(*) FROM lhc_xmppchat_account WHERE state NOT IN ('removing', 'disabled')");
        return $count > 0
            ? Finding::ok('accounts', Words::t('Users with an XMPP account: {count}', ['count' => $count]))
            : Finding::warning(
                'accounts',
                Words::t('No user of LHC has an XMPP account: nobody gets the chats.'),
                Words::t('Make one at a user, in the tab "XMPP account".'),
            );
    }
}
