<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Incoming;

/**
 * `operator.online`, `operator.alive`, `operator.offline`. LHC takes an operator for online who was active in the last
 * 300 s and does not hide; so only the time of activity is written, and whoever hides in LHC stays hidden.
 */
final class Presence
{
    public function __construct(private readonly Operators $operators)
    {
    }

    public function online(Callback $callback): Answer
    {
        // Not later than now: a callback from a clock that is ahead must not keep anybody online.
        $this->write($callback, min($callback->at, time()));
        return Answer::accepted();
    }

    public function offline(Callback $callback): Answer
    {
        $this->write($callback, 0);
        return Answer::accepted();
    }

    private function write(Callback $callback, int $active): void
    {
        $user = $this->operators->find($callback->data->object('operator'));
        if ($user === null || ((int) $user->disabled === 1 && $active > 0)) {
            return;
        }
        \erLhcoreClassUserDep::updateLastActivityByUser((int) $user->id, $active);
    }
}
