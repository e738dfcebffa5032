<?php

declare(strict_types=1);

/** Where LHC is (lib/core/lhcore/lhsys.php). */
final class erLhcoreClassSystem
{
    public $SiteAccess = 'eng';
    public $SiteDir = '';
    public $Language = 'en_EN';

    private static ?self $instance = null;

    public static function instance()
    {
        return self::$instance ??= new self();
    }

    public static function getHost()
    {
        return 'http://' . ($_SERVER['HTTP_HOST'] ?? 'localhost');
    }
}
