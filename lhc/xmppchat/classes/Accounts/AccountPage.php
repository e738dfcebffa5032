<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Accounts;

use XmppChat\Lhc\Admin\Backoffice;
use XmppChat\Lhc\Admin\Request;
use XmppChat\Lhc\Admin\SettingsPage;
use XmppChat\Lhc\Admin\Words;
use XmppChat\Lhc\Extension;
use XmppChat\Lhc\Log;

/** The XMPP account of one LHC user: a page, and what the tab at the user shows. */
final class AccountPage
{
    /** Ms that the tab waits for the service. */
    private const LIVE_MS = 1_500;

    public function __construct(private readonly Extension $extension)
    {
    }

    /** @return array<string, mixed> for LHC */
    public function handle(Request $request): array
    {
        $userId = $request->number('user_id');
        $user = self::user($userId);
        if ($user === null || !self::mayEdit($user)) {
            http_response_code(404);
            return Backoffice::page('lhxmppchat/account.tpl.php', Words::t('XMPP account'), [
                'errors' => [Words::t('There is no such user, or you may not change it.')],
                'done' => '',
                'user' => null,
            ]);
        }
        $error = $request->isPost ? Backoffice::refusal($request) : '';
        $done = '';
        $values = [];
        try {
            if ($request->isPost && $error === '') {
                [$done, $error] = $this->carryOut($request, $userId);
            }
            $values = $this->read($userId);
        } catch (\PDOException $failure) {
            Log::failure('account', $failure);
            $error = Words::t('The tables of the extension are missing. Press "Install or update the tables" in the settings.');
        }
        return Backoffice::page('lhxmppchat/account.tpl.php', Words::t('XMPP account'), [
            'user' => ['id' => $userId, 'name' => (string) ($user->name_official ?? $user->username)],
            'errors' => $error === '' ? [] : [$error],
            'done' => $done,
            'username' => $error === '' ? '' : $request->text('username'),
            'suggestion' => strtolower((string) $user->username),
        ] + $values);
    }

    /** @return array{string, string} what was done, or why not */
    private function carryOut(Request $request, int $userId): array
    {
        $accounts = $this->accounts();
        if (!SettingsPage::settingsOf($this->extension)->ready()) {
            return ['', Words::t('The extension is switched off, or its settings are not complete.')];
        }
        if ($request->action() === 'remove') {
            return $accounts->remove($userId)
                ? [Words::t('The account is removed.'), '']
                : [Words::t('The service does not answer. The account will be removed when it does.'), ''];
        }
        $error = match ($request->action()) {
            'create' => $accounts->create($userId, $request->text('username'), $request->secret('password')),
            'password' => $accounts->setPassword($userId, $request->secret('password')),
            'take-over' => $accounts->takeOver($userId),
            default => Words::t('Nothing was asked for.'),
        };
        return match (true) {
            $error !== '' => ['', $error],
            $request->action() === 'password' => [Words::t('The password is set. Clients that are logged in stay so.'), ''],
            default => [Words::t('The account is ready.'), ''],
        };
    }

    /** @return array<string, mixed> */
    private function read(int $userId): array
    {
        $table = $this->extension->accountTable();
        $account = $table->find($userId);
        $wish = $table->users([$userId])[$userId]['wish'] ?? null;
        $values = ['account' => $account, 'departments' => $wish?->departments, 'live' => null, 'away' => '', 'registered' => ''];
        $values['pending'] = $account !== null && $wish !== null && $account->state === Account::ACTIVE && $account->digest !== $wish->digest();
        $link = $this->extension->link()->state();
        if (!$this->extension->settings()->ready() || $link->isOpen()) {
            $reason = $link->isOpen() ? $link->reason : Words::t('it is switched off');
            return ['away' => Words::t('The service is not asked: {reason}', ['reason' => $reason])] + $values;
        }
        if ($account === null) {
            return ['registered' => $this->accounts()->registeredAs($userId, self::LIVE_MS)] + $values;
        }
        $answer = $this->accounts()->live($account, self::LIVE_MS);
        return match (true) {
            $answer->ok() => ['live' => $answer->body] + $values,
            $answer->status === 404 => ['away' => Words::t('The service does not know this operator.')] + $values,
            default => ['away' => Refusal::words($answer)] + $values,
        };
    }

    private function accounts(): Accounts
    {
        return new Accounts($this->extension->accountTable(), $this->extension->service());
    }

    private static function user(int $userId): ?object
    {
        try {
            $user = $userId > 0 ? \erLhcoreClassModelUser::fetch($userId) : false;
            return is_object($user) ? $user : null;
        } catch (\Exception) {
            return null;
        }
    }

    /** The same rule as LHC's page of the user: nobody changes somebody who is above them. */
    private static function mayEdit(object $user): bool
    {
        return \erLhcoreClassGroupRole::canEditUserGroups(\erLhcoreClassUser::instance()->getUserData(), $user) === true;
    }
}
