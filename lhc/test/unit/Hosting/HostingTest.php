<?php

declare(strict_types=1);

use XmppChat\Lhc\Extension;
use XmppChat\Lhc\Hosting\HostingCron;
use XmppChat\Lhc\Hosting\HostingPage;
use XmppChat\Lhc\Hosting\Instance;
use XmppChat\Lhc\Hosting\Site;
use XmppChat\Lhc\Settings;
use XmppChat\Lhc\Test\Office;

/** LHC's automated hosting: the manager's cron makes and removes tenants, and works for all instances. */
final class HostingTest extends Office
{
    private const TOKEN = 'the-admin-token-of-the-hosting';
    private const DONE = [202, ['state' => 'active']];

    /** @var list<int> instances with a database */
    private array $databases = [];

    protected function setUp(): void
    {
        parent::setUp();
        $config = erConfigClassLhConfig::getInstance();
        $config->setSetting('db', 'database_user_prefix', 'lhc_hosting_');
        $config->setSetting('site', 'http_mode', 'https://');
        $config->setSetting('site', 'seller_domain', 'chats.example');
        $config->setSetting('site', 'extensions', ['instance', 'xmppchat']);
        $this->database->run('DROP TABLE IF EXISTS lhc_instance_client');
        $this->database->run('CREATE TABLE lhc_instance_client (id int PRIMARY KEY, address varchar(60), full_domain int, status int, full_xmpp_chat_supported int)');
        $this->settings(['enabled' => '', 'adminToken' => self::TOKEN, 'xmppHost' => 'chat.example', 'tenantSettings' => '{"hardTimeout":600}']);
        $this->extension->forgetSettings();
    }

    protected function tearDown(): void
    {
        erConfigClassLhConfig::getInstance()->setSetting('site', 'extensions', []);
        $this->database->run('DROP TABLE lhc_instance_client');
        foreach ($this->databases as $id) {
            $this->database->run("DROP DATABASE IF EXISTS lhc_hosting_{$id}");
        }
        self::assertSame(erConfigClassLhConfig::getInstance()->getSetting('db', 'database'), $this->database->value('SELECT DATABASE()'));
        parent::tearDown();
    }

    private function instance(int $id, string $address, int $status = Instance::WORKING, int $mayChat = 1, int $fullDomain = 0): void
    {
        $this->database->run("CREATE DATABASE IF NOT EXISTS lhc_hosting_{$id} CHARACTER SET utf8mb4");
        $this->databases[] = $id;
        $this->database->run('INSERT INTO lhc_instance_client VALUES (?, ?, ?, ?, ?)', [$id, $address, $fullDomain, $status, $mayChat]);
    }

    private function keep(bool $agreed = false): HostingCron
    {
        $this->extension->forgetSettings();
        $cron = new HostingCron($this->extension);
        $cron->keepTenants(60_000, $agreed);
        return $cron;
    }

    /** @return array<string, string> the settings of an instance */
    private function settingsOf(int $id): array
    {
        return array_column($this->database->rows("SELECT name, value FROM lhc_hosting_{$id}.lhc_xmppchat_setting"), 'value', 'name');
    }

    /** @return array<string, mixed> the manager's row of an instance */
    private function rowOf(int $id): array
    {
        return $this->database->row('SELECT * FROM lhc_xmppchat_instance WHERE instance_id = ?', [$id]) ?? [];
    }

    public function testMakesATenantForEachInstance(): void
    {
        $this->instance(1, 'Shop.acme');
        $this->instance(2, 'waits', 0);
        $this->instance(3, 'wants-no-xmpp', Instance::WORKING, 0);
        self::$service->answer(['PUT /v1/tenants/lhc-1' => self::DONE]);
        $this->keep();
        $calls = self::$service->calls();
        self::assertSame(['PUT /v1/tenants/lhc-1'], self::$service->asked());
        self::assertSame(self::TOKEN, $calls[0]['token']);
        $own = $this->settingsOf(1);
        self::assertEquals([
            'host' => 'chat.example', 'instance' => 'shop-acme', 'callbackUrl' => 'https://shop.acme.chats.example/xmppchat/callback',
            'hardTimeout' => 600, 'nodeHelper' => ['instance' => '1'], 'apiKey' => $own['apiKey'], 'callbackSecret' => $own['callbackSecret'],
        ], $calls[0]['body']);
        self::assertSame(
            [self::$service->url(), 'lhc-1', '1', '1', 'https://shop.acme.chats.example'],
            [$own['serviceUrl'], $own['tenant'], $own['enabled'], $own['hosted'], $own['lhcAddress']],
        );
        self::assertMatchesRegularExpression('/^key_[0-9a-f]{64}$/', $own['apiKey']);
        self::assertSame('made', $this->rowOf(1)['state']);
        $this->keep();
        self::assertCount(1, self::$service->calls());
    }

