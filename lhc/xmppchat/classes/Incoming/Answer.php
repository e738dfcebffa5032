<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Incoming;

/** What the service is answered: a status and JSON (docs/contracts.md, "How LHC's answer is read"). */
final class Answer
{
    /** Bytes of a text for the operator at most. */
    private const TEXT_MAX_BYTES = 4_000;
    /** Seconds after which the service may try again, when LHC was busy. */
    private const RETRY_AFTER_S = 1;

    /** @param array<string, mixed> $body */
    private function __construct(public readonly int $status, public readonly array $body, public readonly int $retryAfterS = 0)
    {
    }

    /** Done, or of no meaning for LHC. */
    public static function accepted(): self
    {
        return new self(200, ['outcome' => 'accepted']);
    }

    /**
     * Done, and the operator reads something.
     *
     * @param string $code `not-shown-yet`, `invited` or `answer`
     * @param string $text LHC's own words, for `answer`
     */
    public static function notice(string $code, string $text = ''): self
    {
        return new self(200, ['outcome' => 'accepted', 'notice' => ['code' => $code, 'text' => self::cut($text)]]);
    }

    /** Not done, and never will be. */
    public static function refused(Refused $refusal): self
    {
        return new self(200, [
            'outcome' => 'refused',
            'code' => $refusal->reason,
            'text' => self::cut($refusal->getMessage()),
        ]);
    }

    /** Nothing was done. The service logs the reason, and sends the callback again. */
    public static function error(int $status, string $reason): self
    {
        return new self($status, ['error' => self::cut($reason)], $status === 503 ? self::RETRY_AFTER_S : 0);
    }

    /** An answer that was given before. */
    public static function repeated(string $json): self
    {
        $body = json_decode($json, true);
        return new self(200, is_array($body) ? $body : ['outcome' => 'accepted']);
    }

    /** The body as it is sent and stored. */
    public function json(): string
    {
        return json_encode($this->body, JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES | JSON_INVALID_UTF8_SUBSTITUTE | JSON_THROW_ON_ERROR);
    }

    private static function cut(string $text): string
    {
        return mb_strcut($text, 0, self::TEXT_MAX_BYTES);
    }
}
