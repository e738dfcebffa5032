<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Incoming;

/** Somebody else holds what the callback needs. The service sends it again. */
final class Busy extends \RuntimeException
{
    /** MySQL: a lock was not given in time; a deadlock; the server goes away, or is gone; too many connections. */
    private const CODES = [1205, 1213, 1053, 2006, 2013, 1040, 1203];

    /** Whether the failure, or what caused it, is of this kind: LHC wraps the database's exceptions in its own. */
    public static function caused(\Throwable $failure): bool
    {
        for ($one = $failure; $one !== null; $one = $one->getPrevious()) {
            if ($one instanceof self) {
                return true;
            }
            if ($one instanceof \PDOException && in_array((int) ($one->errorInfo[1] ?? 0), self::CODES, true)) {
                return true;
            }
            // LHC's persistent objects keep the text of the database alone.
            if (preg_match('/SQLSTATE\[(40001|HY000)\][^0-9]*(\d{4})/', $one->getMessage(), $found) === 1
                && in_array((int) $found[2], self::CODES, true)) {
                return true;
            }
        }
        return false;
    }
}