    public function testTheAdminTokenIsInNoInstance(): void
    {
        $this->instance(1, 'shop');
        self::$service->answer(['PUT /v1/tenants/lhc-1' => self::DONE]);
        $this->keep();
        foreach ($this->database->rows('SHOW TABLES FROM lhc_hosting_1') as $table) {
            self::assertStringNotContainsString(self::TOKEN, json_encode($this->database->rows('SELECT * FROM lhc_hosting_1.' . current($table)), JSON_THROW_ON_ERROR));
        }
        self::assertStringNotContainsString($this->settingsOf(1)['apiKey'], json_encode([$this->rowOf(1), $this->rowsOf('lhc_xmppchat_setting')], JSON_THROW_ON_ERROR));
    }

    public function testTheSameWishComesAgainUntilItIsTaken(): void
    {
        $this->instance(1, 'shop');
        self::$service->answer(['PUT /v1/tenants/lhc-1' => [503, ['detail' => 'overloaded']]]);
        $this->keep();
        $first = self::$service->calls()[0]['body'];
        self::assertSame(['wanted', '503: overloaded', ''], [$this->rowOf(1)['state'], $this->rowOf(1)['error'], $this->settingsOf(1)['enabled'] ?? '']);
        self::$service->answer(['PUT /v1/tenants/lhc-1' => self::DONE]);
        $this->keep();
        self::assertSame([], self::$service->calls());
        $this->aheadMs = 60_000;
        $this->keep();
        self::assertSame($first, self::$service->calls()[0]['body']);
        self::assertSame('1', $this->settingsOf(1)['enabled']);
    }

    public function testANameThatIsTakenIsShown(): void
    {
        $this->instance(1, 'shop');
        self::$service->answer(['PUT /v1/tenants/lhc-1' => [409, ['detail' => 'host: shop of chat.example is another tenant']]]);
        $this->keep();
        self::assertSame('failed', $this->rowOf(1)['state']);
        self::assertStringContainsString('another tenant', $this->rowOf(1)['error']);
    }

    public function testAnotherAddressIsToldAndTheNameStays(): void
    {
        $this->instance(1, 'shop');
        self::$service->answer(['PUT /v1/tenants/lhc-1' => self::DONE]);
        $this->keep();
        $key = $this->settingsOf(1)['apiKey'];
        $this->database->run("UPDATE lhc_hosting_1.lhc_xmppchat_setting SET value = '' WHERE name = 'enabled'");
        $this->database->run("UPDATE lhc_instance_client SET address = 'www.boots.example', full_domain = 1");
        $this->keep();
        $body = self::$service->calls()[1]['body'];
        self::assertSame(['shop', 'https://www.boots.example/xmppchat/callback', $key], [$body['instance'], $body['callbackUrl'], $body['apiKey']]);
        self::assertSame('', $this->settingsOf(1)['enabled'], 'the customer switched it off');
    }

    public function testATenantGoesWithItsInstance(): void
    {
        $this->instance(1, 'shop');
        $this->instance(2, 'boots');
        self::$service->answer(['PUT /v1/tenants/lhc-1' => self::DONE, 'PUT /v1/tenants/lhc-2' => self::DONE]);
        $this->keep();
        $this->database->run('UPDATE lhc_instance_client SET status = 2 WHERE id = 1');
        $this->keep();
        self::assertCount(2, self::$service->calls());
        $this->database->run('DELETE FROM lhc_instance_client WHERE id = 1');
        self::$service->answer(['DELETE /v1/tenants/lhc-1' => [503, []]]);
        $this->keep();
        self::assertSame('made', $this->rowOf(1)['state']);
        $this->aheadMs = 60_000;
        $this->settings(['purge' => '1']);
        self::$service->answer(['DELETE /v1/tenants/lhc-1' => self::DONE]);
        $this->keep();
        self::assertSame([['DELETE /v1/tenants/lhc-1'], ['purge=true'], []], [self::$service->asked(), array_column(self::$service->calls(), 'query'), $this->rowOf(1)]);
        self::assertSame('made', $this->rowOf(2)['state']);
    }

    public function testManyDoNotGoWithoutAPerson(): void
    {
        foreach ([1, 2, 3, 4, 5] as $id) {
            $this->database->run("INSERT INTO lhc_xmppchat_instance (instance_id, tenant, name, state) VALUES ({$id}, 'lhc-{$id}', 'shop{$id}', 'made')");
        }
        self::assertSame(5, $this->keep()->held);
        self::assertSame([], self::$service->calls());
        $this->database->run('RENAME TABLE lhc_instance_client TO lhc_instance_away');
        try {
            $this->keep(true);
            self::fail('a list that cannot be read is no list');
        } catch (PDOException) {
            self::assertSame([], self::$service->calls());
        } finally {
            $this->database->run('RENAME TABLE lhc_instance_away TO lhc_instance_client');
        }
        self::$service->answer(array_fill_keys(array_map(fn (int $id): string => "DELETE /v1/tenants/lhc-{$id}", [1, 2, 3, 4, 5]), self::DONE));
        self::assertSame(0, $this->keep(true)->held);
        self::assertSame([], $this->rowsOf('lhc_xmppchat_instance'));
    }

