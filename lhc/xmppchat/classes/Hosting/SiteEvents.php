<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Hosting;

use XmppChat\Lhc\Extension;
use XmppChat\Lhc\Log;
use XmppChat\Lhc\Outgoing\CronRun;
use XmppChat\Lhc\Structure;

/**
 * What LHC's automated hosting announces on a customer's site, with the customer's database selected. Making and removing
 * tenants does not hang on events: the manager's cron compares its list of instances with what it told the service.
 */
final class SiteEvents
{
    public function __construct(private readonly Extension $extension)
    {
    }

    public function attach(\erLhcoreClassChatEventDispatcher $dispatcher): void
    {
        $dispatcher->listen('instance.extensions_structure', $this->updateTables(...));
        $dispatcher->listen('chat.instance.workflow', $this->runCron(...));
    }

    /** After the extension was updated, the manager asks each site to update its tables. Never throws. */
    public function updateTables(): void
    {
        try {
            if (Site::mayWork()) {
                (new Structure($this->extension->database()))->update();
            }
        } catch (\Throwable $failure) {
            Log::failure('instance.extensions_structure', $failure);
        }
    }

    /**
     * LHC's own cron work for one instance. It does for a manager without this extension what the manager's cron job does
     * otherwise; the lock of the sender keeps both apart. Never throws.
     */
    public function runCron(): void
    {
        try {
            if (Site::hasInstance()) {
                // A worker of the background queue may have served another instance before.
                Extension::reset();
                (new CronRun(Extension::instance()))->run(0);
            }
        } catch (\Throwable $failure) {
            Log::failure('chat.instance.workflow', $failure);
        }
    }
}
