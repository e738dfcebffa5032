<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Incoming;

use XmppChat\Lhc\Database;
use XmppChat\Lhc\Told;

/** Which callback is whose. Made anew for each callback. */
final class Handlers
{
    /** These change what LHC keeps: once for each webhook id, and all or nothing. */
    private const KEPT = [
        'visitor.invited',
        'visitor.invitation_expired',
        'visitor.cleaned_up',
        'chat.message',
        'chat.assigned',
        'chat.accepted',
        'chat.transferred',
        'chat.closed',
        'chat.note',
        'chat.notice',
        'chat.command',
        'message.delivered',
        'message.displayed',
        'message.failed',
        'message.retracted',
        'message.reaction',
        'operator.online',
        'operator.offline',
        // The row itself is what the connection test looks for.
        'doctor.ping',
    ];

    private readonly Visitors $visitors;
    private readonly Operators $operators;
    private readonly MessageIds $ids;
    private readonly Rows $rows;
    private readonly Known $known;
    private readonly Acceptance $acceptance;

    public function __construct(private readonly Database $database, Told $told, private readonly Files $files)
    {
        $this->known = new Known($told);
        $this->visitors = new Visitors($database, $told);
        $this->operators = new Operators($database);
        $this->ids = new MessageIds($database);
        $this->rows = new Rows($this->ids);
        $this->acceptance = new Acceptance($this->rows, $this->known);
    }

    /** Whether the callback needs the log of webhook ids and a transaction. */
    public static function isKept(Callback $callback): bool
    {
        return in_array($callback->type, self::KEPT, true);
    }

    /**
     * @throws Malformed
     * @throws Refused
     * @throws Busy
     */
    public function carryOut(Callback $callback): Answer
    {
        return match ($callback->type) {
            'visitor.invited' => $this->invitations()->invited($callback, fn (): Messages => $this->messages()),
            'visitor.invitation_expired' => $this->invitations()->expired($callback),
            'visitor.cleaned_up' => $this->invitations()->forgotten($callback),
            'chat.message' => $this->messages()->message($callback),
            'chat.assigned' => $this->placement()->assigned($callback),
            'chat.accepted' => $this->placement()->accepted($callback),
            'chat.transferred' => $this->placement()->transferred($callback),
            'chat.closed' => (new Closing($this->visitors, $this->operators, $this->known))->closed($callback),
            'chat.note' => $this->commands()->note($callback),
            'chat.notice' => (new Notices($this->visitors, $this->rows))->notice($callback),
            'chat.command' => $this->commands()->command($callback),
            'message.delivered' => $this->ticks()->delivered($callback),
            'message.displayed' => $this->ticks()->displayed($callback),
            'message.failed' => $this->ticks()->failed($callback),
            'message.retracted' => $this->retractions()->retracted($callback),
            'message.reaction' => (new Reactions($this->database, $this->visitors, $this->operators))->reacted($callback),
            'operator.online', 'operator.alive' => (new Presence($this->operators))->online($callback),
            'operator.offline' => (new Presence($this->operators))->offline($callback),
            'operator.typing' => (new Typing($this->database, $this->visitors, $this->operators))->typing($callback),
            // `visitor.timed_out` and `visitor.failed` change nothing in LHC; `doctor.ping` and newer types neither.
            default => Answer::accepted(),
        };
    }

    private function invitations(): Invitations
    {
        return new Invitations($this->database, $this->visitors, $this->operators, $this->ids);
    }

    private function messages(): Messages
    {
        return new Messages(
            $this->visitors,
            $this->operators,
            $this->rows,
            $this->acceptance,
            new Corrections($this->ids, $this->visitors),
            $this->invitations(),
            $this->files,
            new Quotes($this->database, $this->ids),
        );
    }

    private function retractions(): Retractions
    {
        return new Retractions($this->visitors, $this->operators, $this->ids, new Corrections($this->ids, $this->visitors));
    }

    private function placement(): Placement
    {
        return new Placement($this->visitors, $this->operators, $this->rows, $this->acceptance, $this->known, new Offers($this->database, $this->rows, $this->known));
    }

    private function commands(): Commands
    {
        return new Commands($this->visitors, $this->operators, $this->rows);
    }

    private function ticks(): Ticks
    {
        return new Ticks($this->database, $this->visitors, $this->operators, $this->rows);
    }
}
