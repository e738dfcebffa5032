<?php

declare(strict_types=1);

/** Severities of LHC's log (eZ Components, EventLog). */
final class ezcLog
{
    public const DEBUG = 1;
    public const SUCCESS_AUDIT = 2;
    public const FAILED_AUDIT = 4;
    public const INFO = 8;
    public const NOTICE = 16;
    public const WARNING = 32;
    public const ERROR = 64;
    public const FATAL = 128;
}
