<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Outgoing;

use XmppChat\Lhc\Extension;
use XmppChat\Lhc\Incoming\Invitation;
use XmppChat\Lhc\Incoming\Visitors;
use XmppChat\Lhc\Log;

/**
 * What the extension hears of LHC. A listener writes a row in the outbox and no more: in LHC's transaction if one is
 * open, so the row is there if and only if the change is. It never begins or rolls back a transaction, and it never
 * throws: LHC would give the exception's text to the visitor.
 */
final class Listeners
{
    /**
     * Events that change a chat, most of them in LHC's transaction. What has changed is read when it is sent, so it
     * does no harm that several fire for one change, or that bots change things without any.
     */
    private const CHANGES = [
        'chat.genericbot_set_bot',
        'chat.before_msg_user_saved',
        'chat.before_msg_admin_saved',
        'chat.web_add_msg_admin',
        'chat.unread_chat',
        'chat.explicitly_closed',
        'chat.user_reopened',
        'chat.data_changed',
        'chat.accept',
        'chat.chat_accepted',
        'chat.chat_transfer_accepted',
        'chat.chat_owner_changed',
        'chat.genericbot_chat_command_transfer',
    ];
    /** Characters of what a visitor types; LHC keeps as many. */
    private const TYPED_MAX = 200;
    private const TYPED_BODY_MAX_BYTES = 65_536;
    /** Events after LHC's commit: they need a mark only if the transaction left none. */
    private const ANNOUNCEMENTS = ['chat.chat_started', 'chat.addmsguser'];

    /** @var array<int, true> chats that this request marked */
    private array $marked = [];
    /** @var array<int, true> chats that LHC's clean-up is closing */
    private array $closedByLhc = [];

    public function __construct(private readonly Extension $extension)
    {
    }

    public function attach(\erLhcoreClassChatEventDispatcher $dispatcher): void
    {
        foreach (['onlineuser.created', 'onlineuser.pageview_logged'] as $event) {
            $this->listen($dispatcher, $event, $this->viewed(...));
        }
        $this->listen($dispatcher, 'onlineuser.before_store_chat', $this->saving(...));
        $this->listen($dispatcher, 'chat.process_invitation_ou', $this->answering(...));
        foreach (self::CHANGES as $event) {
            $this->listen($dispatcher, $event, fn (array $call) => $this->mark(self::chat($call)));
        }
        foreach (self::ANNOUNCEMENTS as $event) {
            $this->listen($dispatcher, $event, $this->announced(...));
        }
        $this->listen($dispatcher, 'chat.chat_transfered', $this->offered(...));
        $this->listen($dispatcher, 'chat.auto_close', $this->closing(...));
        $this->listen($dispatcher, 'chat.close', $this->closed(...));
        $this->listen($dispatcher, 'chat.delete', fn (array $call) => $this->mark(self::chat($call), ['by' => 'operator']));
        $this->listen($dispatcher, 'chat.messages_read', $this->seen(...));
        $this->listen($dispatcher, 'chat.validstatus_chat', $this->typing(...));
        $this->listen($dispatcher, 'chat.reaction_visitor', $this->reacted(...));
    }

    /** @param callable(array<string, mixed>): mixed $work */
    private function listen(\erLhcoreClassChatEventDispatcher $dispatcher, string $event, callable $work): void
    {
        $dispatcher->listen($event, function (array $call = []) use ($event, $work): void {
            try {
                if ($this->extension->settings()->ready()) {
                    $work($call);
                }
            } catch (\Throwable $failure) {
                Log::failure("listener {$event}", $failure);
            }
        });
    }

    /** LHC writes all that it read of the visitor, without a lock. @param array<string, mixed> $call */
    private function saving(array $call): void
    {
        $visitor = $call['online_user'] ?? null;
        if (!$visitor instanceof \erLhcoreClassModelChatOnlineUser || (int) $visitor->id <= 0 || $visitor->store_chat !== true) {
            return;
        }
        $stored = Visitors::invitationNow($this->extension->database(), (int) $visitor->id);
        if ($stored !== null) {
            Invitation::carryOver($visitor, $stored);
        }
    }

    /**
     * The visitor answers an invitation, and LHC writes its text into the chat, as it read it before. Further words may have
     * come since. What comes from now on waits for the row until LHC's commit, and then is in the chat.
     *
     * @param array<string, mixed> $call
     */
    private function answering(array $call): void
    {
        $visitor = $call['ou'] ?? null;
        $message = $call['msg'] ?? null;
        if (!$visitor instanceof \erLhcoreClassModelChatOnlineUser || (int) $visitor->id <= 0 || !is_object($message)) {
            return;
        }
        $stored = Visitors::invitationNow($this->extension->database(), (int) $visitor->id, true);
        if ($stored !== null && Invitation::carryOver($visitor, $stored)) {
            $message->msg = trim((string) $visitor->operator_message);
        }
    }

