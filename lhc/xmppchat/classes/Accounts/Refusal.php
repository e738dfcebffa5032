<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Accounts;

use XmppChat\Lhc\Admin\Words;
use XmppChat\Lhc\ServiceAnswer;

/** What the service's answer to a change of an operator means for the person at the page: what is wrong, what to do. */
final class Refusal
{
    /** Ms before another try: the first wait, and the longest. */
    private const RETRY_MS = 30_000;
    private const RETRY_MAX_MS = 3_600_000;

    public static function words(ServiceAnswer $answer): string
    {
        $reason = ['reason' => self::detail($answer)];
        return match (true) {
            $answer->unreachable => Words::t('The service cannot be reached ({reason}). Try again later; the connection test says more.', $reason),
            $answer->status === 400 => Words::t('The service does not take it: {reason}', $reason),
            $answer->status === 401 => Words::t('The service does not take the API key. Run the connection test.'),
            $answer->status === 404 => Words::t('The service does not know this operator. Remove the account here, and make it again.'),
            $answer->status === 409 => Words::t('It is taken, or not possible now: {reason}. Choose another username, or remove the account that is in the way.', $reason),
            $answer->status === 429 => Words::t('The service takes no more requests now. Try again in a minute.'),
            $answer->status >= 500 => Words::t('The service, or ejabberd behind it, is not ready ({reason}). Try again in a minute.', $reason),
            default => Words::t('The service answers: {reason}', $reason),
        };
    }

    /** Whether the same request may do later: nothing was wrong with it. */
    public static function isTemporary(ServiceAnswer $answer): bool
    {
        return $answer->unreachable || $answer->status === 429 || $answer->status >= 500 || $answer->status === 401;
    }

    /**
     * How long to wait before the same request is tried again: longer each time, and at once the longest if something was
     * wrong with it. With some jitter.
     *
     * @param int $tries how often it was tried before
     * @return int ms
     */
    public static function waitMs(ServiceAnswer $answer, int $tries): int
    {
        $wait = self::isTemporary($answer) ? min(self::RETRY_MS * 2 ** min($tries, 7), self::RETRY_MAX_MS) : self::RETRY_MAX_MS;
        return (int) ($wait * (0.75 + mt_rand() / mt_getrandmax() / 4));
    }

    private static function detail(ServiceAnswer $answer): string
    {
        return rtrim(mb_strcut((string) preg_replace('/\s+/u', ' ', $answer->reason()), 0, 200), '.');
    }
}
