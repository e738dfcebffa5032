<?php

declare(strict_types=1);

/**
 * What LHC loads of this extension, in each request and in cron: the class name is LHC's convention.
 * It does nothing but attach listeners, and whatever goes wrong here must not cost LHC its request.
 */
final class erLhcoreClassExtensionXmppchat
{
    /** Called once by LHC. Never throws. */
    public function run(): void
    {
        try {
            require_once __DIR__ . '/autoload.php';
            \XmppChat\Lhc\Extension::instance()->attach(\erLhcoreClassChatEventDispatcher::getInstance());
        } catch (\Throwable $failure) {
            error_log('xmppchat: no listeners: ' . $failure::class . ' at ' . $failure->getFile() . ':' . $failure->getLine());
        }
    }
}
