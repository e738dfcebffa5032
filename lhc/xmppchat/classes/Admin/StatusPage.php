<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Admin;

use XmppChat\Lhc\Extension;
use XmppChat\Lhc\LinkState;
use XmppChat\Lhc\Log;
use XmppChat\Lhc\Outgoing\Outbox;

/** The page "XMPP chat": the service's view of operators and visitors, the outbox, the health of the link. */
final class StatusPage
{
    /** @var list<string> */
    private array $errors = [];
    private string $done = '';

    public function __construct(private readonly Extension $extension)
    {
    }

    /** @return array<string, mixed> for LHC */
    public function handle(Request $request): array
    {
        $outbox = new OutboxList($this->extension->database());
        if ($request->isPost) {
            $refusal = Backoffice::refusal($request);
            $refusal === '' ? $this->carryOut($request, $outbox) : $this->errors[] = $refusal;
        }
        $values = $this->read($request, $outbox);
        return Backoffice::page('lhxmppchat/status.tpl.php', Words::t('Overview'), [
            ...$values,
            'errors' => $this->errors,
            'done' => $this->done,
            'mayConfigure' => Backoffice::may(Backoffice::CONFIGURE),
        ]);
    }

    /** @return array<string, mixed> */
    private function read(Request $request, OutboxList $outbox): array
    {
        try {
            $link = $this->extension->link()->state();
            $values = [
                'counts' => $outbox->counts(),
                'pending' => $outbox->page(Outbox::PENDING, $request->number('pending')),
                'failed' => $outbox->page(Outbox::FAILED, $request->number('failed')),
            ];
        } catch (\PDOException $failure) {
            Log::failure('overview', $failure);
            $this->errors[] = Words::t('The tables of the extension are missing. Press "Install or update the tables" in the settings.');
            return ['link' => new LinkState(), 'counts' => null, 'pending' => null, 'failed' => null, 'overview' => null];
        }
        $cursors = array_filter(array_map(
            fn (string $list): string => self::cursor($request->parameter($list)),
            array_combine(array_keys(Overview::LISTS), array_keys(Overview::LISTS)),
        ));
        return $values + [
            'link' => $link,
            'overview' => new Overview($this->extension->settings(), $this->extension->service(), $link, $cursors),
        ];
    }

    private function carryOut(Request $request, OutboxList $outbox): void
    {
        if (!Backoffice::may(Backoffice::CONFIGURE)) {
            http_response_code(403);
            $this->errors[] = Words::t('You may look at the outbox, but not change it.');
            return;
        }
        // `again:17`, `drop:17`; 0 stands for all that failed.
        if (preg_match('/^(again|drop):(\d{1,18})$/', $request->action(), $found) !== 1) {
            $this->errors[] = Words::t('Nothing was asked for.');
            return;
        }
        [$action, $id] = [$found[1], (int) $found[2]];
        try {
            $this->done = match ($action) {
                'again' => Words::t('To be sent again: {count}', ['count' => $outbox->again($id)]),
                'drop' => Words::t('Dropped: {count}', ['count' => $outbox->drop($id)]),
            };
        } catch (\PDOException $failure) {
            Log::failure('overview', $failure);
            $this->errors[] = Words::t('The database refused it.');
        }
        if ($action === 'drop') {
            Log::line('user ' . (int) \erLhcoreClassUser::instance()->getUserID() . ' dropped ' . ($id === 0 ? 'all failed rows' : "row {$id}") . ' of the outbox');
        }
    }

    /** A cursor comes back in an address as base64 for addresses, because LHC splits addresses at slashes. */
    private static function cursor(string $encoded): string
    {
        return (string) base64_decode(strtr($encoded, '-_', '+/'), true);
    }

    /** For the address of the next page. */
    public static function encoded(string $cursor): string
    {
        return rtrim(strtr(base64_encode($cursor), '+/', '-_'), '=');
    }
}
