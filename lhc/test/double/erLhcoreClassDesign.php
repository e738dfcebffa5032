<?php

declare(strict_types=1);

/** Addresses and places of LHC's design (lib/core/lhcore/lhdesign.php). */
final class erLhcoreClassDesign
{
    public static function baseurl($link = '')
    {
        return '/site_admin/' . $link;
    }

    public static function baseurldirect($link = '')
    {
        return '/' . $link;
    }

    public static function design($path, $siteDir = false)
    {
        return '/design/' . $path;
    }

    public static function designtpl($path)
    {
        return dirname(__DIR__, 2) . '/xmppchat/design/xmppchattheme/tpl/' . $path;
    }
}
