<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Outgoing;

use XmppChat\Lhc\Clock;
use XmppChat\Lhc\Settings;

/**
 * Links to visitors' files that an XMPP operator can open without LHC's session. LHC's own links are good for five
 * minutes; ours are signed, and lead to a fresh one of LHC's. So LHC's rules for files still decide.
 */
final class FileLinks
{
    /** Seconds for which a link is good. */
    private const GOOD_FOR_S = 30 * 86_400;

    /** @param string $address of LHC, without a slash at its end */
    public function __construct(
        private readonly Settings $settings,
        private readonly Clock $clock,
        private readonly string $address,
    ) {
    }

    /**
     * @param string $hash LHC's own hash of the file
     * @param int $since when the file came, in seconds since 1970: a repeat of a request has the same link
     */
    public function of(int $fileId, string $hash, int $since): string
    {
        $hash = rawurlencode($hash);
        $until = $since + self::GOOD_FOR_S;
        return "{$this->address}/xmppchat/file/{$fileId}/{$hash}/{$until}/" . $this->signature($fileId, $hash, $until);
    }

    /** Whether a link is ours and still good. */
    public function isGood(int $fileId, string $hash, int $until, string $signature): bool
    {
        return $until > intdiv($this->clock->nowMs(), 1_000)
            && $this->settings->callbackSecret() !== ''
            && hash_equals($this->signature($fileId, $hash, $until), $signature);
    }

    private function signature(int $fileId, string $hash, int $until): string
    {
        return substr(hash_hmac('sha256', "file.{$fileId}.{$hash}.{$until}", $this->settings->callbackSecret()), 0, 40);
    }
}
