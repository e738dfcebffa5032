<?php

declare(strict_types=1);

namespace XmppChat\Lhc;

/**
 * Emoji as LHC keeps reactions: a number of Unicode in hexadecimal with the value 1, and for the two thumbs of LHC's own
 * pages `thumb` with 1 or 0 (LiveHelperChat\Helpers\Reaction, lhgenericbot/message/meta_render_msg_body.tpl.php).
 */
final class Emoji
{
    private const THUMB = 'thumb';
    private const THUMBS = ['1' => "\u{1F44D}", '0' => "\u{1F44E}"];
    /** What makes a character colourful, and the colours of skin. LHC's widget shows the emoji without. */
    private const VARIANTS = '/[\x{FE0F}\x{1F3FB}-\x{1F3FF}]/u';

    /**
     * The name and the value under which LHC keeps the emoji; null if LHC's widget cannot show it, because it is made of
     * several characters (a flag, a family).
     *
     * @return ?array{string, string}
     */
    public static function toLhc(string $emoji): ?array
    {
        $plain = (string) preg_replace(self::VARIANTS, '', mb_scrub($emoji, 'UTF-8'));
        $thumb = array_search($plain, self::THUMBS, true);
        if ($thumb !== false) {
            return [self::THUMB, (string) $thumb];
        }
        // LHC writes the name into a page as it is: it must be nothing but hexadecimal digits.
        return mb_strlen($plain) === 1 && mb_ord($plain) > 0xA8 ? [strtoupper(dechex(mb_ord($plain))), '1'] : null;
    }

    /** @return ?string null for a reaction that LHC's administrator has made, and that is no emoji */
    public static function fromLhc(string $name, string $value): ?string
    {
        if ($name === self::THUMB) {
            return self::THUMBS[$value] ?? null;
        }
        if ($value !== '1' || preg_match('/^[0-9A-F]{2,64}$/D', $name) !== 1) {
            return null;
        }
        // Of several characters LHC writes eight digits each, and leaves out the zeros at the beginning.
        $digits = str_pad($name, (int) (ceil(strlen($name) / 8) * 8), '0', STR_PAD_LEFT);
        $emoji = '';
        foreach (str_split($digits, 8) as $number) {
            $character = mb_chr((int) hexdec($number), 'UTF-8');
            if ($character === false || hexdec($number) <= 0xA8) {
                return null;
            }
            $emoji .= $character;
        }
        return $emoji;
    }
}
