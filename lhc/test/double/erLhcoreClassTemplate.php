<?php

declare(strict_types=1);

/** LHC's templates (lib/core/lhtpl/tpl.php), without its compilation: the extension's own files. */
final class erLhcoreClassTemplate
{
    private static ?self $instance = null;

    /** @var array<string, mixed> */
    private array $values = [];

    private function __construct(private string $file)
    {
    }

    public static function getInstance($file = null)
    {
        self::$instance ??= new self((string) $file);
        self::$instance->file = (string) $file;
        self::$instance->values = [];
        return self::$instance;
    }

    public function set($name, $value)
    {
        $this->values[$name] = $value;
    }

    public function setArray($array)
    {
        $this->values = array_merge($this->values, $array);
    }

    public function fetch($file = null)
    {
        extract($this->values, EXTR_SKIP);
        ob_start();
        try {
            include erLhcoreClassDesign::designtpl($file ?? $this->file);
            return ob_get_contents();
        } finally {
            ob_end_clean();
        }
    }
}
