<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Accounts;

/** The XMPP account of one LHC user, as this LHC keeps it. Times are ms since 1970. */
final class Account
{
    public const ACTIVE = 'active';
    /** The service refused the last change; `error` says why. It is tried again when the user changes, and each hour. */
    public const FAILED = 'failed';
    /** It is to be removed at the service, and then here. */
    public const REMOVING = 'removing';
    /** The LHC user is disabled: the account is gone at the service, and the username is kept here. */
    public const DISABLED = 'disabled';

    public function __construct(
        public readonly int $userId,
        public readonly string $username,
        public readonly string $state,
        public readonly string $error,
        public readonly string $digest,
        public readonly int $tries,
        public readonly int $nextAt,
    ) {
    }

    /** @param array<string, mixed> $row of the table */
    public static function of(array $row): self
    {
        return new self(
            (int) $row['user_id'],
            (string) $row['username'],
            (string) $row['state'],
            (string) $row['error'],
            (string) $row['digest'],
            (int) $row['tries'],
            (int) $row['next_at'],
        );
    }
}
