<?php

declare(strict_types=1);

/** LHC's cache (lib/core/lhconfig/lhcacheconfig.php). */
final class erConfigClassLhCacheConfig
{
    private static ?self $instance = null;

    /** The double's own: how often it was emptied. */
    public int $expired = 0;

    public static function getInstance()
    {
        return self::$instance ??= new self();
    }

    public function expireCache($forceClean = false)
    {
        $this->expired++;
    }
}
