<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Incoming;

/** A message that takes the place of an earlier one: LHC's own edit of that row. */
final class Corrections
{
    public function __construct(private readonly MessageIds $ids, private readonly Visitors $visitors)
    {
    }

    /**
     * @param string $id       of the correction
     * @param string $replaces of the message that is corrected
     * @param string $quote    in front of the text (Quotes)
     * @return bool false if LHC never got that one: then this is a message like any other
     */
    public function correct(
        \erLhcoreClassModelChat $chat,
        \erLhcoreClassModelUser $user,
        string $visitor,
        string $id,
        string $text,
        string $replaces,
        string $quote = '',
    ): bool {
        $rowId = $this->ids->row($visitor, $replaces);
        $row = $rowId === null || $rowId === 0 ? false : \erLhcoreClassModelmsg::fetch($rowId, false);
        if (!$row instanceof \erLhcoreClassModelmsg || (int) $row->chat_id !== (int) $chat->id || (int) $row->user_id !== (int) $user->id) {
            return false;
        }
        $text = Rows::neutral($text);
        Rows::guardrails($text, (int) $chat->dep_id);
        $text = $this->inInvitation($chat, $row, $replaces, $id, $quote . $text);
        $this->ids->remember($visitor, $id, (int) $row->id, (int) $chat->id);
        $this->edit($chat, $row, $user, $text);
        return true;
    }

    /** Changes the text of a row as LHC's page does. */
    public function edit(\erLhcoreClassModelChat $chat, \erLhcoreClassModelmsg $row, \erLhcoreClassModelUser $user, string $text): void
    {
        if ($row->msg === $text) {
            return;
        }
        $before = $row->msg;
        $row->msg = $text;
        Rows::translate($chat, $row);
        $dispatcher = \erLhcoreClassChatEventDispatcher::getInstance();
        $dispatcher->dispatch('chat.before_msg_admin_update', ['msg' => &$row, 'chat' => &$chat]);
        if (!Operators::may('no_edit_history')) {
            self::keepHistory($row, $user, $before);
        }
        $row->updateThis();
        // The visitor's widget fetches the row again when it reads this.
        $chat->operation .= "lhinst.updateMessageRow({$row->id});\n";
        Typing::end($chat);
        $chat->updateThis(['update' => ['operation', ...Typing::FIELDS]]);
        $dispatcher->dispatch('chat.message_updated', ['msg' => &$row, 'chat' => &$chat]);
        $dispatcher->dispatch('chat.message_updated_admin', ['user' => $user, 'msg' => &$row, 'chat' => &$chat]);
    }

    /** What is left of the row without this message: the other words of an invitation that it was a part of. */
    public function without(\erLhcoreClassModelChat $chat, \erLhcoreClassModelmsg $row, string $id): string
    {
        [$online, $invitation] = $this->invitation($chat, $row, $id);
        if ($online === null || $invitation === null) {
            return '';
        }
        $left = $invitation->without($id);
        $left->keepParts($online);
        $online->saveThis();
        return $left->text();
    }

    /** If the row was an invitation of several messages: its whole text, with this one corrected. */
    private function inInvitation(
        \erLhcoreClassModelChat $chat,
        \erLhcoreClassModelmsg $row,
        string $replaces,
        string $id,
        string $text,
    ): string {
        [$online, $invitation] = $this->invitation($chat, $row, $replaces);
        if ($online === null || $invitation === null) {
            return $text;
        }
        $corrected = $invitation->corrected($replaces, $id, $text);
        $corrected->keepParts($online);
        $online->saveThis();
        return $corrected->text();
    }

    /**
     * The invitation that the row was, with who was invited.
     *
     * @return array{?\erLhcoreClassModelChatOnlineUser, ?Invitation} nulls if it was none, or not with this message
     */
    private function invitation(\erLhcoreClassModelChat $chat, \erLhcoreClassModelmsg $row, string $id): array
    {
        $online = $this->visitors->online((string) $chat->online_user_id);
        $invitation = $online === null ? null : Invitation::of($online);
        $isOf = $invitation !== null && $invitation->has($id) && $invitation->text() === trim($row->msg);
        return $isOf ? [$online, $invitation] : [null, null];
    }

    /** What LHC's operators see beside the row: that it was changed, and what it was. */
    private static function keepHistory(\erLhcoreClassModelmsg $row, \erLhcoreClassModelUser $user, string $before): void
    {
        $meta = $row->meta_msg_array;
        $notice = $meta['content']['notice'] ?? [];
        $line = "[{$user->id}] {$user->name_support} "
            . htmlspecialchars_decode(Rows::words('chat/adminchat', 'has modified a message.')) . ' '
            . htmlspecialchars_decode(Rows::words('chat/adminchat', 'Original message')) . " - [b]{$before}[/b]";
        $notice['reason'] = 'msg_edit';
        if (isset($notice['content'])) {
            $notice['content_history'][] = $line;
        } else {
            $notice['content'] = $line;
        }
        $meta['content']['notice'] = $notice;
        $row->meta_msg_array = $meta;
        $row->meta_msg = json_encode($meta, JSON_THROW_ON_ERROR | JSON_INVALID_UTF8_SUBSTITUTE);
    }
}
