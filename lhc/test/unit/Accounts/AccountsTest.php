<?php

declare(strict_types=1);

use XmppChat\Lhc\Accounts\Account;
use XmppChat\Lhc\Accounts\AccountPage;
use XmppChat\Lhc\Accounts\Wish;
use XmppChat\Lhc\Test\Office;

/** XMPP accounts of users: what a person does at the page, and what cron tells the service. */
final class AccountsTest extends Office
{
    private const DONE = [202, ['state' => 'registered']];
    private const GET = 'GET /v1/shop/operators/olga';
    private const PUT = 'PUT /v1/shop/operators/olga';
    private const DELETE = 'DELETE /v1/shop/operators/olga';

    private erLhcoreClassModelUser $user;

    protected function setUp(): void
    {
        parent::setUp();
        $sales = $this->department(['name' => 'Sales']);
        $old = $this->department(['name' => 'Old', 'disabled' => 1]);
        $this->user = $this->operator(['username' => 'olga', 'chat_nickname' => ''], [(int) $sales->id, (int) $old->id]);
    }

    private function account(): ?Account
    {
        return $this->extension->accountTable()->find((int) $this->user->id);
    }

    private function page(): AccountPage
    {
        return new AccountPage($this->extension);
    }

    /** @param array<string, mixed> $fields */
    private function press(string $action, array $fields = []): string
    {
        return $this->post($this->page(), $action, $fields, ['user_id' => (string) $this->user->id]);
    }

    private function reconcile(): int
    {
        return $this->extension->accountReconciler()->run($this->extension->clock()->nowMs() + 60_000);
    }

    /** @return list<array{call: string, query: string, token: string, body: mixed}> what the service was told */
    private function puts(): array
    {
        return array_values(array_filter(self::$service->calls(), fn (array $call): bool => $call['call'] === self::PUT));
    }

    /** An account that the service was told of. */
    private function made(): void
    {
        $wish = $this->extension->accountTable()->users([(int) $this->user->id])[(int) $this->user->id]['wish'];
        $this->extension->accountTable()->save((int) $this->user->id, 'olga', Account::ACTIVE, $wish->digest());
    }

    public function testMakesAnAccountAndStoresNoPassword(): void
    {
        $this->signIn('accounts');
        $known = ['jid' => 'olga@x.test', 'availability' => 'away', 'lhcUserId' => (int) $this->user->id];
        self::$service->answer([self::PUT => self::DONE, self::GET => [200, $known]]);
        $html = $this->press('create', ['username' => 'olga', 'password' => ' a good password']);
        self::assertSame('The account is ready.', self::alerts($html));
        self::assertStringContainsString('olga@x.test', $html);
        $call = $this->puts()[0];
        self::assertSame([self::PUT, 'key-of-the-tests-0123'], [$call['call'], $call['token']]);
        self::assertEquals(
            ['password' => ' a good password', 'lhcUserId' => (int) $this->user->id, 'name' => 'Olga Petrova', 'departments' => ['Sales'], 'capacity' => null],
            $call['body'],
        );
        self::assertSame(Account::ACTIVE, $this->account()->state);
        self::assertStringNotContainsString('good password', $html . json_encode($this->rowsOf('lhc_xmppchat_account')));
        self::assertSame(0, $this->reconcile());
    }

    /** @return array<string, array{array<string, string>, ?array{int, array<string, string>}, string}> */
    public function refusals(): array
    {
        $good = ['username' => 'olga', 'password' => 'a good password'];
        return [
            'capitals' => [['username' => 'Olga'] + $good, null, 'Username: it is a-z'],
            'a reserved one' => [['username' => 'visitor7'] + $good, null, 'Username: this one is reserved'],
            'another path' => [['username' => '../tenants'] + $good, null, 'Username: it is a-z'],
            'no password' => [['password' => ''] + $good, null, 'Password: it is empty'],
            'a short password' => [['password' => 'short'] + $good, null, 'Password: it needs 8'],
            'taken' => [$good, [409, ['detail' => 'the LHC user 7 belongs to anna']], 'It is taken, or not possible now: 409: the LHC user 7 belongs to anna. Choose another'],
            'the password' => [$good, [400, ['detail' => 'password: has characters that no password has']], 'does not take it: 400: password: has characters'],
            'the key' => [$good, [401, []], 'does not take the API key'],
            'ejabberd away' => [$good, [503, ['detail' => 'ejabberd does not answer']], 'is not ready'],
            'too much' => [$good, [429, []], 'Try again in a minute'],
        ];
    }

    /**
     * @dataProvider refusals
     * @param array<string, string> $fields
     * @param ?array{int, array<string, string>} $answer
     */
    public function testSaysWhyThereIsNone(array $fields, ?array $answer, string $words): void
    {
        $this->signIn('accounts');
        self::$service->answer($answer === null ? [] : [self::PUT => $answer]);
        self::assertStringContainsString($words, self::alerts($this->press('create', $fields)));
        self::assertNull($this->account());
        self::assertSame($answer !== null, in_array(self::PUT, self::$service->asked(), true));
    }

