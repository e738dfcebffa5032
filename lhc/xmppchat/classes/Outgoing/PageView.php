<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Outgoing;

/** The body of a page view, from LHC's online user. */
final class PageView
{
    /** Characters of an address, a title and of other texts at most, as the API cuts them. */
    private const ADDRESS_MAX = 4_096;
    private const TITLE_MAX = 1_024;
    private const TEXT_MAX = 64;

    /**
     * @param object $visitor LHC's online user
     * @return array<string, mixed> the body; `dep_id` is replaced by the department's name when it is sent
     */
    public static function of(object $visitor): array
    {
        $text = static fn (string $field, int $most = self::TEXT_MAX): string =>
            mb_substr(mb_scrub((string) ($visitor->{$field} ?? ''), 'UTF-8'), 0, $most, 'UTF-8');
        $optional = [
            'title' => $text('page_title', self::TITLE_MAX),
            'referrer' => self::whole($text('referrer', self::ADDRESS_MAX)),
            'nick' => self::nick($visitor),
            'country' => $text('user_country_name'),
            'city' => $text('city'),
            'timezone' => $text('visitor_tz'),
            'language' => self::language(),
            'vid' => $text('vid'),
        ];
        return [
            'page' => self::whole($text('current_page', self::ADDRESS_MAX)),
            ...array_filter($optional, static fn (string $value): bool => $value !== ''),
            'visits' => (int) ($visitor->total_visits ?? 0),
            'dep_id' => (int) ($visitor->dep_id ?? 0),
        ];
    }

    /**
     * LHC keeps addresses without their scheme, and operators' clients make no link of `//host/…`. The browser names the
     * scheme of the page that it is on; of all others `https` is the likeliest.
     */
    private static function whole(string $address): string
    {
        if (!str_starts_with($address, '//')) {
            return $address;
        }
        $asked = parse_url((string) ($_SERVER['HTTP_REFERER'] ?? ''));
        $own = is_array($asked) && ($asked['scheme'] ?? '') === 'http' && ($asked['host'] ?? '') === parse_url($address, PHP_URL_HOST);
        return ($own ? 'http:' : 'https:') . $address;
    }

    /** The first language that the browser asks for: the page is asked for by the visitor's own browser. Empty if none. */
    private static function language(): string
    {
        $first = preg_split('/[,;]/', (string) ($_SERVER['HTTP_ACCEPT_LANGUAGE'] ?? ''), 2)[0] ?? '';
        return preg_match('/^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$/D', trim($first)) === 1 && strlen(trim($first)) <= 35 ? trim($first) : '';
    }

    /** The name that the visitor gave; empty if they gave none, because LHC's `V123` tells operators nothing. */
    private static function nick(object $visitor): string
    {
        $attributes = json_decode((string) ($visitor->online_attr_system ?? ''), true, 8);
        $name = is_array($attributes) ? ($attributes['username'] ?? '') : '';
        return is_string($name) ? mb_substr($name, 0, self::TEXT_MAX, 'UTF-8') : '';
    }
}
