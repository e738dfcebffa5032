<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Accounts;

/** What the service should know of an operator, as LHC has it now. Without a password: nobody stores one. */
final class Wish
{
    /** Names that the service takes for one operator at most. */
    private const DEPARTMENTS_MAX = 100;
    private const NAME_MAX = 128;
    /** Chats at the same time that the service takes for one operator at most. */
    private const CAPACITY_MAX = 1_000;
    /**
     * For a user who has no department in LHC: to the service, an operator without departments serves all of them.
     * No department of LHC has this name, so nobody gets its chats.
     */
    public const NO_DEPARTMENT = '(no department)';

    /**
     * @param list<string> $departments names; empty: all departments
     * @param ?int $capacity chats at the same time; null: as many as the tenant's settings say
     */
    private function __construct(
        public readonly int $userId,
        public readonly string $name,
        public readonly array $departments,
        public readonly ?int $capacity,
    ) {
    }

    /**
     * @param bool $serveAll whether LHC gives the user all departments
     * @param list<string> $departments as LHC names them
     * @param int $limit LHC's "maximum chats" of the user; 0: none
     */
    public static function of(int $userId, string $name, bool $serveAll, array $departments, int $limit): self
    {
        $names = array_values(array_unique(array_filter(array_map(
            fn (string $each): string => mb_substr(trim($each), 0, self::NAME_MAX),
            $departments,
        ), fn (string $each): bool => $each !== '')));
        sort($names);
        $names = array_slice($names, 0, self::DEPARTMENTS_MAX);
        return new self($userId, mb_substr(trim($name), 0, self::NAME_MAX), match (true) {
            $serveAll => [],
            $names === [] => [self::NO_DEPARTMENT],
            default => $names,
        }, $limit > 0 ? min($limit, self::CAPACITY_MAX) : null);
    }

    /** @return array<string, mixed> the body of `PUT /v1/{tenant}/operators/{username}` */
    public function body(): array
    {
        return ['lhcUserId' => $this->userId, 'departments' => $this->departments, 'capacity' => $this->capacity]
            + ($this->name === '' ? [] : ['name' => $this->name]);
    }

    /** The same for the same wish: whether the service was told already. */
    public function digest(): string
    {
        return hash('sha256', json_encode($this->body(), JSON_THROW_ON_ERROR | JSON_INVALID_UTF8_SUBSTITUTE));
    }
}
