<?php

declare(strict_types=1);

use XmppChat\Lhc\Admin\SettingsPage;
use XmppChat\Lhc\Extension;
use XmppChat\Lhc\Structure;
use XmppChat\Lhc\Test\Office;

/** The page of the settings: what is written, what is refused, and that secrets are not shown again. */
final class SettingsPageTest extends Office
{
    private const GOOD = [
        'enabled' => '1', 'serviceUrl' => 'https://xmpp-chat.example.org/', 'tenant' => 'shop', 'apiKey' => '',
        'callbackSecret' => '', 'lhcAddress' => 'https://lhc.example.org',
    ];

    protected function setUp(): void
    {
        parent::setUp();
        $this->signIn('configure');
    }

    private function page(): SettingsPage
    {
        return new SettingsPage($this->extension);
    }

    /** @return array<string, string> */
    private function stored(): array
    {
        return array_column($this->rowsOf('lhc_xmppchat_setting'), 'value', 'name');
    }

    public function testWritesWhatIsGoodAndKeepsSecretsThatWereLeftEmpty(): void
    {
        $before = $this->stored();
        $html = $this->post($this->page(), 'save', ['shareTyping' => '1'] + self::GOOD);
        self::assertSame('The settings are saved.', self::alerts($html));
        $after = $this->stored();
        self::assertSame(['https://xmpp-chat.example.org', 'shop', '1', '1'], [$after['serviceUrl'], $after['tenant'], $after['shareTyping'], $after['enabled']]);
        self::assertSame([$before['apiKey'], $before['callbackSecret']], [$after['apiKey'], $after['callbackSecret']]);
    }

    public function testTheVersionOfTheApiIsNoPartOfTheAddress(): void
    {
        foreach (['https://a.example/v1', 'https://a.example/v1/', 'https://a.example/v1/shop', 'https://a.example//'] as $address) {
            $this->post($this->page(), 'save', ['serviceUrl' => $address] + self::GOOD);
            self::assertSame('https://a.example', $this->stored()['serviceUrl']);
        }
        $this->post($this->page(), 'save', ['serviceUrl' => 'https://a.example/v1chat'] + self::GOOD);
        self::assertSame('https://a.example/v1chat', $this->stored()['serviceUrl']);
    }

    public function testWithoutTheTokenNothingIsWritten(): void
    {
        $before = $this->stored();
        foreach (['', 'wrong', '0'] as $token) {
            $html = $this->post($this->page(), 'save', ['csfr_token' => $token] + self::GOOD);
            self::assertStringContainsString('too old', self::alerts($html));
        }
        $this->post($this->page(), 'secret', ['csfr_token' => ['a']]);
        self::assertSame($before, $this->stored());
        self::assertSame(403, http_response_code());
    }

    /** @return array<string, array{array<string, string>, string}> */
    public function refused(): array
    {
        return [
            'another scheme' => [['serviceUrl' => 'ftp://a.example'], 'Address of the service: has to begin with https://'],
            'no host' => [['serviceUrl' => 'https://'], 'Address of the service: '],
            'a password' => [['serviceUrl' => 'https://a:b@c.example'], 'Address of the service: must not contain a user'],
            'a query' => [['serviceUrl' => 'https://c.example/?a=1'], 'Address of the service: must not contain ?'],
            'a quote' => [['serviceUrl' => "https://c.example/'; id #"], 'Address of the service: '],
            'a script' => [['serviceUrl' => 'https://c.example/"><script>alert(1)</script>'], 'Address of the service: has a path'],
            'capitals' => [['tenant' => 'Shop'], 'Tenant: is a-z'],
            'a reserved tenant' => [['tenant' => 'tenants'], 'Tenant: is a-z'],
            'a short key' => [['apiKey' => 'short'], 'API key: has 16 to 256'],
            'a secret without its prefix' => [['callbackSecret' => base64_encode(str_repeat('a', 32))], 'Callback secret: is whsec_'],
            'a short secret' => [['callbackSecret' => 'whsec_' . base64_encode('short')], 'Callback secret: is whsec_'],
            'an address of LHC' => [['lhcAddress' => 'javascript:alert(1)'], 'Address of this LHC: '],
            'nothing' => [['serviceUrl' => '', 'tenant' => ''], 'Tenant: is needed before'],
        ];
    }

