<?php

declare(strict_types=1);

/**
 * The operator of this session (lib/core/lhuser/lhuser.php). A test says who it is, and what they may do. As in LHC, the
 * instance is a global, and each question about rights goes through `accessArray()`.
 */
class erLhcoreClassUser
{
    public $authenticated = false;
    public $cache_version = 0;

    private int $userId = 0;
    /** @var array<string, array<string, bool>> */
    private array $rights = [];

    /** @param list<string> $rights each as `module function` */
    public function __construct(int $userId = 0, array $rights = [])
    {
        $this->userId = $userId;
        $this->authenticated = $userId > 0;
        foreach ($rights as $right) {
            [$module, $function] = explode(' ', $right);
            $this->rights[$module][$function] = true;
        }
    }

    public static function instance()
    {
        return $GLOBALS['LhUserInstance'] ??= new self();
    }

    /** The double's own: begins a session, or none. */
    public static function signIn(?self $user): void
    {
        $GLOBALS['LhUserInstance'] = $user;
        unset($_SESSION['lhc_csfr_token']);
    }

    public static function getSession()
    {
        return erLhcoreClassChat::getSession();
    }

    public function isLogged()
    {
        return $this->authenticated;
    }

    public function getUserID()
    {
        return $this->userId > 0 ? $this->userId : null;
    }

    public function getUserData($useCache = false)
    {
        return self::getSession()->load('erLhcoreClassModelUser', $this->userId);
    }

    public function hasAccessTo($module, $functions, $returnLimitation = false)
    {
        return erLhcoreClassRole::canUseByModuleAndFunction($this->accessArray(), $module, $functions);
    }

    public function accessArray()
    {
        return $this->rights;
    }

    public function generateAccessArray()
    {
        return $this->rights;
    }

    public function getCSFRToken()
    {
        return $_SESSION['lhc_csfr_token'] ??= bin2hex(random_bytes(16));
    }

    public function validateCSFRToken($token)
    {
        return $this->getCSFRToken() == $token;
    }
}
