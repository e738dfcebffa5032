<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Incoming;

/**
 * The user of LHC as whom a callback acts: LHC's classes ask `erLhcoreClassUser::instance()` who is there and what they
 * may. LHC's own one would begin a session and answer "nobody". There is no session here, and nothing is kept.
 */
final class ActingUser extends \erLhcoreClassUser
{
    /** Where LHC keeps its one instance. */
    private const PLACE = 'LhUserInstance';

    /** @var ?array<string, mixed> */
    private ?array $rights = null;

    /** @param ?\erLhcoreClassModelUser $user null: nobody, who may do nothing */
    private function __construct(private readonly ?\erLhcoreClassModelUser $user)
    {
        $this->authenticated = $user !== null;
        $this->cache_version = $user === null ? 0 : $user->cache_version;
    }

    /**
     * Runs `$work` as nobody; inside, `become()` makes it an operator.
     *
     * @template T
     * @param callable(): T $work
     * @return T
     */
    public static function during(callable $work): mixed
    {
        $before = $GLOBALS[self::PLACE] ?? null;
        $GLOBALS[self::PLACE] = new self(null);
        try {
            return $work();
        } finally {
            $GLOBALS[self::PLACE] = $before;
        }
    }

    /** From now on LHC takes this operator for who acts, to the end of `during()`. */
    public static function become(\erLhcoreClassModelUser $user): void
    {
        $GLOBALS[self::PLACE] = new self($user);
    }

    /** @return ?int */
    public function getUserID()
    {
        return $this->user === null ? null : (int) $this->user->id;
    }

    /** @return \erLhcoreClassModelUser|false */
    public function getUserData($useCache = false)
    {
        return $this->user ?? false;
    }

    /** @return array<string, mixed> */
    public function accessArray()
    {
        return $this->rights ??= $this->generateAccessArray();
    }

    /** @return array<string, mixed> */
    public function generateAccessArray()
    {
        if ($this->user === null) {
            return [];
        }
        $rights = \erLhcoreClassRole::accessArrayByUserID($this->user->id);
        \erLhcoreClassChatEventDispatcher::getInstance()->dispatch('user.after_generate_access_array', ['accessArray' => &$rights]);
        return $rights;
    }
}
