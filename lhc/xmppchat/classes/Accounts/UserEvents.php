<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Accounts;

use XmppChat\Lhc\Extension;
use XmppChat\Lhc\Log;

/**
 * What LHC says of its users while somebody changes them. Cron tells the service within a minute; nothing here waits for
 * the network. `user.user_created` comes also for a change over LHC's REST API, and then without a password.
 */
final class UserEvents
{
    public function __construct(private readonly Extension $extension)
    {
    }

    public function attach(\erLhcoreClassChatEventDispatcher $dispatcher): void
    {
        $dispatcher->listen('user.user_created', $this->changed(...));
        $dispatcher->listen('user.user_modified', $this->changed(...));
        $dispatcher->listen('user.deleted', $this->deleted(...));
    }

    /** @param array<string, mixed> $params of LHC; never throws */
    public function changed(array $params): void
    {
        $this->each('user changed', $params, fn (AccountTable $table, int $user) => $table->hurry($user));
    }

    /** @param array<string, mixed> $params of LHC; never throws */
    public function deleted(array $params): void
    {
        $this->each('user deleted', $params, fn (AccountTable $table, int $user) => $table->markRemoving($user));
    }

    /** @param array<string, mixed> $params */
    private function each(string $place, array $params, \Closure $work): void
    {
        try {
            $user = $params['userData'] ?? null;
            $id = is_object($user) ? (int) ($user->id ?? 0) : 0;
            if ($id > 0) {
                $work($this->extension->accountTable(), $id);
            }
        } catch (\Throwable $failure) {
            Log::failure($place, $failure);
        }
    }
}
