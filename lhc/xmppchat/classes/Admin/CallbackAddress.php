<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Admin;

use XmppChat\Lhc\Settings;

/** Where the service reaches this LHC. */
final class CallbackAddress
{
    /** Below LHC's address. */
    public const PATH = '/xmppchat/callback';

    public static function of(Settings $settings): string
    {
        return self::at($settings->lhcAddress());
    }

    /** @param string $lhcAddress of LHC; empty: as it is asked now */
    public static function at(string $lhcAddress): string
    {
        return ($lhcAddress === '' ? self::asAsked() : rtrim($lhcAddress, '/')) . self::PATH;
    }

    /** LHC's address as the browser of the administrator reaches it now; without the language of the back office. */
    public static function asAsked(): string
    {
        return rtrim((string) \erLhcoreClassSystem::getHost() . \erLhcoreClassDesign::baseurldirect(''), '/');
    }
}
