<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Incoming;

use XmppChat\Lhc\Database;

/** `visitor.invited`, `visitor.invitation_expired`, and what becomes of them when a chat is over. */
final class Invitations
{
    /** Seconds since the visitor's last sign of life within which they count as on the site; LHC calls them "away" as long. */
    private const ON_SITE_S = 300;
    private const HELPER_EXTENSION = 'nodejshelper';
    private const TABLE = 'lhc_xmppchat_message';

    public function __construct(
        private readonly Database $database,
        private readonly Visitors $visitors,
        private readonly Operators $operators,
        private readonly MessageIds $ids,
    ) {
    }

    /** @param \Closure(): Messages $messages for a visitor who has begun a chat meanwhile */
    public function invited(Callback $callback, \Closure $messages): Answer
    {
        [$id, $text, $replaces] = Messages::parts($callback->data->object('message'));
        $visitor = $this->visitors->key($callback);
        [$online, $chat] = $this->visitors->onlineWithChat($visitor)
            ?? throw new Refused('visitor-unknown', 'Live Helper Chat does not know this visitor');
        if ($chat !== null) {
            $user = $this->operators->actIn($chat, $callback->data->object('operator'));
            $messages()->say($chat, $user, $visitor, $id, $text, false);
            return Answer::accepted();
        }
        $user = $this->operators->act($callback->data->object('operator'));
        $this->operators->requireDepartment($user, (int) $online->dep_id);
        return $this->invite($online, $user, $visitor, $id, $text, $replaces);
    }

    /**
     * The chat is over. If the visitor is still there, the words become an invitation.
     *
     * @throws Refused if they are gone, or talk in another chat
     */
    public function insteadOf(string $visitor, \erLhcoreClassModelUser $user, string $id, string $text): Answer
    {
        [$online, $other] = $this->visitors->onlineWithChat($visitor) ?? [null, null];
        if ($online === null || $other !== null || !self::isOnSite($online)) {
            throw new Refused('chat-ended', 'The chat is over, and the visitor is not there any more');
        }
        $this->invite($online, $user, $visitor, $id, $text, null);
        return Answer::notice('invited');
    }

    /**
     * Takes the invitation off the visitor's screen. Its words stay: whoever has it open can still answer it, and then
     * LHC writes them into the chat.
     */
    public function expired(Callback $callback): Answer
    {
        $operator = $this->operators->find($callback->data->object('operator'));
        $online = $this->visitors->online($this->visitors->key($callback));
        $invitation = $online === null ? null : Invitation::of($online);
        if ($online !== null && $invitation !== null && $operator !== null && $invitation->operatorId === (int) $operator->id) {
            self::takeDown($online);
        }
        return Answer::accepted();
    }

    /** The service forgets the visitor: an answer would belong to nothing any more. */
    public function forgotten(Callback $callback): Answer
    {
        $visitor = $this->visitors->key($callback);
        $online = $this->visitors->online($visitor);
        if ($online !== null && Invitation::of($online) !== null) {
            self::takeDown($online);
        }
        $this->database->run('DELETE FROM ' . self::TABLE . ' WHERE visitor = ? AND msg_id = 0', [$visitor]);
        return Answer::accepted();
    }

    private function invite(
        \erLhcoreClassModelChatOnlineUser $online,
        \erLhcoreClassModelUser $user,
        string $visitor,
        string $id,
        string $text,
        ?string $replaces,
    ): Answer {
        $text = Rows::neutral($text);
        Rows::guardrails($text, (int) $online->dep_id);
        $invitation = Invitation::of($online);
        $further = $invitation !== null && $invitation->operatorId === (int) $user->id && $invitation->isUnanswered($online);
        if (!$further) {
            $invitation = Invitation::by($user, $online);
            $this->database->run('DELETE FROM ' . self::TABLE . ' WHERE visitor = ? AND msg_id = 0', [$visitor]);
        }
        $wasShown = $invitation->wasShown();
        $invitation = $replaces !== null && $invitation->has($replaces)
            ? $invitation->corrected($replaces, $id, $text)
            : $invitation->with($id, $text);
        $invitation->writeTo($online);
        $online->saveThis();
        // The sender knows the row by this when the visitor has answered.
        $this->ids->remember($visitor, $id, 0, 0);
        \erLhcoreClassChatEventDispatcher::getInstance()->dispatch('onlineuser.proactive_send_invitation', ['ou' => &$online]);
        return $wasShown && !self::helperPushes() ? Answer::notice('not-shown-yet') : Answer::accepted();
    }

    /** Takes it off the visitor's screen. */
    public static function takeDown(\erLhcoreClassModelChatOnlineUser $online): void
    {
        if ((int) $online->message_seen === 0) {
            $online->message_seen = 1;
            $online->message_seen_ts = time();
            $online->saveThis();
        }
    }

    private static function isOnSite(\erLhcoreClassModelChatOnlineUser $online): bool
    {
        return max((int) $online->last_visit, (int) $online->last_check_time) > time() - self::ON_SITE_S;
    }

    /** Whether LHC's Node helper tells the widget to look again. */
    private static function helperPushes(): bool
    {
        $extensions = \erConfigClassLhConfig::getInstance()->getSetting('site', 'extensions', false);
        return is_array($extensions) && in_array(self::HELPER_EXTENSION, $extensions, true);
    }
}
