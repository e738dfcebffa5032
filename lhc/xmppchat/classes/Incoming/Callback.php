<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Incoming;

/** One callback: `{ id, type, tenant, at, data }`. */
final class Callback
{
    private function __construct(
        public readonly string $id,
        public readonly string $type,
        public readonly string $tenant,
        /** Seconds since 1970. */
        public readonly int $at,
        public readonly Fields $data,
    ) {
    }

    /**
     * @param string $id the header `webhook-id`
     * @throws Malformed
     */
    public static function parse(string $body, string $id): self
    {
        if ($body === '') {
            throw new Malformed('body', 'is empty: send application/json');
        }
        $fields = Fields::parse($body);
        if ($fields->text('id', Signature::ID_MAX_BYTES) !== $id) {
            throw new Malformed('id', 'is not the webhook-id');
        }
        $at = strtotime($fields->text('at', 64));
        if ($at === false) {
            throw new Malformed('at', 'must be a time in ISO 8601');
        }
        return new self($id, $fields->text('type', 64), $fields->text('tenant', 256), $at, $fields->object('data'));
    }
}
