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
     * @return bool false if LHC never got that one: then this is a message like any other
     */
    public function correct(
        \erLhcoreClassModelChat $chat,
        \erLhcoreClassModelUser $user,
        string $visitor,
        string $id,
        string $text,
        string $replaces,
    ): bool {
        $rowId = $this->ids->row($visitor, $replaces);
        $row = $rowId === null || $rowId === 0 ? false : \erLhcoreClassModelmsg::fetch($rowId, false);
        if (!$row instanceof \erLhcoreClassModelmsg || (int) $row->chat_id !== (int) $chat->id || (int) $row->user_id !== (int) $user->id) {
            return false;
        }
        $text = Rows::neutral($text);
        Rows::guardrails($text, (int) $chat->dep_id);
        $text = $this->inInvitation($chat, $row, $replaces, $id, $text);
        $this->ids->remember($visitor, $id, (int) $row->id, (int) $chat->id);
        if ($row->msg === $text) {
            return true;
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
        return true;
    }

    /** If the row was an invitation of several messages: its whole text, with this one corrected. */
    private function inInvitation(
        \erLhcoreClassModelChat $chat,
        \erLhcoreClassModelmsg $row,
        string $replaces,
        string $id,
        string $text,
    ): string {
        $online = $this->visitors->online((string) $chat->online_user_id);
        $invitation = $online === null ? null : Invitation::of($online);
        if ($online === null || $invitation === null || !$invitation->has($replaces) || $invitation->text() !== trim($row->msg)) {
            return $text;
        }
        $corrected = $invitation->corrected($replaces, $id, $text);
        $corrected->keepParts($online);
        $online->saveThis();
        return $corrected->text();
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