    /**
     * @dataProvider refused
     * @param array<string, string> $fields
     */
    public function testNamesFieldAndReason(array $fields, string $reason): void
    {
        $before = $this->stored();
        $html = $this->post($this->page(), 'save', $fields + self::GOOD);
        self::assertStringContainsString($reason, self::alerts($html));
        self::assertStringNotContainsString('<script>alert', $html);
        self::assertSame($before, $this->stored());
    }

    public function testANewSecretIsShownOnceAndWholeInTheRequest(): void
    {
        $html = html_entity_decode($this->post($this->page(), 'secret'), ENT_QUOTES);
        $secret = $this->stored()['callbackSecret'];
        self::assertMatchesRegularExpression('~^whsec_[A-Za-z0-9+/]{43}=$~', $secret);
        self::assertStringContainsString("xmpp-chat tenants put shop --file - <<'END'", $html);
        preg_match('~<pre[^>]*id="xc-command"[^>]*>[^\n]*\n([^\n]*)\nEND</pre>~', $html, $found);
        self::assertSame(
            ['host' => 'XMPP-HOST', 'callbackUrl' => 'https://lhc.example.org/xmppchat/callback', 'callbackSecret' => $secret],
            json_decode($found[1], true),
        );
        self::assertStringNotContainsString($secret, $this->get($this->page()));
    }

    public function testWhatWasTypedStaysWhenTheOtherButtonsArePressed(): void
    {
        $typed = ['tenant' => 'other', 'serviceUrl' => 'https://other.example', 'lhcAddress' => 'https://chat.example/'];
        foreach (['secret', 'tables'] as $action) {
            $html = html_entity_decode($this->post($this->page(), $action, $typed), ENT_QUOTES);
            self::assertStringContainsString('xmpp-chat tenants put other --file', $html);
            self::assertStringContainsString("'https://other.example/v1/tenants/other'", $html);
            self::assertStringContainsString('"callbackUrl":"https://chat.example/xmppchat/callback"', $html);
            self::assertStringContainsString('name="tenant" maxlength="31" value="other"', $html);
        }
        self::assertSame('shop', $this->stored()['tenant']);
    }

    public function testSecretsAreNeverShownAgain(): void
    {
        $this->settings(['apiKey' => 'a-key-that-nobody-reads', 'callbackSecret' => 'whsec_' . base64_encode('nobody reads this one')]);
        foreach ([$this->get($this->page()), $this->post($this->page(), 'save', ['tenant' => 'NO'] + self::GOOD)] as $html) {
            self::assertStringNotContainsString('a-key-that-nobody', $html);
            self::assertStringNotContainsString(base64_encode('nobody reads this one'), $html);
            self::assertStringContainsString('ends with eads', $html);
        }
    }

    public function testWorksWithoutTablesAndMakesThem(): void
    {
        try {
            foreach ($this->database->rows("SHOW TABLES LIKE 'lhc\\_xmppchat\\_%'") as $row) {
                $this->database->run('DROP TABLE `' . current($row) . '`');
            }
            $this->extension = new Extension();
            self::assertStringContainsString('missing or old', $this->get($this->page()));
            $whole = ['apiKey' => 'key-of-the-tests-0123', 'callbackSecret' => 'whsec_' . base64_encode(str_repeat('a', 32))] + self::GOOD;
            self::assertStringContainsString('Install or update', self::alerts($this->post($this->page(), 'save', $whole)));
            $expired = erConfigClassLhCacheConfig::getInstance()->expired;
            self::assertStringContainsString('Statements that were carried out', self::alerts($this->post($this->page(), 'tables')));
            self::assertSame($expired + 1, erConfigClassLhCacheConfig::getInstance()->expired);
            self::assertSame([], (new Structure($this->database))->pending());
            self::assertSame('The tables are up to date.', self::alerts($this->post($this->page(), 'tables')));
        } finally {
            (new Structure($this->database))->update();
        }
    }

    public function testAHostedSiteChangesNothingThatTheManagerKeeps(): void
    {
        $this->settings(['hosted' => true]);
        $before = $this->stored();
        $this->post($this->page(), 'save', ['enabled' => '', 'serviceUrl' => 'https://evil.example', 'tenant' => 'other'] + self::GOOD);
        $this->post($this->page(), 'secret');
        $switches = ['enabled' => '', 'sharePreview' => '', 'shareTyping' => ''];
        self::assertEquals($switches + $before, $switches + $this->stored());
        self::assertStringNotContainsString('name="serviceUrl"', $this->get($this->page()));
    }
}
