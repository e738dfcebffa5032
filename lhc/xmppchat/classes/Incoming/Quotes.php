<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Incoming;

use XmppChat\Lhc\Database;

/** A reply as LHC's pages write it: the words that it is about stand before it, as a quotation with the number of their row. */
final class Quotes
{
    /** Characters of a quotation at most. */
    public const WORDS_MAX = 300;
    private const TAG = '[quote]';

    public function __construct(private readonly Database $database, private readonly MessageIds $ids)
    {
    }

    /**
     * The quotation to put before a reply.
     *
     * @param string $messageId of the message that it is about
     * @return string empty if LHC has not got that one in this chat, or its administrator shows no quotations of operators
     */
    public function of(\erLhcoreClassModelChat $chat, string $visitor, string $messageId): string
    {
        $rowId = $this->ids->rowIn((int) $chat->id, $visitor, $messageId);
        if ($rowId === null || !$this->isShown()) {
            return '';
        }
        $text = (string) $this->database->value('SELECT msg FROM lh_msg WHERE id = ?', [$rowId]);
        // A quotation in a quotation, and what LHC has translated. Then all tags: a visitor may have written any, and LHC
        // shows more of them in the words of an operator.
        $text = (string) preg_replace('#\[(quote|translation)[^\]]*\].*?\[/\1\]#is', '', $text);
        $text = trim((string) preg_replace('#\[/?[a-z_]+[^\]]*\]#i', '', $text));
        $words = mb_substr($text, 0, self::WORDS_MAX, 'UTF-8');
        return $words === '' ? '' : "[quote={$rowId}]{$words}" . ($words === $text ? '' : '…') . '[/quote]';
    }

    private function isShown(): bool
    {
        $stored = (string) $this->database->value("SELECT value FROM lh_chat_config WHERE identifier = 'bbcode_options'");
        $options = $stored === '' ? [] : @unserialize($stored, ['allowed_classes' => false]);
        return !is_array($options) || !in_array(self::TAG, (array) ($options['dio'] ?? []), true);
    }
}
