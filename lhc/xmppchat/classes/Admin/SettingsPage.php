<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Admin;

use XmppChat\Lhc\Extension;
use XmppChat\Lhc\Log;
use XmppChat\Lhc\Settings;
use XmppChat\Lhc\Structure;

/** The page of the settings: what they are, a new secret, the tables. */
final class SettingsPage
{
    /** Random bytes of a callback secret. */
    private const SECRET_BYTES = 32;

    /** @var list<string> */
    private array $errors = [];
    private string $done = '';
    /** The secret that this request made: shown in this answer alone. */
    private string $secret = '';

    public function __construct(private readonly Extension $extension)
    {
    }

    /** @return array<string, mixed> for LHC */
    public function handle(Request $request): array
    {
        if ($request->isPost) {
            $refusal = Backoffice::refusal($request);
            $refusal === '' ? $this->carryOut($request) : $this->errors[] = $refusal;
        }
        $settings = self::settingsOf($this->extension);
        // The other buttons are in the same form: what was typed before one was pressed stays, and is in the request to run.
        $typed = $this->errors !== [] || ($request->action() !== 'save' && $request->has('tenant'));
        $lhcAddress = $typed ? rtrim($request->text('lhcAddress'), '/') : $settings->lhcAddress();
        $callbackUrl = CallbackAddress::at(SettingsForm::urlFault($lhcAddress) === null ? $lhcAddress : '');
        $tenant = $typed ? $request->text('tenant') : $settings->tenant();
        $serviceUrl = $typed ? $request->text('serviceUrl') : $settings->serviceUrl();
        $toRun = new TenantRequest($tenant, $callbackUrl, $this->secret);
        return Backoffice::page('lhxmppchat/settings.tpl.php', Words::t('Settings'), [
            'errors' => $this->errors,
            'done' => $this->done,
            'enabled' => $typed ? $request->isOn('enabled') : $settings->enabled(),
            'shareTyping' => $typed ? $request->isOn('shareTyping') : $settings->shareTyping(),
            'sharePreview' => $typed ? $request->isOn('sharePreview') : $settings->sharePreview(),
            'serviceUrl' => $serviceUrl,
            'tenant' => $tenant,
            'lhcAddress' => $typed ? $lhcAddress : ($lhcAddress ?: CallbackAddress::asAsked()),
            'apiKeyHint' => self::hint($settings->apiKey()),
            'callbackSecretHint' => self::hint($settings->callbackSecret()),
            'hosted' => $settings->hosted(),
            'secret' => $this->secret,
            'callbackUrl' => $callbackUrl,
            'command' => $toRun->command(),
            'curl' => $toRun->curl(SettingsForm::urlFault($serviceUrl) === null ? $serviceUrl : ''),
            'missing' => self::missingTables($this->extension),
        ]);
    }

    /** The settings, also while the table is missing: then all are empty. */
    public static function settingsOf(Extension $extension): Settings
    {
        try {
            return $extension->settings();
        } catch (\PDOException) {
            return new Settings([]);
        }
    }

    /** How many statements the tables need; 0 if they are up to date. */
    public static function missingTables(Extension $extension): int
    {
        return count((new Structure($extension->database()))->pending());
    }

    private function carryOut(Request $request): void
    {
        try {
            match ($request->action()) {
                'save' => $this->save($request),
                'secret' => $this->makeSecret(),
                'tables' => $this->makeTables(),
                default => $this->errors[] = Words::t('Nothing was asked for.'),
            };
        } catch (\PDOException $failure) {
            Log::failure('settings', $failure);
            $this->errors[] = Words::t('The database refused it. Are the tables of the extension there? Press "Install or update the tables".');
        }
    }

    private function save(Request $request): void
    {
        $form = SettingsForm::read($request, self::settingsOf($this->extension));
        $this->errors = $form->errors;
        if ($form->errors === []) {
            Settings::write($this->extension->database(), $form->values);
            $this->extension->forgetSettings();
            $this->done = Words::t('The settings are saved.');
        }
    }

    private function makeSecret(): void
    {
        if (self::settingsOf($this->extension)->hosted()) {
            $this->errors[] = Words::t('The manager of this hosting keeps the secret.');
            return;
        }
        $this->secret = 'whsec_' . base64_encode(random_bytes(self::SECRET_BYTES));
        Settings::write($this->extension->database(), ['callbackSecret' => $this->secret]);
        $this->extension->forgetSettings();
        $this->done = Words::t('A new callback secret is saved. Callbacks are refused until the service has it too: run the request below.');
    }

    private function makeTables(): void
    {
        $statements = (new Structure($this->extension->database()))->update();
        // Compiled templates, and translations: LHC merges ours into its own only when its cache is emptied.
        \erConfigClassLhCacheConfig::getInstance()->expireCache(true);
        $this->done = $statements === []
            ? Words::t('The tables are up to date.')
            : Words::t('The tables are up to date. Statements that were carried out: {count}', ['count' => count($statements)]);
    }

    /** What may be shown of a secret: its last four characters, of a long one. */
    private static function hint(string $secret): string
    {
        return match (true) {
            $secret === '' => Words::t('not set'),
            strlen($secret) < 16 => Words::t('set'),
            default => Words::t('set, ends with {end}', ['end' => substr($secret, -4)]),
        };
    }
}
