<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Test;

use XmppChat\Lhc\Admin\Request;
use XmppChat\Lhc\Clock;
use XmppChat\Lhc\Extension;

/** Tests of the back office: somebody is signed in, and a service is there, by real HTTP. */
abstract class Office extends TestCase
{
    protected static ?ScriptedService $service = null;

    protected Extension $extension;
    /** Ms that the clock is ahead. */
    protected int $aheadMs = 0;

    public static function tearDownAfterClass(): void
    {
        self::$service = null;
    }

    protected function setUp(): void
    {
        parent::setUp();
        $this->aheadMs = 0;
        self::$service ??= new ScriptedService();
        self::$service->answer([]);
        $this->settings();
        $this->extension = new Extension(new Clock(fn (): int => (int) (microtime(true) * 1_000) + $this->aheadMs));
        Extension::reset($this->extension);
        http_response_code(200);
    }

    /** @param array<string, string|bool> $values */
    protected function settings(array $values = []): \XmppChat\Lhc\Settings
    {
        return parent::settings($values + ['serviceUrl' => self::$service?->url() ?? '', 'apiKey' => 'key-of-the-tests-0123', 'lhcAddress' => 'https://lhc.example.org']);
    }

    /** Only the double has a session that a test can begin; the pages are tried on a real LHC in a browser. */
    protected function signIn(string ...$rights): void
    {
        if ((getenv('LHC_DIR') ?: '') !== '') {
            self::markTestSkipped('a session of a real LHC needs its pages');
        }
        $admin = $this->operator(['username' => 'ada' . bin2hex(random_bytes(3))]);
        \erLhcoreClassUser::signIn(new \erLhcoreClassUser((int) $admin->id, array_map(fn (string $right): string => "lhxmppchat {$right}", $rights)));
    }

    /** @param array<string, string> $parameters of the address */
    protected function get(object $page, array $parameters = []): string
    {
        return $page->handle(new Request(false, [], $parameters))['content'];
    }

    /**
     * @param array<string, mixed> $fields
     * @param array<string, string> $parameters of the address
     */
    protected function post(object $page, string $action, array $fields = [], array $parameters = []): string
    {
        $token = ['csfr_token' => \erLhcoreClassUser::instance()->getCSFRToken(), 'action' => $action];
        return $page->handle(new Request(true, $fields + $token, $parameters))['content'];
    }

    /** What a page says in its alerts. */
    protected static function alerts(string $html): string
    {
        preg_match_all('~<div role="(?:alert|status)"[^>]*>(.*?)</div>~s', $html, $found);
        return html_entity_decode(implode("\n", $found[1]), ENT_QUOTES);
    }
}
