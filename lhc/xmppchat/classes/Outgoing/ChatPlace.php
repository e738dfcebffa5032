<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Outgoing;

/** Who has a chat, and which department it waits in. */
final class ChatPlace
{
    private const PENDING = 0;
    private const ACTIVE = 1;

    public function __construct(private readonly ChatReader $reader)
    {
    }

    /** @param array<string, mixed> $chat @return array<string, int> the columns of `lhc_xmppchat_chat` */
    public static function of(array $chat): array
    {
        return [
            'owner_id' => (int) $chat['c_user_id'],
            'dep_id' => (int) $chat['c_dep_id'],
            'status' => (int) $chat['c_status'] === self::ACTIVE ? self::ACTIVE : self::PENDING,
        ];
    }

    /**
     * The requests about it.
     *
     * @param array<string, mixed> $chat
     * @param array<string, int|string> $hints
     * @return list<Step>
     */
    public function changes(array $chat, int $chatId, string $visitor, array $hints): array
    {
        $told = self::of($chat);
        ['owner_id' => $owner, 'dep_id' => $department, 'status' => $status] = $told;
        $revision = (int) $chat['t_revision'];
        $path = "visitors/{$visitor}/chats/{$chatId}";
        if ($owner > 0 && ($owner !== (int) $chat['t_owner_id'] || $status > (int) $chat['t_status'])) {
            return [Step::of('owner', $chatId, $revision, "{$path}/owner", [
                'lhcUserId' => $owner,
                'name' => $this->reader->name($owner, ''),
                'accepted' => $status === self::ACTIVE,
            ], $told)];
        }
        $name = $this->reader->department($department);
        $moved = $department !== (int) $chat['t_dep_id'];
        // Who has accepted a chat keeps it in the other department too.
        if ($name !== '' && ($owner === 0 ? (int) $chat['t_owner_id'] > 0 || $moved : $moved && $status === self::PENDING)) {
            return [Step::of('transfer', $chatId, $revision, "{$path}/transfer", ['department' => $name], $told)];
        }
        return $this->offered($chatId, $revision, $path, $hints);
    }

    /**
     * A transfer that is offered in LHC's pages and not taken yet: an operator of ours is asked, and others go on to
     * have it until it is taken.
     *
     * @param array<string, int|string> $hints
     * @return list<Step>
     */
    private function offered(int $chatId, int $revision, string $path, array $hints): array
    {
        $user = (int) ($hints['transferUser'] ?? 0);
        if ($user > 0) {
            return !$this->reader->isOperator($user) ? [] : [Step::of('owner', $chatId, $revision, "{$path}/owner", [
                'lhcUserId' => $user,
                'name' => $this->reader->name($user, ''),
                'accepted' => false,
            ])];
        }
        $name = $this->reader->department((int) ($hints['transferDepartment'] ?? 0));
        return $name === '' ? [] : [Step::of('transfer', $chatId, $revision, "{$path}/transfer", ['department' => $name])];
    }
}
