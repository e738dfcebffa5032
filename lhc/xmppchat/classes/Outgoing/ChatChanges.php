<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Outgoing;

/**
 * What the service has to be told of a chat: the difference between the chat and what it was told before. So a change
 * without an event, or one whose event was lost, goes out with the next mark; and what the service itself asked for is
 * no difference.
 */
final class ChatChanges
{
    private const PENDING = 0;
    private const ACTIVE = 1;
    private const CLOSED = 2;
    /** LHC's states behind the state: the visitor ended the chat, or has filled in the survey behind it. */
    private const ENDED_BY_VISITOR = [3, 9];
    private const OFFLINE_REQUEST = 7;
    /** The author of LHC's own lines. */
    private const SYSTEM = -1;
    /** As an author for the service: one who does not have the chat by writing. */
    private const NOBODY = 0;

    private readonly ChatPlace $place;

    public function __construct(private readonly ChatReader $reader, private readonly Words $words)
    {
        $this->place = new ChatPlace($reader);
    }

    /**
     * Reads the chat and makes the requests.
     *
     * @param list<int> $rows marks in the outbox that this is for
     * @param array<string, int|string> $hints what the marks say beyond "changed": by, transferUser, transferDepartment
     */
    public function of(int $chatId, array $rows, int $tries, array $hints): Unit
    {
        $chat = $this->reader->chat($chatId);
        // A callback may have closed it before the answer to its first request was there.
        $started = (int) ($chat['t_started'] ?? 0) === 1 || (int) ($chat['t_closed'] ?? 0) === 1;
        $visitor = (string) ($chat['t_visitor'] ?? Visitor::key((int) ($chat['c_online_user_id'] ?? 0), $chatId));
        $progress = new ChatProgress($chatId, (int) ($chat['t_last_msg_id'] ?? 0), (string) ($chat['t_seen'] ?? ''));
        $unit = fn (array $steps, bool $complete = true, array $told = [], ?array $begins = null): Unit =>
            new Unit($rows, Outbox::CHAT, $visitor, $tries, $steps, $progress, $complete, (int) ($chat['t_revision'] ?? 0), $told, $begins);
        if (($chat['c_id'] ?? null) === null) {
            $isOpen = $started && (int) $chat['t_closed'] === 0;
            return $unit($isOpen ? [self::close($chat, $chatId, $visitor, $hints + ['by' => 'operator'])] : []);
        }
        if (!$started && !self::concernsOperators($chat)) {
            return $unit([]);
        }
        $messages = $this->reader->messages($progress);
        $isOpen = self::isOpen($chat);
        $isKnown = $started && (int) $chat['t_closed'] === 0;
        $isNew = !$started || (!$isKnown && $isOpen && self::beginsAgain($chat, $messages));
        $begins = null;
        $steps = [];
        if ($isNew) {
            $isInvited = (int) $chat['c_chat_initiator'] === 1 && $this->reader->hasInvitation($visitor);
            if ($started || ($chat['t_visitor'] ?? null) === null) {
                $begins = self::beginning($chat, $isInvited);
                // From here on it is as if this had been written down already.
                $chat = array_replace($chat, array_combine(array_map(fn (string $name): string => "t_{$name}", array_keys($begins)), $begins));
            }
            $steps = $this->start($chat, $visitor, $progress, $messages, $isInvited);
        }
        if ($isOpen && ($isNew || $isKnown)) {
            array_push($steps, ...$this->place->changes($chat, $chatId, $visitor, $hints));
        }
        foreach (array_slice($messages, 0, ChatReader::ROWS_MAX) as $message) {
            // In a chat that is over for the service, only the visitor's words still matter to somebody.
            $matters = $isNew || $isKnown || $message['user_id'] === 0;
            $said = $matters ? $this->said($message, $chatId, $visitor) : [];
            // What nobody has to read is done as soon as it was seen.
            $said === [] ? $progress->done($message['id']) : $progress->waits($message['id']);
            array_push($steps, ...$said);
        }
        $complete = count($messages) <= ChatReader::ROWS_MAX;
        if ($complete && !$isOpen && ($isNew || $isKnown)) {
            $byVisitor = in_array((int) $chat['c_status_sub'], self::ENDED_BY_VISITOR, true);
            $steps[] = self::close($chat, $chatId, $visitor, $byVisitor ? ['by' => 'visitor'] : $hints + ['by' => 'system']);
        }
        return $unit($steps, $complete, $isOpen ? ChatPlace::of($chat) : [], $begins);
    }

    /**
     * What is written down before the chat's first request goes out: callbacks about the chat may be there before the
     * answer, and what they write must stand.
     *
     * @param array<string, mixed> $chat
     * @param bool $isInvited the service knows who invited the visitor
     * @return array<string, int> columns of `lhc_xmppchat_chat`
     */
    private static function beginning(array $chat, bool $isInvited): array
    {
        return [
            'started' => 0,
            'closed' => 0,
            'owner_id' => $isInvited ? (int) $chat['c_user_id'] : 0,
            'dep_id' => (int) $chat['c_dep_id'],
            'status' => self::PENDING,
        ];
    }

    /**
     * Whether a chat that is over for the service begins again: LHC has opened it, or the visitor writes in it. LHC may
     * have several chats of a visitor open, and the service has the one in which they wrote last.
     *
     * @param array<string, mixed> $chat
     * @param list<array<string, mixed>> $messages
     */
    private static function beginsAgain(array $chat, array $messages): bool
    {
        $words = array_filter($messages, static fn (array $message): bool => $message['user_id'] === 0);
        return (int) $chat['t_status'] === self::CLOSED || $words !== [];
    }

