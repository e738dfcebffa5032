<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Admin;

/** What one step of the connection test found. The texts are translated and not escaped. */
final class Finding
{
    public const OK = 'ok';
    public const WARNING = 'warning';
    public const PROBLEM = 'problem';
    /** Not looked at, because a step before it failed. */
    public const SKIPPED = 'skipped';

    /**
     * @param string $code stable, as in the troubleshooting table of docs/lhc-extension.md
     * @param string $status one of the constants
     * @param string $advice what to do; empty if there is nothing to do
     */
    private function __construct(
        public readonly string $code,
        public readonly string $status,
        public readonly string $text,
        public readonly string $advice = '',
    ) {
    }

    public static function ok(string $code, string $text): self
    {
        return new self($code, self::OK, $text);
    }

    public static function warning(string $code, string $text, string $advice): self
    {
        return new self($code, self::WARNING, $text, $advice);
    }

    public static function problem(string $code, string $text, string $advice): self
    {
        return new self($code, self::PROBLEM, $text, $advice);
    }

    public static function skipped(string $code, string $text): self
    {
        return new self($code, self::SKIPPED, $text);
    }
}
