<?php

declare(strict_types=1);

/** LHC's file of settings (lib/core/lhconfig/lhconfig.php). A test sets what it needs. */
final class erConfigClassLhConfig
{
    private static ?self $instance = null;

    /** @var array<string, array<string, mixed>> */
    private array $settings = [];

    public static function getInstance()
    {
        return self::$instance ??= new self();
    }

    public function getSetting($section, $key, $throwException = true)
    {
        if (isset($this->settings[$section][$key])) {
            return $this->settings[$section][$key];
        }
        return $throwException === true ? throw new Exception("There is no setting {$section} {$key}.") : false;
    }

    public function hasSetting($section, $key)
    {
        return isset($this->settings[$section][$key]);
    }

    public function getOverrideValue($section, $key)
    {
        return $this->settings[$section][$key] ?? null;
    }

    public function setSetting($section, $key, $value)
    {
        $this->settings[$section][$key] = $value;
    }
}
