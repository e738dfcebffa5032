<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Hosting;

use XmppChat\Lhc\Admin\Backoffice;
use XmppChat\Lhc\Admin\Request;
use XmppChat\Lhc\Admin\SettingsPage;
use XmppChat\Lhc\Admin\Words;
use XmppChat\Lhc\Extension;
use XmppChat\Lhc\Log;
use XmppChat\Lhc\Settings;

/** The manager's page: the admin token, and the tenants of all instances. */
final class HostingPage
{
    /** Ms that the button "Tell the service now" works. */
    private const WORK_MS = 20_000;

    /** @var list<string> */
    private array $errors = [];
    private string $done = '';

    public function __construct(private readonly Extension $extension)
    {
    }

    /** @return array<string, mixed> for LHC */
    public function handle(Request $request): array
    {
        if (!Site::isManager()) {
            $this->errors[] = Words::t('This is not the manager of an automated hosting.');
            return $this->page([], []);
        }
        $rows = [];
        try {
            if ($request->isPost) {
                $refusal = Backoffice::refusal($request);
                $refusal === '' ? $this->carryOut($request) : $this->errors[] = $refusal;
            }
            $rows = (new TenantTable($this->extension->database(), $this->extension->clock()))->all();
        } catch (\PDOException $failure) {
            Log::failure('hosting', $failure);
            $this->errors[] = Words::t('The database refused it. Are the tables of the extension there? Press "Install or update the tables".');
        }
        $settings = SettingsPage::settingsOf($this->extension);
        $typed = $this->errors !== [] && $request->action() === 'save';
        return $this->page($rows, [
            'serviceUrl' => $typed ? $request->text('serviceUrl') : $settings->serviceUrl(),
            'xmppHost' => $typed ? $request->text('xmppHost') : $settings->xmppHost(),
            'tenantPrefix' => $typed ? $request->text('tenantPrefix') : $settings->tenantPrefix(),
            'tenantSettings' => $typed ? $request->text('tenantSettings') : $settings->tenantSettings(),
            'purge' => $typed ? $request->isOn('purge') : $settings->purge(),
            'hasToken' => $settings->adminToken() !== '',
        ]);
    }

    private function carryOut(Request $request): void
    {
        match ($request->action()) {
            'save' => $this->save($request),
            'now' => $this->tell(false),
            'agreed' => $this->tell(true),
            default => $this->errors[] = Words::t('Nothing was asked for.'),
        };
    }

    private function save(Request $request): void
    {
        $form = HostingForm::read($request, SettingsPage::settingsOf($this->extension));
        $this->errors = $form->errors;
        if ($form->errors === []) {
            Settings::write($this->extension->database(), $form->values);
            $this->extension->forgetSettings();
            $this->done = Words::t('The settings are saved. Cron tells the service within a minute.');
        }
    }

    private function tell(bool $agreed): void
    {
        $hosting = new HostingCron($this->extension);
        $answered = $hosting->keepTenants(self::WORK_MS, $agreed, true);
        $this->done = Words::t('Requests that the service answered: {count}', ['count' => $answered]);
        if ($hosting->held > 0) {
            $this->errors[] = Words::t('{count} instances are gone, more than half of all. Is the list of instances complete? Their tenants are removed only if you press "Remove them".', ['count' => $hosting->held]);
        }
    }

    /**
     * @param array<int, array<string, mixed>> $rows
     * @param array<string, mixed> $form
     * @return array<string, mixed>
     */
    private function page(array $rows, array $form): array
    {
        return Backoffice::page('lhxmppchat/hosting.tpl.php', Words::t('Automated hosting'), [
            'errors' => $this->errors,
            'done' => $this->done,
            'rows' => $rows,
            'form' => $form,
        ]);
    }
}
