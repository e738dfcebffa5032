<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Incoming;

/**
 * `chat.command` and `chat.note`: what operators write for LHC, and not for the visitor. What a command changes is news
 * for the service: it is not recorded as told, so the sender reports it.
 */
final class Commands
{
    /** These only schedule a script for LHC's page of the chat, where nobody is. */
    private const OF_THE_PAGE = ['!closed', '!translate'];
    private const CLOSE = '!close';

    public function __construct(
        private readonly Visitors $visitors,
        private readonly Operators $operators,
        private readonly Rows $rows,
    ) {
    }

    /** A note for LHC's operators, as by LHC's `!note`. */
    public function note(Callback $callback): Answer
    {
        [, $text] = Messages::parts($callback->data->object('note'));
        $operator = $callback->data->object('operator');
        $chat = $this->visitors->chat($callback);
        $user = $this->operators->actIn($chat, $operator);
        $this->write($chat, $user, $text, $callback->id);
        return Answer::accepted();
    }

    /**
     * One of LHC's commands. The operator reads what LHC says to it.
     *
     * @throws Refused if LHC's page would not let them, or the command needs the page
     */
    public function command(Callback $callback): Answer
    {
        $text = trim($callback->data->text('text', Messages::TEXT_MAX_BYTES));
        $operator = $callback->data->object('operator');
        $callback->data->text('command', Messages::TEXT_MAX_BYTES);
        if (!str_starts_with($text, '!')) {
            throw new Malformed('data.text', 'must begin with !');
        }
        $chat = $this->visitors->chat($callback);
        $user = $this->operators->actIn($chat, $operator);
        if (!in_array((int) $chat->user_id, [0, (int) $user->id], true) && !Operators::may('writeremotechat')) {
            throw new Refused('not-allowed', 'This chat is another operator\'s in Live Helper Chat');
        }
        $name = explode(' ', $text, 2)[0];
        if (in_array($name, self::OF_THE_PAGE, true)) {
            throw new Refused('command-refused', "{$name} works only in Live Helper Chat's own page");
        }
        return Answer::notice('answer', $this->run($chat, $user, $name, $text, $callback->id));
    }

    /** @return string what LHC says */
    private function run(\erLhcoreClassModelChat $chat, \erLhcoreClassModelUser $user, string $name, string $text, string $id): string
    {
        $before = (int) $chat->last_msg_id;
        if ($name === self::CLOSE && ((int) $chat->user_id === (int) $user->id || Operators::may('allowcloseremote'))) {
            // LHC's own way leaves marks of typing and of unread messages at the closed chat.
            Closing::close($chat, $user);
            return Rows::words('chat/chatcommand', 'Chat was closed!');
        }
        $done = \erLhcoreClassChatCommand::processCommand(['user' => $user, 'msg' => $text, 'chat' => &$chat, 'no_ui_update' => true]);
        if (!is_array($done) || ($done['processed'] ?? false) !== true) {
            throw new Refused('command-refused', "Live Helper Chat did not carry out {$name}");
        }
        $said = trim((string) ($done['process_status'] ?? ''));
        $info = trim((string) ($done['info'] ?? ''));
        if (!$this->exists($chat)) {
            return $said;
        }
        $this->announceWritten($chat, $before);
        if (($done['ignore'] ?? false) !== true) {
            $raw = (string) ($done['raw_message'] ?? $text);
            $this->write($chat, $user, $raw . ($said === '' ? '' : " || {$said}"), $id);
        } elseif (is_object($done['last_message'] ?? null)) {
            $chat->last_msg_id = $done['last_message']->id;
            $chat->updateThis(['update' => ['last_msg_id']]);
        }
        return trim("{$info}\n{$said}");
    }

    /** Messages that the command wrote to the visitor: LHC's page announces them too. */
    private function announceWritten(\erLhcoreClassModelChat $chat, int $before): void
    {
        $rows = \erLhcoreClassModelmsg::getList([
            'filterin' => ['user_id' => [(int) $chat->user_id > 0 ? (int) $chat->user_id : -2, -2]],
            'filter' => ['chat_id' => $chat->id],
            'filtergt' => ['id' => $before],
        ]);
        foreach ($rows as $row) {
            $chat->last_msg_id = max((int) $chat->last_msg_id, (int) $row->id);
            \erLhcoreClassChatEventDispatcher::getInstance()->dispatch('chat.web_add_msg_admin', [
                'chat' => &$chat,
                'msg' => $row,
                'no_auto_events' => true,
            ]);
        }
    }

    /** A line for LHC's operators with the operator's name before it. */
    private function write(\erLhcoreClassModelChat $chat, \erLhcoreClassModelUser $user, string $text, string $id): void
    {
        $text = Rows::neutral($text);
        $row = $this->rows->line($chat, $user, static fn (string $name): string => trim("[b]{$name}[/b]: {$text}"), $id);
        $chat->updateThis(['update' => ['last_msg_id']]);
        \erLhcoreClassChatEventDispatcher::getInstance()->dispatch('chat.web_add_msg_admin', [
            'msg' => &$row,
            'chat' => &$chat,
            'ou' => null,
        ]);
    }

    /** `!delete` leaves none. */
    private function exists(\erLhcoreClassModelChat $chat): bool
    {
        return (int) $chat->id > 0 && $this->visitors->lockChat((int) $chat->id) !== null;
    }
}
