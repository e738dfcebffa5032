<?php

declare(strict_types=1);

namespace XmppChat\Lhc;

/** What came of one request to the service. */
final class ServiceAnswer
{
    /**
     * @param int $status HTTP status; 0 if no answer came
     * @param ?array<mixed> $body the JSON of the answer; null if there is none
     * @param string $error why no answer came, in curl's words; empty if one came
     * @param bool $unreachable whether nothing is known of the service: no connection, or no answer in time
     * @param ?int $retryAfterS what the service asks for, in seconds
     */
    public function __construct(
        public readonly int $status,
        public readonly ?array $body,
        public readonly string $error = '',
        public readonly bool $unreachable = false,
        public readonly ?int $retryAfterS = null,
    ) {
    }

    public function ok(): bool
    {
        return $this->status >= 200 && $this->status < 300;
    }

    /** What the service says of a refusal: field and reason, or the status. For the back office and the outbox. */
    public function reason(): string
    {
        if ($this->error !== '') {
            return $this->error;
        }
        $detail = $this->body['detail'] ?? null;
        return $this->status . (is_string($detail) ? ": {$detail}" : '');
    }
}