    public function testEachInstanceHasItsTurnWithItsOwnDatabase(): void
    {
        foreach ([1, 2] as $id) {
            $this->instance($id, "shop{$id}");
        }
        $this->database->run("INSERT INTO lhc_xmppchat_instance (instance_id, tenant, name, state) VALUES (9, 'lhc-9', 'without-database', 'made')");
        $this->database->run("INSERT INTO lhc_instance_client VALUES (9, 'without-database', 0, 2, 1)");
        self::$service->answer(['PUT /v1/tenants/lhc-1' => self::DONE, 'PUT /v1/tenants/lhc-2' => self::DONE]);
        $cron = $this->keep();
        $seen = [];
        $turns = $cron->each(function (Extension $instance) use (&$seen): void {
            self::assertSame($instance, Extension::instance());
            $seen[$instance->settings()->tenant()] = $this->database->value('SELECT DATABASE()');
            if ($instance->settings()->tenant() === 'lhc-1') {
                throw new RuntimeException('one that fails');
            }
        }, 60_000);
        ksort($seen);
        self::assertSame([1, ['lhc-1' => 'lhc_hosting_1', 'lhc-2' => 'lhc_hosting_2']], [$turns, $seen]);
        self::assertSame($this->extension, Extension::instance());
    }

    public function testNothingHappensBeforeTheSettingsAreComplete(): void
    {
        $this->instance(1, 'shop');
        foreach (['adminToken', 'xmppHost', 'serviceUrl'] as $name) {
            Settings::write($this->database, [$name => '']);
            $this->keep();
            $this->settings(['adminToken' => self::TOKEN, 'xmppHost' => 'chat.example']);
        }
        self::assertSame([], self::$service->calls());
    }

    public function testNames(): void
    {
        foreach (['a.b' => 'a-b', '7shops' => 'i5', 'chat' => 'i5', 'über' => 'i5', str_repeat('a', 64) => 'i5', 'shop' => 'shop'] as $address => $name) {
            self::assertSame($name, Instance::of(['id' => 5, 'address' => $address, 'full_domain' => 0, 'status' => 1])->name(), (string) $address);
        }
    }

    public function testACronJobOfTheCustomersSiteDoesNothing(): void
    {
        erConfigClassLhConfig::getInstance()->setSetting('site', 'extensions', ['instancecustomer', 'xmppchat']);
        self::assertFalse(Site::mayWork());
        self::assertStringContainsString('in the manager', (new XmppChat\Lhc\Outgoing\CronRun($this->extension))->run(0));
        erConfigClassLhConfig::getInstance()->setSetting('site', 'extensions', ['xmppchat']);
        self::assertTrue(Site::mayWork());
    }

    public function testTheTablesOfASiteAreUpdatedWhenTheManagerAsks(): void
    {
        $dispatcher = erLhcoreClassChatEventDispatcher::getInstance();
        $this->extension->attach($dispatcher);
        $this->database->run('DROP TABLE lhc_xmppchat_message');
        $dispatcher->dispatch('instance.extensions_structure', []);
        self::assertSame([], (new XmppChat\Lhc\Structure($this->database))->pending());
        erConfigClassLhConfig::getInstance()->setSetting('site', 'extensions', ['instancecustomer']);
        $this->database->run('DROP TABLE lhc_xmppchat_message');
        try {
            // Without an instance this is the manager's database.
            $dispatcher->dispatch('instance.extensions_structure', []);
            $dispatcher->dispatch('chat.instance.workflow', []);
            self::assertCount(1, (new XmppChat\Lhc\Structure($this->database))->pending());
        } finally {
            (new XmppChat\Lhc\Structure($this->database))->update();
        }
    }

    public function testThePageOfTheManager(): void
    {
        $this->signIn('configure');
        $this->instance(1, 'shop');
        self::$service->answer(['PUT /v1/tenants/lhc-1' => self::DONE]);
        $page = new HostingPage($this->extension);
        $fields = ['serviceUrl' => self::$service->url(), 'xmppHost' => 'chat.example', 'tenantPrefix' => '', 'tenantSettings' => '', 'adminToken' => ''];
        foreach ([
            ['xmppHost' => 'Chat!', 'Virtual host in ejabberd: is a host name'],
            ['tenantSettings' => '{"host":"other"}', 'must not contain host'],
            ['tenantSettings' => 'x', 'is a JSON object'],
            ['tenantPrefix' => 'UP', 'Beginning of tenants: is a-z'],
            ['serviceUrl' => '', 'Address of the service: is empty'],
        ] as $wrong) {
            $reason = array_pop($wrong);
            self::assertStringContainsString($reason, self::alerts($this->post($page, 'save', $wrong + $fields)));
        }
        $html = $this->post(new HostingPage($this->extension), 'save', $fields);
        self::assertStringContainsString('The settings are saved', self::alerts($html));
        self::assertStringNotContainsString(self::TOKEN, $html);
        $html = $this->post(new HostingPage($this->extension), 'now');
        self::assertStringContainsString('lhc-1', $html);
        $this->post(new HostingPage($this->extension), 'agreed', ['csfr_token' => 'x']);
        self::assertSame(403, http_response_code());
        erConfigClassLhConfig::getInstance()->setSetting('site', 'extensions', ['xmppchat']);
        self::assertStringContainsString('not the manager', self::alerts($this->get(new HostingPage($this->extension))));
    }
}
