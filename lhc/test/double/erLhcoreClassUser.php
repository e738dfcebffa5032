<?php

declare(strict_types=1);

/** The operator of this session (lib/core/lhuser/lhuser.php). A test says who it is, and what they may do. */
final class erLhcoreClassUser
{
    private static ?self $instance = null;

    /** @param list<string> $rights each as `module function` */
    public function __construct(private readonly int $userId = 0, private readonly array $rights = [])
    {
    }

    public static function instance()
    {
        return self::$instance ??= new self();
    }

    /** The double's own: begins a session, or none. */
    public static function signIn(?self $user): void
    {
        self::$instance = $user;
        unset($_SESSION['lhc_csfr_token']);
    }

    public static function getSession()
    {
        return erLhcoreClassChat::getSession();
    }

    public function isLogged()
    {
        return $this->userId > 0;
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
        foreach ((array) $functions as $function) {
            if (!in_array("{$module} {$function}", $this->rights, true)) {
                return false;
            }
        }
        return true;
    }

    public function getCSFRToken()
    {
        return $_SESSION['lhc_csfr_token'] ??= bin2hex(random_bytes(16));
    }

    public function validateCSRFToken($token)
    {
        return $this->getCSFRToken() == $token;
    }
}