    /** @param array<string, mixed> $call */
    private function viewed(array $call): void
    {
        $visitor = $call['ou'] ?? null;
        if (!is_object($visitor) || (int) $visitor->id <= 0) {
            return;
        }
        $this->extension->shutdown()->afterView(Visitor::key((int) $visitor->id, 0), PageView::of($visitor));
    }

    /** @param array<string, mixed> $call */
    private function announced(array $call): void
    {
        $chat = self::chat($call);
        if ($chat !== null && isset($this->marked[(int) $chat->id])) {
            $this->extension->shutdown()->afterChange();
            return;
        }
        $this->mark($chat);
    }

    /** @param array<string, mixed> $call */
    private function closing(array $call): void
    {
        $chat = self::chat($call);
        if ($chat !== null) {
            $this->closedByLhc[(int) $chat->id] = true;
        }
    }

    /** LHC's clean-up closes in the name of the owner: only the event before it tells the difference. @param array<string, mixed> $call */
    private function closed(array $call): void
    {
        $chat = self::chat($call);
        if ($chat === null) {
            return;
        }
        $user = isset($this->closedByLhc[(int) $chat->id]) ? null : $call['user_data'] ?? null;
        unset($this->closedByLhc[(int) $chat->id]);
        $this->mark($chat, is_object($user) ? ['by' => 'operator', 'name' => (string) $user->name_support] : ['by' => 'system']);
    }

    /** A transfer that nobody has taken yet is in no field of the chat. @param array<string, mixed> $call */
    private function offered(array $call): void
    {
        $user = (int) ($call['transfer']->transfer_to_user_id ?? 0);
        $department = (int) ($call['transfer']->dep_id ?? 0);
        $hint = $user > 0 ? ['transferUser' => $user] : ($department > 0 ? ['transferDepartment' => $department] : null);
        $this->mark(self::chat($call), $hint);
    }

    /** @param array<string, mixed> $call */
    private function seen(array $call): void
    {
        $chat = self::chat($call);
        if ($chat !== null) {
            $this->extension->outbox()->add(Outbox::SHOWN, self::keyOf($chat), (int) $chat->id);
            $this->extension->shutdown()->afterChange();
        }
    }

    /** LHC has no transaction here, and dispatches this before it saves. @param array<string, mixed> $call */
    private function reacted(array $call): void
    {
        $chat = self::chat($call);
        $message = $call['msg'] ?? null;
        if ($chat !== null && is_object($message) && (int) $message->id > 0 && (int) $message->user_id > 0) {
            $this->extension->shutdown()->afterReaction(self::keyOf($chat), (int) $chat->id, (int) $message->id);
        }
    }

    /** LHC has no event for typing, but asks whether the chat may be typed in. @param array<string, mixed> $call */
    private function typing(array $call): void
    {
        $chat = self::chat($call);
        $address = (string) ($_SERVER['REQUEST_URI'] ?? '');
        if (
            $chat === null || !$this->extension->settings()->shareTyping()
            || preg_match('#/chat/usertyping/\d+/[^/?]+/(true|false)\b#', $address, $found) !== 1
        ) {
            return;
        }
        $types = $found[1] === 'true';
        $preview = $types && $this->extension->settings()->sharePreview() ? self::typed() : '';
        $this->extension->shutdown()->afterTyping((int) $chat->id, $types, $preview);
    }

    /** What the visitor has typed, as LHC's view reads it; empty where LHC shows its own operators none of it. */
    private static function typed(): string
    {
        if ((int) \erLhcoreClassModelChatConfig::fetch('ignore_typing')->current_value === 1) {
            return '';
        }
        $text = $_POST['msg'] ?? null;
        if ($text === null) {
            $payload = json_decode((string) file_get_contents('php://input', false, null, 0, self::TYPED_BODY_MAX_BYTES), true, 8);
            $text = is_array($payload) ? ($payload['msg'] ?? null) : null;
        }
        return is_string($text) ? mb_substr(trim(strip_tags(mb_scrub($text, 'UTF-8'))), -self::TYPED_MAX, null, 'UTF-8') : '';
    }

    /** @param ?array<string, int|string> $hint what cannot be read from the chat later */
    private function mark(?object $chat, ?array $hint = null): void
    {
        if ($chat === null) {
            return;
        }
        $this->extension->outbox()->add(Outbox::CHAT, self::keyOf($chat), (int) $chat->id, $hint);
        $this->marked[(int) $chat->id] = true;
        $this->extension->shutdown()->afterChange();
    }

    /** @param array<string, mixed> $call */
    private static function chat(array $call): ?object
    {
        $chat = $call['chat'] ?? null;
        return $chat instanceof \erLhcoreClassModelChat && (int) $chat->id > 0 ? $chat : null;
    }

    private static function keyOf(object $chat): string
    {
        return Visitor::key((int) ($chat->online_user_id ?? 0), (int) $chat->id);
    }
}
