<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Outgoing;

/** What the service answered to one request of a batch. */
final class Result
{
    private function __construct(
        public readonly int $status,
        public readonly string $reason,
        public readonly string $code,
        public readonly ?int $retryAfterS,
    ) {
    }

    /** @param array<string, mixed> $result one of `results` */
    public static function of(array $result): self
    {
        $status = (int) ($result['status'] ?? 0);
        $body = is_array($result['body'] ?? null) ? $result['body'] : [];
        $detail = is_string($body['detail'] ?? null) ? $body['detail'] : '';
        return new self(
            $status,
            $detail === '' ? (string) $status : "{$status}: {$detail}",
            is_string($body['code'] ?? null) ? $body['code'] : '',
            is_int($body['retryAfter'] ?? null) ? max(0, $body['retryAfter']) : null,
        );
    }

    /** The service said nothing of this request. */
    public static function none(): self
    {
        return new self(0, 'the service said nothing of this request', '', null);
    }

    /** The same again, later: the service is busy, or an earlier request of the visitor has to come first. */
    public function isLater(): bool
    {
        return $this->status < 200 || $this->status >= 500 || in_array($this->status, [401, 403, 408, 429], true);
    }

    /** It will never be taken as it is. A key that is used for another request was carried out before. */
    public function isRefused(): bool
    {
        return !$this->isLater() && $this->status >= 300 && $this->code !== 'reused';
    }

    /** The answer to a close: the chat is over there already, or the service has forgotten it. */
    public function isOver(): bool
    {
        return in_array($this->status, [404, 409], true);
    }
}