    public function testNobodyGetsTheAccountOfSomebodyElse(): void
    {
        $this->signIn('accounts');
        $good = ['username' => 'olga', 'password' => 'a good password'];
        $other = (int) $this->user->id + 1;
        self::$service->answer([self::GET => [200, ['lhcUserId' => $other]], self::PUT => self::DONE]);
        self::assertStringContainsString('for another user of LHC', self::alerts($this->press('create', $good)));
        $this->extension->accountTable()->save($other, 'olga', Account::ACTIVE, 'x');
        self::$service->answer([self::PUT => self::DONE]);
        self::assertStringContainsString('has this username already', self::alerts($this->press('create', $good)));
        self::$service->answer([self::GET => [503, ['detail' => 'busy']], self::PUT => self::DONE]);
        self::assertStringContainsString('is not ready', self::alerts($this->press('create', $good)));
        self::assertSame([], $this->puts());
        self::assertNull($this->account());
    }

    public function testTheServiceAway(): void
    {
        $this->signIn('accounts');
        $this->settings(['serviceUrl' => 'http://127.0.0.1:1']);
        self::assertStringContainsString('cannot be reached', self::alerts($this->press('create', ['username' => 'olga', 'password' => 'a good password'])));
        $this->made();
        self::assertStringContainsString('will be removed when it does', self::alerts($this->press('remove')));
        self::assertSame(Account::REMOVING, $this->account()->state);
        $this->settings();
        $this->extension->forgetSettings();
        self::$service->answer([self::DELETE => self::DONE]);
        self::assertSame(1, $this->reconcile());
        self::assertNull($this->account());
    }

    public function testChangesPasswordsAndRemoves(): void
    {
        $this->signIn('accounts');
        $this->made();
        self::$service->answer([self::PUT => self::DONE, self::DELETE => [404, []]]);
        self::assertStringContainsString('The password is set', self::alerts($this->press('password', ['password' => 'a new password'])));
        self::assertSame(['a new password', (int) $this->user->id], [$this->puts()[0]['body']['password'], $this->puts()[0]['body']['lhcUserId']]);
        self::assertSame('The account is removed.', self::alerts($this->press('remove')));
        self::assertNull($this->account());
    }

    public function testTakesOverWhatTheServiceHas(): void
    {
        $this->signIn('accounts');
        self::$service->answer(['GET /v1/shop/operators' => [200, ['items' => [['username' => 'olga']], 'next' => null]], self::PUT => self::DONE]);
        self::assertStringContainsString('Use this account', $this->get($this->page(), ['user_id' => (string) $this->user->id]));
        self::assertSame("lhcUserId={$this->user->id}&limit=1", self::$service->calls()[0]['query']);
        $this->press('take-over');
        self::assertSame('olga', $this->account()->username);
        self::assertSame(1, $this->reconcile());
    }

    public function testNobodyChangesSomebodyAbove(): void
    {
        $this->signIn('accounts');
        erLhcoreClassGroupRole::$above = [$this->user->id];
        try {
            self::assertStringContainsString('no such user', self::alerts($this->press('create', ['username' => 'olga', 'password' => 'a good password'])));
            self::assertSame(404, http_response_code());
            self::assertStringContainsString('no such user', self::alerts($this->get($this->page(), ['user_id' => '999999'])));
        } finally {
            erLhcoreClassGroupRole::$above = [];
        }
        $this->post($this->page(), 'create', ['csfr_token' => 'x', 'username' => 'olga', 'password' => 'a good password'], ['user_id' => (string) $this->user->id]);
        self::assertSame(403, http_response_code());
        self::assertNull($this->account());
        self::assertNotContains(self::PUT, self::$service->asked());
    }

    public function testCronTellsDepartmentsAndNamesThatChanged(): void
    {
        $this->made();
        self::assertSame(0, $this->reconcile());
        $support = $this->department(['name' => 'Support']);
        $department = new erLhcoreClassModelUserDep();
        [$department->user_id, $department->dep_id] = [$this->user->id, $support->id];
        $department->saveThis();
        $this->database->run("UPDATE lh_users SET chat_nickname = 'Olga P.' WHERE id = ?", [(int) $this->user->id]);
        self::$service->answer([self::PUT => self::DONE]);
        self::assertSame(1, $this->reconcile());
        self::assertEquals(['lhcUserId' => (int) $this->user->id, 'name' => 'Olga P.', 'departments' => ['Sales', 'Support'], 'capacity' => null], self::$service->calls()[0]['body']);
        self::assertSame(0, $this->reconcile());
    }

    public function testAllDepartmentsAndNone(): void
    {
        self::assertSame([], Wish::of(7, 'Olga', true, ['Sales'], 0)->body()['departments']);
        self::assertSame([Wish::NO_DEPARTMENT], Wish::of(7, 'Olga', false, [], 0)->body()['departments']);
        self::assertSame(['A', 'B'], Wish::of(7, 'Olga', false, ['B', ' A ', 'B', ''], 0)->body()['departments']);
        self::assertCount(100, Wish::of(7, 'Olga', false, array_map('strval', range(1, 200)), 0)->body()['departments']);
    }

