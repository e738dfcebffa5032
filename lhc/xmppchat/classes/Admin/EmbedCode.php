<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Admin;

use XmppChat\Lhc\Database;

/**
 * Whether the web site's embed code asks LHC for invitations while a page is open. LHC's generator leaves that out unless
 * a box is ticked, and then an invitation waits for the visitor's next page.
 */
final class EmbedCode
{
    private const CODE = 'embed-code';

    public function __construct(private readonly PageFetch $fetch)
    {
    }

    /** @param string $url of a page with LHC's widget; empty: the step is left out */
    public function check(string $url): Finding
    {
        if ($url === '') {
            return Finding::skipped(self::CODE, Words::t('The embed code was not looked at: no page was named.'));
        }
        ['text' => $text, 'error' => $error] = $this->fetch->read($url);
        if ($error !== '') {
            return Finding::warning(
                self::CODE,
                Words::t('The page cannot be read: {reason}', ['reason' => $error]),
                Words::t('Type the address of a page that has the LHC widget, as a visitor opens it.'),
            );
        }
        return self::judge($text);
    }

    /**
     * The page of the visitor who came last. It is what a browser said: it is only offered to the administrator.
     *
     * @return string empty if there is none
     */
    public static function suggestion(Database $database): string
    {
        $page = trim((string) $database->value('SELECT current_page FROM lh_chat_online_user ORDER BY last_visit DESC LIMIT 1'));
        $url = str_starts_with($page, '//') ? "https:{$page}" : $page;
        return PageFetch::fault($url) === null ? $url : '';
    }

    private static function judge(string $text): Finding
    {
        if (preg_match('/["\']?check_messages["\']?\s*:\s*(?:true|!0|1)\b/', $text) === 1) {
            return Finding::ok(self::CODE, Words::t('The embed code looks for invitations while a page is open.'));
        }
        if (preg_match('/LHC_API|lhc_web|widgetv2\/index\.js/', $text) === 1) {
            return Finding::warning(
                self::CODE,
                Words::t('The embed code lacks check_messages:true: an invitation is shown when the visitor opens the next page, and not before.'),
                Words::t('Generate the embed code again with "Check for operator invitation messages" ticked, or add check_messages:true to LHC_API.args. With the Node helper it is not needed.'),
            );
        }
        return Finding::warning(
            self::CODE,
            Words::t('There is no embed code of LHC on this page.'),
            Words::t('If a script such as a tag manager puts it in, look there for check_messages:true.'),
        );
    }
}
