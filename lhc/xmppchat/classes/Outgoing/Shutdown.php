<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Outgoing;

use XmppChat\Lhc\Extension;
use XmppChat\Lhc\Log;

/**
 * What happens after the visitor or the operator has their answer: LHC's session is let go of, so the operator's next
 * request does not wait for us; the request is finished; then what waits is sent. It never throws, and prints nothing:
 * PHP would end it at once.
 */
final class Shutdown
{
    /** The outbox's bounds are looked at after each so many page views. */
    private const TRIM_EACH = 100;

    private bool $registered = false;
    private bool $urgent = false;
    /** @var list<array{string, array<string, mixed>}> page views with their visitors, not in the outbox yet */
    private array $views = [];
    /** @var array<int, array{string, int}> by message, the visitor who has reacted to it, and its chat; not in the outbox yet */
    private array $reactions = [];
    /** @var array<int, array{bool, string}> by chat, whether the visitor types, and what */
    private array $typing = [];

    /** @param \Closure(callable): void $atEnd registers what is done at the end of the request */
    public function __construct(private readonly Extension $extension, private readonly \Closure $atEnd)
    {
    }

    /**
     * A page view goes into the outbox once the visitor has their answer, so its insert costs them nothing. LHC has no
     * transaction there that it could be part of.
     *
     * @param array<string, mixed> $payload
     */
    public function afterView(string $visitor, array $payload): void
    {
        $this->views[] = [$visitor, $payload];
        $this->register();
    }

    /** A chat has changed: an operator waits for it. */
    public function afterChange(): void
    {
        $this->urgent = true;
        $this->register();
    }

    /** LHC saves a reaction after it has told of it. */
    public function afterReaction(string $visitor, int $chatId, int $messageId): void
    {
        $this->reactions[$messageId] = [$visitor, $chatId];
        $this->afterChange();
    }

    /** @param string $preview what the visitor has typed; empty if nobody is to see it */
    public function afterTyping(int $chatId, bool $types, string $preview = ''): void
    {
        $this->typing[$chatId] = [$types, $preview];
        $this->register();
    }

    private function register(): void
    {
        if (!$this->registered) {
            $this->registered = true;
            ($this->atEnd)($this->run(...));
        }
    }

    /** Never throws. */
    public function run(): void
    {
        try {
            ignore_user_abort(true);
            if (session_status() === PHP_SESSION_ACTIVE) {
                session_write_close();
            }
            $finished = function_exists('fastcgi_finish_request');
            if ($finished) {
                fastcgi_finish_request();
            }
            $trims = $this->keepViews();
            // Where a request cannot be finished first, its page waits for us: then page views are left to cron.
            $sends = $finished || $this->urgent || $this->typing !== [] || PHP_SAPI === 'cli';
            // While the service is away, not even the classes of the sender are loaded.
            if ($sends && !$this->extension->link()->state()->isOpen()) {
                if ($this->typing !== []) {
                    $this->extension->typing()->send($this->typing);
                }
                $this->extension->sender()->drain(Pace::web());
            }
            if ($trims) {
                $this->extension->outbox()->trim();
            }
        } catch (\Throwable $failure) {
            Log::failure('shutdown', $failure);
        }
    }

    /**
     * Puts this request's page views and reactions into the outbox.
     *
     * @return bool whether the outbox's bounds have to be looked at
     */
    public function keepViews(): bool
    {
        $trims = false;
        foreach ($this->views as [$visitor, $payload]) {
            $id = $this->extension->outbox()->add(Outbox::VIEW, $visitor, null, $payload);
            $trims = $trims || $id % self::TRIM_EACH === 0;
        }
        $this->views = [];
        foreach ($this->reactions as $messageId => [$visitor, $chatId]) {
            $this->extension->outbox()->add(Outbox::REACTION, $visitor, $chatId, ['message' => $messageId]);
        }
        $this->reactions = [];
        return $trims;
    }
}
