<?php

declare(strict_types=1);

/** LHC's translations (lib/core/lhcore/lhtranslation.php). The double speaks English. Texts come escaped for HTML. */
final class erTranslationClassLhTranslation
{
    public static $htmlEscape = true;

    private static ?self $instance = null;

    public static function getInstance()
    {
        return self::$instance ??= new self();
    }

    /** @param array<int|string, scalar> $params in the text as `%name`, or `%1` for the first without a name */
    public function getTranslation($context, $string, $params = [])
    {
        $replaced = [];
        foreach ($params as $name => $value) {
            $replaced['%' . (is_int($name) ? $name % 9 + 1 : $name)] = (string) $value;
        }
        $text = strtr($string, $replaced);
        return self::$htmlEscape ? htmlspecialchars($text, ENT_QUOTES) : $text;
    }
}