    /** @param array<string, mixed> $chat */
    private static function isOpen(array $chat): bool
    {
        return (int) $chat['c_status'] !== self::CLOSED
            && !in_array((int) $chat['c_status_sub'], self::ENDED_BY_VISITOR, true);
    }

    /**
     * Whether a chat that the service does not know is one for operators: not while a bot has it, not an offline form,
     * not a talk between operators.
     *
     * @param array<string, mixed> $chat
     */
    private static function concernsOperators(array $chat): bool
    {
        $status = (int) $chat['c_status'];
        if ((int) $chat['c_status_sub'] === self::OFFLINE_REQUEST) {
            return false;
        }
        $botOnly = (int) $chat['c_gbot_id'] > 0 && (int) $chat['c_user_id'] === 0;
        return in_array($status, [self::PENDING, self::ACTIVE], true) || ($status === self::CLOSED && !$botOnly);
    }

    /**
     * The chat begins, with the visitor's first words. An operator's row before them is the invitation. If it came from
     * the service, it is there already.
     *
     * @param array<string, mixed> $chat
     * @param list<array<string, mixed>> $messages of those, the ones that need nothing more are taken away
     * @return list<Step>
     */
    private function start(array $chat, string $visitor, ChatProgress $progress, array &$messages, bool $isInvited): array
    {
        $chatId = $progress->chatId;
        $steps = [];
        $other = $this->reader->otherOpenChat($visitor, $chatId);
        if ($other !== null) {
            // The service has one chat of a visitor at a time.
            $steps[] = Step::of('close', $other, (int) $chat['t_revision'], "visitors/{$visitor}/chats/{$other}/close", [
                'by' => 'system',
                'reason' => 'another chat began',
            ], ['other' => $other]);
        }
        $body = ['chatId' => (string) $chatId];
        $department = $this->reader->department((int) $chat['c_dep_id']);
        $nick = trim((string) $chat['c_nick']);
        $body += $department === '' ? [] : ['department' => $department];
        $body += $nick === '' || $nick === 'Visitor' ? [] : ['nick' => $nick];
        $told = ['started' => 1];
        $first = null;
        foreach ($messages as $at => $message) {
            if ($message['user_id'] === 0) {
                $words = $this->words->ofVisitor($message['msg'], $message['meta']);
                if (count($words) === 1 && !$message['ours']) {
                    $first = $message['id'];
                    $body['message'] = ['id' => "lhc-{$first}"] + $words[0];
                    $progress->waits($first);
                    unset($messages[$at]);
                }
                break;
            }
            if ($isInvited && $message['user_id'] > 0) {
                $told['invitation'] = $message['id'];
                $progress->done($message['id']);
                unset($messages[$at]);
            } elseif ((int) $chat['c_chat_initiator'] === 1) {
                $messages[$at]['invites'] = true;
            }
        }
        $messages = array_values($messages);
        $steps[] = Step::of('start', $chatId, (int) $chat['t_revision'], "visitors/{$visitor}/chats", $body, $told, $first);
        return $steps;
    }

    /**
     * The request that a row makes; none for what nobody has to read: LHC's own lines, whispers, what came from us.
     *
     * @param array<string, mixed> $message
     * @return list<Step>
     */
    private function said(array $message, int $chatId, string $visitor): array
    {
        $author = $message['user_id'];
        if ($message['ours'] || $author === self::SYSTEM || isset($message['meta']['content']['whisper'])) {
            return [];
        }
        $steps = [];
        $words = $author === 0
            ? $this->words->ofVisitor($message['msg'], $message['meta'])
            : array_map(fn (string $part): array => ['body' => $part], $this->words->of($message['msg'], $message['meta']));
        foreach ($words as $at => $part) {
            $id = "lhc-{$message['id']}" . ($at === 0 ? '' : ".{$at}");
            $isLast = $at === count($words) - 1;
            // Who invited has not answered: LHC invites by itself in the name of any operator who is online.
            $writer = isset($message['invites']) ? min($author, self::NOBODY) : $author;
            $body = $author === 0
                ? ['id' => $id, 'chatId' => (string) $chatId] + $part
                : ['id' => $id, 'lhcUserId' => $writer, 'name' => $this->reader->name($author, $message['name_support'])] + $part;
            $path = $author === 0 ? "visitors/{$visitor}/messages" : "visitors/{$visitor}/chats/{$chatId}/operator-messages";
            $steps[] = new Step('msg-' . substr($id, 4), $path, $body, [], $isLast ? $message['id'] : null);
        }
        return $steps;
    }

    /**
     * @param array<string, mixed> $chat
     * @param array<string, int|string> $who by, and the name of an operator
     */
    private static function close(array $chat, int $chatId, string $visitor, array $who): Step
    {
        $body = ['by' => (string) $who['by']];
        if ($body['by'] === 'operator' && trim((string) ($who['name'] ?? '')) !== '') {
            $body['name'] = mb_substr(trim((string) $who['name']), 0, 100, 'UTF-8');
        }
        return Step::of('close', $chatId, (int) $chat['t_revision'], "visitors/{$visitor}/chats/{$chatId}/close", $body, [
            'closed' => 1,
            'status' => self::CLOSED,
        ]);
    }
}
