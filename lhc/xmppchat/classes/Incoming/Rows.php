<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Incoming;

/** Rows of a chat (`lh_msg`), written as LHC's own pages write them. Who writes one saves the chat's fields after it. */
final class Rows
{
    /** LHC's number of whoever speaks for the system: only operators see it. */
    private const SYSTEM = -1;
    /** LHC's number of a bot: visitors read it. */
    private const BOT = -2;
    private const HTML = '[html]';

    public function __construct(private readonly MessageIds $ids)
    {
    }

    /**
     * What an operator says to the visitor. `!` at its beginning is a character like any other.
     *
     * @param string $visitor the visitor's key
     * @param string $id      the message's id in the service
     * @param string $quote   in front of the text (Quotes)
     * @throws Refused if LHC's administrator lets nobody write such a text
     */
    public function said(
        \erLhcoreClassModelChat $chat,
        \erLhcoreClassModelUser $user,
        string $text,
        string $visitor,
        string $id,
        string $quote = '',
    ): \erLhcoreClassModelmsg {
        $text = self::neutral($text);
        self::guardrails($text, (int) $chat->dep_id);
        $row = new \erLhcoreClassModelmsg();
        $row->msg = $quote . $text;
        $row->chat_id = $chat->id;
        $row->user_id = $user->id;
        $row->time = time();
        $row->name_support = $user->name_support;
        $row->del_st = \erLhcoreClassModelmsg::STATUS_SENT;
        $row->meta_msg = json_encode(['content' => MessageIds::mark($id)], JSON_THROW_ON_ERROR);
        self::translate($chat, $row);
        self::named($row, $chat, null);
        \erLhcoreClassChat::getSession()->save($row);
        $this->ids->remember($visitor, $id, (int) $row->id, (int) $chat->id);
        return $row;
    }

    /**
     * What the service itself says to the visitor.
     *
     * @param string $visitor the visitor's key
     * @param string $id      the message's id in the service
     * @throws Refused if LHC's administrator lets nobody write such a text
     */
    public function notice(\erLhcoreClassModelChat $chat, string $text, string $visitor, string $id): \erLhcoreClassModelmsg
    {
        $text = str_replace(self::HTML, '[ html]', $text);
        self::guardrails($text, (int) $chat->dep_id);
        $row = new \erLhcoreClassModelmsg();
        $row->msg = $text;
        $row->chat_id = $chat->id;
        $row->user_id = self::BOT;
        $row->time = time();
        $row->name_support = self::words('chat/startchat', 'Live Support');
        $row->del_st = \erLhcoreClassModelmsg::STATUS_SENT;
        $row->meta_msg = json_encode(['content' => MessageIds::mark($id)], JSON_THROW_ON_ERROR);
        \erLhcoreClassChat::getSession()->save($row);
        $this->ids->remember($visitor, $id, (int) $row->id, (int) $chat->id);
        return $row;
    }

    /**
     * A line for LHC's operators. The visitor does not see it.
     *
     * @param \Closure(string): string $text      of the name that is shown for the operator
     * @param array<string, mixed>     $meta      what LHC's own row says in `meta_msg`, below `content`
     */
    public function line(
        \erLhcoreClassModelChat $chat,
        ?\erLhcoreClassModelUser $user,
        \Closure $text,
        string $id,
        array $meta = [],
    ): \erLhcoreClassModelmsg {
        $row = new \erLhcoreClassModelmsg();
        $row->chat_id = $chat->id;
        $row->user_id = self::SYSTEM;
        $row->time = time();
        $row->name_support = $user === null ? '' : (string) $user->name_support;
        self::named($row, $chat, $user === null ? 0 : (int) $user->id);
        $row->name_support = (string) $row->name_support !== '' ? (string) $row->name_support : self::words('chat/startchat', 'Live Support');
        $row->msg = $text($row->name_support);
        $row->meta_msg = json_encode(['content' => $meta + MessageIds::mark($id)], JSON_THROW_ON_ERROR);
        \erLhcoreClassChat::getSession()->save($row);
        $chat->last_msg_id = max((int) $chat->last_msg_id, (int) $row->id);
        return $row;
    }

    /** The name that LHC shows for an operator in this chat. */
    public static function nameIn(\erLhcoreClassModelChat $chat, \erLhcoreClassModelUser $user): string
    {
        $row = new \erLhcoreClassModelmsg();
        $row->name_support = (string) $user->name_support;
        self::named($row, $chat, (int) $user->id);
        return (string) $row->name_support;
    }

    /**
     * LHC's pages put `[html] is disabled for you!` in the place of a message with this tag, if the operator lacks the
     * right. The words would be lost; so the tag alone is broken here.
     */
    public static function neutral(string $text): string
    {
        return str_contains($text, self::HTML) && !Operators::may('htmlbbcodeenabled')
            ? str_replace(self::HTML, '[ html]', $text)
            : $text;
    }

    /** A sentence of LHC's own, in its language. */
    public static function words(string $context, string $english): string
    {
        return (string) \erTranslationClassLhTranslation::getInstance()->getTranslation($context, $english);
    }

    /** For a chat with automatic translation, as LHC's page does it. */
    public static function translate(\erLhcoreClassModelChat $chat, \erLhcoreClassModelmsg $row): void
    {
        if ($chat->chat_locale != '' && $chat->chat_locale_to != '' && ($chat->chat_variables_array['lhc_live_trans'] ?? false) === true
            && !str_contains($row->msg, '[translation]')) {
            \erLhcoreClassTranslate::translateChatMsgOperator($chat, $row);
        }
    }

    /** @throws Refused if the text holds what LHC's "guardrails" keep from visitors */
    public static function guardrails(string $text, int $departmentId): void
    {
        $config = \erLhcoreClassModelChatConfig::fetch('guardrails_enabled');
        if (!is_object($config) || (int) $config->current_value !== 1) {
            return;
        }
        $ghosting = \LiveHelperChat\Models\LHCAbstract\ChatMessagesGhosting::class;
        $masked = $ghosting::maskMessage($text, [
            'dep_id' => $departmentId,
            'type' => $ghosting::MSG_TYPE_OPERATOR_TO_VISITOR,
            'return_array' => true,
        ]);
        if ($masked['message'] !== $text) {
            $warning = trim((string) ($masked['warning'] ?? ''));
            throw new Refused('not-allowed', $warning !== '' ? $warning : 'Live Helper Chat does not pass on such a text');
        }
    }

    /** The operator's name in this department, and what other extensions make of the row. */
    private static function named(\erLhcoreClassModelmsg &$row, \erLhcoreClassModelChat &$chat, ?int $userId): void
    {
        $arguments = ['msg' => &$row, 'chat' => &$chat] + ($userId === null ? [] : ['user_id' => $userId]);
        \LiveHelperChat\Models\Departments\UserDepAlias::getAlias(['scope' => 'msg'] + $arguments);
        \erLhcoreClassChatEventDispatcher::getInstance()->dispatch('chat.before_msg_admin_saved', $arguments);
    }
}
