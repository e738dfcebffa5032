<?php

declare(strict_types=1);

/** An option of LHC (lib/models/lhchat/erlhcoreclassmodelchatconfig.php). One that there is not has the value null. */
#[AllowDynamicProperties]
final class erLhcoreClassModelChatConfig
{
    /** The double's own: LHC has these in files of definitions. */
    public static $dbTable = 'lh_chat_config';
    /** The double's own, as above. */
    public static $dbTableId = 'identifier';

    public $identifier = null;
    public $value = null;
    /** The double's own declaration of what is a column without a property in LHC. */
    public $type = 0;
    public $explain = null;
    public $hidden = 0;

    /** The double's own: whether a column holds a number. */
    public static function isNumber(string $column): bool
    {
        return $column === 'type' || $column === 'hidden';
    }

    public static function fetch($identifier, $throwException = false)
    {
        try {
            return erLhcoreClassChat::getSession()->load(self::class, $identifier);
        } catch (Exception $e) {
            return $throwException ? throw $e : new self();
        }
    }

    public static function fetchCache($identifier)
    {
        return self::fetch($identifier);
    }

    public function getState()
    {
        return [
            'identifier' => $this->identifier,
            'value' => $this->value,
            'type' => $this->type,
            'hidden' => $this->hidden,
            'explain' => $this->explain,
        ];
    }

    public function setState(array $properties)
    {
        foreach ($properties as $name => $value) {
            $this->$name = $value;
        }
    }

    public function saveThis()
    {
        erLhcoreClassChat::getSession()->saveOrUpdate($this);
    }

    public function __get($variable)
    {
        return match ($variable) {
            // `@`: as LHC reads values that are none.
            'data', 'data_value' => (array) @unserialize((string) $this->value, ['allowed_classes' => false]),
            'current_value' => $this->value,
            default => null,
        };
    }
}
