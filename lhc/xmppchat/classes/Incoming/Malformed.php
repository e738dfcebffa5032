<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Incoming;

/** The callback is not what docs/contracts.md says: field and reason, for the log of the service. Nothing was changed. */
final class Malformed extends \RuntimeException
{
    /** @param string $field for example `data.operator.username` */
    public function __construct(public readonly string $field, string $reason)
    {
        parent::__construct("{$field}: {$reason}");
    }
}
