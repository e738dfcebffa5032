<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Outgoing;

/** One request to the service, and what is true when it was answered. */
final class Step
{
    /**
     * @param string $id the request's id (Idempotency-Key): the same for each repeat, another for another request
     * @param string $path below `/v1/{tenant}/`
     * @param array<string, mixed> $body
     * @param array<string, int> $told columns of `lhc_xmppchat_chat` that the service knows then
     * @param ?int $messageId the row of `lh_msg` that is sent by it
     */
    public function __construct(
        public readonly string $id,
        public readonly string $path,
        public readonly array $body,
        public readonly array $told = [],
        public readonly ?int $messageId = null,
        public readonly string $method = 'POST',
    ) {
    }

    /**
     * A request with an id of its kind, chat, revision and content: the same again has the same id, and any other
     * request has another one.
     *
     * @param array<string, mixed> $body
     * @param array<string, int> $told
     */
    public static function of(
        string $kind,
        int $chatId,
        int $revision,
        string $path,
        array $body,
        array $told = [],
        ?int $messageId = null,
    ): self
    {
        $content = substr(hash('sha256', $path . "\n" . json_encode($body, JSON_INVALID_UTF8_SUBSTITUTE)), 0, 12);
        return new self("{$kind}-{$chatId}-{$revision}-{$content}", $path, $body, $told, $messageId);
    }

    /** Whether it closes a chat. */
    public function isClose(): bool
    {
        return str_ends_with($this->path, '/close');
    }

    /** @return array{id: string, method: string, path: string, body: array<string, mixed>|\stdClass} for the batch */
    public function request(): array
    {
        return [
            'id' => $this->id,
            'method' => $this->method,
            'path' => $this->path,
            'body' => $this->body === [] ? new \stdClass() : $this->body,
        ];
    }
}
