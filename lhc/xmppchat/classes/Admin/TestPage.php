<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Admin;

use XmppChat\Lhc\Extension;
use XmppChat\Lhc\Log;

/** The page of the connection test. It asks when the button is pressed, and not before. */
final class TestPage
{
    public function __construct(private readonly Extension $extension)
    {
    }

    /** @return array<string, mixed> for LHC */
    public function handle(Request $request): array
    {
        $refusal = $request->isPost ? Backoffice::refusal($request) : '';
        $page = $request->text('page');
        return Backoffice::page('lhxmppchat/test.tpl.php', Words::t('Connection test'), [
            'errors' => $refusal === '' ? [] : [$refusal],
            'findings' => $request->isPost && $refusal === '' ? $this->findings($page) : null,
            'page' => $page,
            'suggestion' => $this->suggestion(),
        ]);
    }

    /**
     * All steps.
     *
     * @param string $page of the web site, for the embed code; may be empty
     * @return list<Finding>
     */
    public function findings(string $page): array
    {
        $missing = SettingsPage::missingTables($this->extension);
        if ($missing > 0) {
            return [Finding::problem('tables', Words::t('Tables of the extension are missing or old.'), Words::t('Press "Install or update the tables" in the settings.'))];
        }
        $settings = $this->extension->settings();
        $database = $this->extension->database();
        $clock = $this->extension->clock();
        return [
            Finding::ok('tables', Words::t('The tables of the extension are up to date.')),
            $settings->enabled()
                ? Finding::ok('enabled', Words::t('The extension is switched on.'))
                : Finding::problem('enabled', Words::t('The extension is switched off: LHC sends nothing.'), Words::t('Switch it on in the settings.')),
            ...(new ServiceChecks($settings, $this->extension->service(), $database, $clock))->run(),
            ...(new LocalChecks($database, $this->extension->link(), $clock, $settings->hosted()))->run(),
            (new EmbedCode(new PageFetch($settings->hosted())))->check($page),
        ];
    }

    private function suggestion(): string
    {
        try {
            return EmbedCode::suggestion($this->extension->database());
        } catch (\PDOException $failure) {
            Log::failure('connection test', $failure);
            return '';
        }
    }
}
