<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Admin;

/**
 * The words of the back office, by LHC's translations. What comes back is plain text: whoever prints it escapes it.
 *
 * Values stand in `{braces}` and are put in here. LHC's own placeholders (`%name`) do not work in a translated text:
 * its library replaces them with the `e` modifier of `preg_replace`, which PHP has no more, and then the English text
 * is shown.
 */
final class Words
{
    /** The context in `translations/…/translation.ts`. */
    public const CONTEXT = 'xmppchat/admin';

    /**
     * @param string $text English, the key of the translation; a literal, so that a test finds it
     * @param array<string, string|int> $values for `{name}` in the text
     */
    public static function t(string $text, array $values = []): string
    {
        $pairs = [];
        foreach ($values as $name => $value) {
            $pairs['{' . $name . '}'] = (string) $value;
        }
        return strtr(self::translated($text), $pairs);
    }

    /** For HTML. */
    public static function escape(string|int|null $text): string
    {
        return htmlspecialchars((string) $text, ENT_QUOTES | ENT_SUBSTITUTE);
    }

    private static function translated(string $text): string
    {
        if (!class_exists('erTranslationClassLhTranslation')) {
            return $text;
        }
        $escaped = \erTranslationClassLhTranslation::$htmlEscape;
        try {
            \erTranslationClassLhTranslation::$htmlEscape = false;
            $translated = (string) \erTranslationClassLhTranslation::getInstance()->getTranslation(self::CONTEXT, $text);
            return $translated === '' ? $text : $translated;
        } catch (\Throwable) {
            return $text;
        } finally {
            \erTranslationClassLhTranslation::$htmlEscape = $escaped;
        }
    }
}
