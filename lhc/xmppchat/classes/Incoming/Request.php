<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Incoming;

/** What came by HTTP, before anything of it is believed. */
final class Request
{
    /** Bytes of a callback at most: a message of the service has 64 KiB, and JSON may double it. */
    public const BODY_MAX_BYTES = 262_144;

    public function __construct(
        public readonly string $method,
        /** The raw bytes; of a body that is too large, one byte more than is allowed. */
        public readonly string $body,
        public readonly string $id = '',
        public readonly string $timestamp = '',
        public readonly string $signatures = '',
        /** `Content-Encoding` */
        public readonly string $encoding = '',
    ) {
    }

    /** The request that PHP serves. A body above the limit is not read to its end. */
    public static function current(): self
    {
        return new self(
            self::header('REQUEST_METHOD'),
            (string) file_get_contents('php://input', false, null, 0, self::BODY_MAX_BYTES + 1),
            self::header('HTTP_WEBHOOK_ID'),
            self::header('HTTP_WEBHOOK_TIMESTAMP'),
            self::header('HTTP_WEBHOOK_SIGNATURE'),
            self::header('HTTP_CONTENT_ENCODING'),
        );
    }

    public function tooLarge(): bool
    {
        return strlen($this->body) > self::BODY_MAX_BYTES;
    }

    private static function header(string $name): string
    {
        $value = $_SERVER[$name] ?? '';
        return is_string($value) ? $value : '';
    }
}