    public function testLhcsLimitOfChatsCountsAndNoneIsThatOfTheTenant(): void
    {
        $this->made();
        self::$service->answer([self::PUT => self::DONE]);
        foreach ([3 => 3, 5000 => 1000, 0 => null] as $limit => $capacity) {
            $this->database->run('UPDATE lh_users SET max_active_chats = ? WHERE id = ?', [$limit, (int) $this->user->id]);
            self::assertSame(1, $this->reconcile());
            self::assertSame($capacity, array_slice(self::$service->calls(), -1)[0]['body']['capacity']);
            self::assertSame(0, $this->reconcile());
        }
    }

    public function testWhatTheServiceDoesNotTakeNowComesLater(): void
    {
        $this->made();
        $this->database->run("UPDATE lh_users SET name = 'Olha' WHERE id = ?", [(int) $this->user->id]);
        self::$service->answer([self::PUT => [503, ['detail' => 'ejabberd does not answer']]]);
        $this->reconcile();
        self::assertSame([Account::ACTIVE, 1], [$this->account()->state, $this->account()->tries]);
        self::assertStringContainsString('ejabberd does not answer', $this->account()->error);
        self::$service->answer([self::PUT => self::DONE]);
        self::assertSame(0, $this->reconcile());
        $this->aheadMs = 60_000;
        self::assertSame(1, $this->reconcile());
        self::assertSame(['', 0], [$this->account()->error, $this->account()->tries]);
    }

    public function testWhatTheServiceRefusesIsShownAndTriedWhenTheUserChanges(): void
    {
        $this->made();
        $this->database->run("UPDATE lh_users SET name = 'Olha' WHERE id = ?", [(int) $this->user->id]);
        self::$service->answer([self::PUT => [400, ['detail' => 'name: is odd']]]);
        $this->reconcile();
        self::assertSame(Account::FAILED, $this->account()->state);
        $this->extension->attach(erLhcoreClassChatEventDispatcher::getInstance());
        erLhcoreClassChatEventDispatcher::getInstance()->dispatch('user.user_created', ['userData' => &$this->user]);
        self::$service->answer([self::PUT => self::DONE]);
        self::assertSame(1, $this->reconcile());
        self::assertSame(Account::ACTIVE, $this->account()->state);
    }

    public function testADisabledUserIsLockedOutAndComesBackWithANewPassword(): void
    {
        $this->made();
        $this->database->run('UPDATE lh_users SET disabled = 1 WHERE id = ?', [(int) $this->user->id]);
        self::$service->answer([self::DELETE => self::DONE, self::PUT => self::DONE]);
        self::assertSame(1, $this->reconcile());
        self::assertSame([Account::DISABLED, 'olga'], [$this->account()->state, $this->account()->username]);
        self::assertSame(0, $this->reconcile());
        $this->signIn('accounts');
        self::assertStringContainsString('Enable the user first', self::alerts($this->press('password', ['password' => 'a new password'])));
        $this->database->run('UPDATE lh_users SET disabled = 0 WHERE id = ?', [(int) $this->user->id]);
        $this->press('password', ['password' => 'a new password']);
        self::assertSame(Account::ACTIVE, $this->account()->state);
        self::assertSame([(int) $this->user->id], array_column(array_column($this->puts(), 'body'), 'lhcUserId'));
    }

    public function testADeletedUserTakesTheAccountAlong(): void
    {
        $this->made();
        $this->extension->attach(erLhcoreClassChatEventDispatcher::getInstance());
        erLhcoreClassChatEventDispatcher::getInstance()->dispatch('user.deleted', ['userData' => $this->user]);
        self::assertSame(Account::REMOVING, $this->account()->state);
        self::$service->answer([self::DELETE => self::DONE]);
        $this->reconcile();
        self::assertNull($this->account());
        // LHC's tables may lose a user without an event.
        $this->made();
        $this->database->run('DELETE FROM lh_users WHERE id = ?', [(int) $this->user->id]);
        self::assertSame(1, $this->reconcile());
        self::assertNull($this->account());
    }

    public function testListenersNeverThrow(): void
    {
        $this->extension->attach(erLhcoreClassChatEventDispatcher::getInstance());
        foreach ([[], ['userData' => false], ['userData' => 'x'], ['userData' => new stdClass()]] as $params) {
            erLhcoreClassChatEventDispatcher::getInstance()->dispatch('user.deleted', $params);
            erLhcoreClassChatEventDispatcher::getInstance()->dispatch('user.user_modified', $params);
        }
        $this->database->run('RENAME TABLE lhc_xmppchat_account TO lhc_xmppchat_away');
        try {
            erLhcoreClassChatEventDispatcher::getInstance()->dispatch('user.deleted', ['userData' => $this->user]);
        } finally {
            $this->database->run('RENAME TABLE lhc_xmppchat_away TO lhc_xmppchat_account');
        }
        self::assertNull($this->account());
    }
}
