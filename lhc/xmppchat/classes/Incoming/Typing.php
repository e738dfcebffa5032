<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Incoming;

use XmppChat\Lhc\Database;

/** `operator.typing`: sent once, kept nowhere. LHC shows it for 60 s unless it is ended. */
final class Typing
{
    private const STATES = ['composing' => true, 'paused' => false, 'active' => false];

    public function __construct(private readonly Database $database, private readonly Visitors $visitors, private readonly Operators $operators)
    {
    }

    public function typing(Callback $callback): Answer
    {
        $state = $callback->data->text('state', 16);
        $types = self::STATES[$state] ?? throw new Malformed('data.state', 'must be composing, paused or active');
        $chat = $this->visitors->chat($callback);
        $user = $this->operators->actIn($chat, $callback->data->object('operator'));
        if ($types && Visitors::isOpen($chat) && in_array((int) $chat->user_id, [0, (int) $user->id], true)) {
            $this->write((int) $chat->id, time(), (int) $user->id);
        } elseif (!$types && (int) $chat->operator_typing_id === (int) $user->id) {
            $this->write((int) $chat->id, 0, 0);
        }
        return Answer::accepted();
    }

    /** Nobody types any more; the caller saves the chat, with `FIELDS` if it names fields. */
    public static function end(\erLhcoreClassModelChat $chat): void
    {
        $chat->operator_typing = 0;
        $chat->operator_typing_id = 0;
    }

    public const FIELDS = ['operator_typing', 'operator_typing_id'];

    private function write(int $chatId, int $since, int $userId): void
    {
        $this->database->run(
            'UPDATE lh_chat SET operator_typing = ?, operator_typing_id = ? WHERE id = ?',
            [$since, $userId, $chatId],
        );
    }
}
