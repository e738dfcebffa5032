<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Incoming;

use XmppChat\Lhc\Database;
use XmppChat\Lhc\Emoji;

/**
 * `message.reaction`: what operators feel about a visitor's message. LHC keeps one set of them for a message, whoever has
 * reacted, and its widget shows it below the message.
 */
final class Reactions
{
    private const REACTIONS_MAX = 20;
    private const REACTION_MAX_BYTES = 256;

    public function __construct(
        private readonly Database $database,
        private readonly Visitors $visitors,
        private readonly Operators $operators,
    ) {
    }

    public function reacted(Callback $callback): Answer
    {
        $emoji = $callback->data->texts('reactions', self::REACTIONS_MAX, self::REACTION_MAX_BYTES);
        $messageId = $callback->data->text('messageId', Messages::ID_MAX_BYTES);
        $chat = $this->visitors->chat($callback);
        $this->operators->actIn($chat, $callback->data->object('operator'));
        $row = $this->row($chat, $messageId);
        $now = [];
        foreach (array_filter(array_map(Emoji::toLhc(...), $emoji)) as [$name, $value]) {
            $now[$name] = $value;
        }
        if ($now === [] && $emoji !== []) {
            throw new Refused('not-possible', 'Live Helper Chat cannot show this emoji');
        }
        $meta = $row->meta_msg_array;
        $before = $meta['content']['reactions']['current'] ?? [];
        $before = is_array($before) ? $before : [];
        if ($before != $now) {
            $meta['content']['reactions']['current'] = $now;
            if ($now === []) {
                unset($meta['content']['reactions']['current']);
            }
            $this->write($chat, $row, $meta, $before, $now);
        }
        return Answer::notice('done');
    }

    /** The visitor's message, locked. @throws Refused */
    private function row(\erLhcoreClassModelChat $chat, string $messageId): \erLhcoreClassModelmsg
    {
        // A long message of LHC went in parts.
        $rowId = MessageIds::ours((string) preg_replace('/\.[1-9]$/D', '', $messageId));
        $known = $rowId !== null
            && $this->database->value('SELECT id FROM lh_msg WHERE id = ? FOR UPDATE', [$rowId]) !== null;
        $row = $known ? \erLhcoreClassModelmsg::fetch($rowId, false) : false;
        if (!$row instanceof \erLhcoreClassModelmsg || (int) $row->chat_id !== (int) $chat->id || (int) $row->user_id !== 0) {
            throw new Refused('not-possible', 'Live Helper Chat has no such message of the visitor in this chat');
        }
        return $row;
    }

    /**
     * @param array<mixed> $meta
     * @param array<mixed> $before
     * @param array<string, string> $now
     */
    private function write(\erLhcoreClassModelChat $chat, \erLhcoreClassModelmsg $row, array $meta, array $before, array $now): void
    {
        $row->meta_msg_array = $meta;
        $row->meta_msg = json_encode($meta, JSON_THROW_ON_ERROR | JSON_INVALID_UTF8_SUBSTITUTE);
        $row->updateThis(['update' => ['meta_msg']]);
        // The visitor's widget fetches the row again when it reads this, and LHC's pages for operators by the other.
        $chat->operation .= "lhinst.updateMessageRow({$row->id});\n";
        $chat->operation_admin .= "lhinst.updateMessageRowAdmin({$chat->id},{$row->id});\n";
        $chat->updateThis(['update' => ['operation', 'operation_admin']]);
        $changes = [];
        foreach (array_diff_assoc($now, $before) as $name => $value) {
            $changes[] = ['reaction_identifier' => (string) $name, 'reaction_value' => $value, 'action' => 'add'];
        }
        foreach (array_diff_key($before, $now) as $name => $value) {
            $changes[] = ['reaction_identifier' => (string) $name, 'reaction_value' => '', 'action' => 'remove'];
        }
        foreach ($changes as $change) {
            \erLhcoreClassChatEventDispatcher::getInstance()->dispatch('chat.reaction_operator', $change + ['msg' => &$row, 'chat' => &$chat]);
        }
    }
}
