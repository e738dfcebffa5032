<?php

declare(strict_types=1);

namespace XmppChat\Lhc;

/**
 * What goes wrong, in LHC's own log. Only the type, the code and the place: an exception of the database or of LHC may
 * carry what a visitor wrote, or a secret, in its message.
 */
final class Log
{
    /** Lines of one request at most: a table that is missing fails in every listener. */
    private const LINES_MAX = 10;

    private static int $lines = 0;

    /**
     * Never throws.
     *
     * @param string $place what was being done, for example `listener chat.accept`
     */
    public static function failure(string $place, \Throwable $failure): void
    {
        $code = is_scalar($failure->getCode()) ? (string) $failure->getCode() : '';
        $where = basename($failure->getFile()) . ':' . $failure->getLine();
        self::line("{$place}: " . $failure::class . " {$code} at {$where}");
    }

    /**
     * Never throws.
     *
     * @param string $line no text of a visitor or operator, no secret
     */
    public static function line(string $line): void
    {
        if (self::$lines++ >= self::LINES_MAX) {
            return;
        }
        $text = 'xmppchat: ' . mb_strcut(str_replace(["\r", "\n"], ' ', $line), 0, 500);
        try {
            \erLhcoreClassLog::write($text);
        } catch (\Throwable) {
            error_log($text);
        }
    }
}
