<?php

declare(strict_types=1);

/** LHC's log (lib/core/lhcore/lhlog.php). The double keeps the lines, for tests to read. */
final class erLhcoreClassLog
{
    /** @var list<string> the double's own */
    public static array $lines = [];
    /** The double's own: lines also go to PHP's error log. */
    public static bool $isSeen = false;

    public static function write($msg, $level = ezcLog::WARNING, $attributes = [])
    {
        self::$lines[] = (string) $msg;
        self::$isSeen && error_log((string) $msg);
    }
}
