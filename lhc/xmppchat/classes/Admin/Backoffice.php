<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Admin;

/** LHC's back office around our pages: rights, the token of forms, templates, addresses. */
final class Backoffice
{
    public const MODULE = 'lhxmppchat';
    /** The rights of module.php. */
    public const CONFIGURE = 'configure';
    public const ACCOUNTS = 'accounts';

    public static function may(string $right): bool
    {
        return \erLhcoreClassUser::instance()->hasAccessTo(self::MODULE, $right) === true;
    }

    /** Whether a posted form carries the token of this session. LHC's own comparison takes `0e1` and `0e2` for the same. */
    public static function holdsToken(Request $request): bool
    {
        $token = (string) \erLhcoreClassUser::instance()->getCSFRToken();
        return $token !== '' && hash_equals($token, $request->text('csfr_token'));
    }

    /**
     * Whether a posted form may be carried out. If not, the status of the answer is set, and the reason is returned.
     *
     * @return string empty if it may
     */
    public static function refusal(Request $request): string
    {
        if (self::holdsToken($request)) {
            return '';
        }
        http_response_code(403);
        return Words::t('The form was too old. Nothing was changed: please send it again.');
    }

    /**
     * What a view of LHC returns.
     *
     * @param string $template below `design/xmppchattheme/tpl/`
     * @param array<string, mixed> $values the template's variables, beside `$t` (translated and escaped), `$e` (escaped)
     *                                     and `$url` (an address of the back office, escaped)
     * @return array<string, mixed>
     */
    public static function page(string $template, string $title, array $values): array
    {
        $view = \erLhcoreClassTemplate::getInstance($template);
        $view->setArray($values + self::tools());
        return [
            'content' => $view->fetch(),
            'path' => [['url' => self::url('xmppchat/status'), 'title' => 'XMPP chat'], ['title' => Words::escape($title)]],
        ];
    }

    /** An address of the back office, with the site access of now. */
    public static function url(string $path): string
    {
        // In pieces, because LHC compiles calls of its function that it finds in views.
        return \erLhcoreClassDesign::baseurl($path);
    }

    /** @return array<string, \Closure> */
    private static function tools(): array
    {
        return [
            't' => static fn (string $text, array $values = []): string => Words::escape(Words::t($text, $values)),
            'e' => Words::escape(...),
            'url' => static fn (string $path): string => Words::escape(self::url($path)),
            'time' => static fn (int $ms): string => $ms <= 0 ? Words::escape(Words::t('never')) : date('Y-m-d H:i:s', intdiv($ms, 1000)),
            'token' => static fn (): string => Words::escape((string) \erLhcoreClassUser::instance()->getCSFRToken()),
        ];
    }
}
