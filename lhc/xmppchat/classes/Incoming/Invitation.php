<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Incoming;

/**
 * An operator's words to a visitor who has no chat, as they stand at LHC's visitor: LHC shows one text, and writes it
 * into the chat when the visitor answers. So further words are added to that text, and nothing of it is lost. The parts
 * are kept beside it, so that one of them can be corrected.
 */
final class Invitation
{
    /** Bytes of the whole text at most. */
    public const TEXT_MAX_BYTES = 16_384;
    /** The name among LHC's attributes of the visitor. Its value is a text: LHC puts these values into texts. */
    private const ATTRIBUTE = 'xmppchat_invitation';

    private const NOT_FETCHED = -1;
    /** Messages of one invitation at most. */
    private const PARTS_MAX = 100;

    /** @param list<array{string, string, string}> $parts of each message, in order: its mark, its text, its last correction's mark */
    private function __construct(
        public readonly int $operatorId,
        /** LHC's chat of the visitor when they were invited: another one means that they have answered. */
        private readonly int $chatId,
        private readonly array $parts,
        /** Whether the visitor's widget had some of the words on the screen when more came. */
        private readonly bool $shown = false,
    ) {
    }

    /** A new one without words. */
    public static function by(\erLhcoreClassModelUser $user, \erLhcoreClassModelChatOnlineUser $visitor): self
    {
        return new self((int) $user->id, (int) $visitor->chat_id, []);
    }

    /** The visitor's last one by the service; null if there is none, or if LHC has put another one in its place. */
    public static function of(\erLhcoreClassModelChatOnlineUser $visitor): ?self
    {
        $stored = ($visitor->online_attr_system_array ?? [])[self::ATTRIBUTE] ?? null;
        $state = is_string($stored) ? json_decode($stored, true) : null;
        if (!is_array($state) || !is_int($state['operator'] ?? null) || !is_int($state['chat'] ?? null) || !is_array($state['parts'] ?? null)) {
            return null;
        }
        $invitation = new self(
            $state['operator'],
            $state['chat'],
            array_values(array_filter($state['parts'], self::isPart(...))),
            // LHC's "not fetched yet" is -1; each new text begins with it again.
            ($state['shown'] ?? false) === true || (int) $visitor->invitation_id !== self::NOT_FETCHED,
        );
        $stands = (int) $visitor->operator_user_id === $invitation->operatorId
            && trim((string) $visitor->operator_message) === $invitation->text();
        return $stands ? $invitation : null;
    }

    /**
     * Carries over an invitation that came after LHC had read this visitor, and before it writes all of the row. Without it
     * a page view undoes the invitation, and the operator believes that it stands.
     *
     * @param \erLhcoreClassModelChatOnlineUser $visitor about to be saved
     * @param \erLhcoreClassModelChatOnlineUser $stored as the database has them
     * @return bool whether there was one
     */
    public static function carryOver(
        \erLhcoreClassModelChatOnlineUser $visitor,
        \erLhcoreClassModelChatOnlineUser $stored,
    ): bool {
        $isNew = (self::attributes($stored)[self::ATTRIBUTE] ?? null) !== (self::attributes($visitor)[self::ATTRIBUTE] ?? null);
        $invitation = $isNew ? self::of($stored) : null;
        $invitation?->writeTo($visitor);
        return $invitation !== null;
    }

    /** Whether the visitor has not answered it with a chat. */
    public function isUnanswered(\erLhcoreClassModelChatOnlineUser $visitor): bool
    {
        return (int) $visitor->chat_id === 0 || (int) $visitor->chat_id === $this->chatId;
    }

    /**
     * Whether the widget has shown some of it. Then it does not look for more until the next page, so the visitor does
     * not read what is added.
     */
    public function wasShown(): bool
    {
        return $this->shown;
    }

    /** The text that the visitor reads. */
    public function text(): string
    {
        return trim(implode("\n", array_column($this->parts, 1)));
    }

    /** Whether one of its messages, or its last correction, has this id. */
    public function has(string $id): bool
    {
        return $this->position($id) !== null;
    }

    /**
     * With one more message.
     *
     * @throws Refused if the text is too long then
     */
    public function with(string $id, string $text): self
    {
        return $this->parted([...$this->parts, [self::mark($id), $text, '']]);
    }

    /**
     * With another text in the place of one message.
     *
     * @param string $id of the correction
     * @throws Refused if the text is too long then
     */
    public function corrected(string $replaced, string $id, string $text): self
    {
        $parts = $this->parts;
        $position = $this->position($replaced);
        if ($position !== null) {
            $parts[$position] = [$parts[$position][0], $text, self::mark($id)];
        }
        return $this->parted($parts);
    }

    /** Without one of its messages. */
    public function without(string $id): self
    {
        $position = $this->position($id);
        $parts = $this->parts;
        if ($position !== null) {
            array_splice($parts, $position, 1);
        }
        return $this->parted($parts);
    }

    /** Writes it to the visitor's fields; the caller saves them. */
    public function writeTo(\erLhcoreClassModelChatOnlineUser $visitor): void
    {
        $attributes = self::attributes($visitor);
        // What LHC's "send notice" takes away: marks of earlier invitations that would keep this one from being shown.
        unset($attributes['qinv'], $attributes['session_inv'], $attributes['lhcinv_exp'], $attributes['lhcnxt_ivt']);
        $attributes['lhc_assign_to_me'] = 1;
        $this->store($visitor, $attributes);
        $visitor->operator_message = $this->text();
        $visitor->operator_user_id = $this->operatorId;
        $visitor->message_seen = 0;
        $visitor->message_seen_ts = 0;
        $visitor->invitation_id = self::NOT_FETCHED;
        $visitor->requires_email = 0;
        $visitor->requires_username = 0;
        $visitor->requires_phone = 0;
    }

    /** Keeps only the parts: the chat has the text already. The caller saves the visitor. */
    public function keepParts(\erLhcoreClassModelChatOnlineUser $visitor): void
    {
        $this->store($visitor, self::attributes($visitor));
        $visitor->operator_message = $this->text();
    }

    /** @param array<string, mixed> $attributes */
    private function store(\erLhcoreClassModelChatOnlineUser $visitor, array $attributes): void
    {
        $attributes[self::ATTRIBUTE] = json_encode(
            ['operator' => $this->operatorId, 'chat' => $this->chatId, 'parts' => $this->parts, 'shown' => $this->shown],
            JSON_THROW_ON_ERROR | JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES,
        );
        $visitor->online_attr_system_array = $attributes;
        $visitor->online_attr_system = json_encode($attributes, JSON_THROW_ON_ERROR);
    }

    /** @return array<string, mixed> */
    private static function attributes(\erLhcoreClassModelChatOnlineUser $visitor): array
    {
        $attributes = $visitor->online_attr_system_array;
        return is_array($attributes) ? $attributes : [];
    }

    private function position(string $id): ?int
    {
        foreach ($this->parts as $position => [$first, , $last]) {
            if (in_array(self::mark($id), [$first, $last], true)) {
                return $position;
            }
        }
        return null;
    }

    /** Ids may be long; these are kept at the visitor. */
    private static function mark(string $id): string
    {
        return substr(hash('sha256', $id), 0, 16);
    }

    /** @param list<array{string, string, string}> $parts */
    private function parted(array $parts): self
    {
        $changed = new self($this->operatorId, $this->chatId, $parts, $this->shown);
        if (strlen($changed->text()) > self::TEXT_MAX_BYTES || count($parts) > self::PARTS_MAX) {
            throw new Refused('not-possible', 'The invitation has become too long: wait for the answer of the visitor');
        }
        return $changed;
    }

    private static function isPart(mixed $part): bool
    {
        return is_array($part) && is_string($part[0] ?? null) && is_string($part[1] ?? null) && is_string($part[2] ?? null);
    }
}
