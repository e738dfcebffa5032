<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Outgoing;

use XmppChat\Lhc\Extension;
use XmppChat\Lhc\Log;

/** The view behind links to visitors' files. LHC's own view checks its rules, and sends the file. */
final class FileView
{
    /**
     * Answers with a redirection, or 404: whether a file is there is nobody's business without a good link.
     *
     * @param array<string, mixed> $parameters of the address: file_id, hash, until, signature
     */
    public static function serve(Extension $extension, array $parameters): void
    {
        header('Cache-Control: no-store');
        header('Referrer-Policy: no-referrer');
        try {
            $address = self::addressOf($extension, array_map('strval', $parameters));
        } catch (\Throwable $failure) {
            Log::failure('file', $failure);
            http_response_code(503);
            return;
        }
        if ($address === null) {
            http_response_code(404);
            return;
        }
        header('Location: ' . $address, true, 302);
    }

    /** @param array<string, string> $parameters @return ?string where the file is; null if the link is not good */
    public static function addressOf(Extension $extension, array $parameters): ?string
    {
        ['file_id' => $id, 'hash' => $hash, 'until' => $until, 'signature' => $signature] = $parameters;
        if (!ctype_digit($id) || !ctype_digit($until) || strlen($id) > 18 || strlen($until) > 12) {
            return null;
        }
        if (!$extension->settings()->enabled() || !$extension->fileLinks()->isGood((int) $id, $hash, (int) $until, $signature)) {
            return null;
        }
        $file = \erLhcoreClassModelChatFile::fetch((int) $id);
        if (!is_object($file) || $file->security_hash !== $hash) {
            return null;
        }
        $now = time();
        $secret = \erConfigClassLhConfig::getInstance()->getSetting('site', 'secrethash');
        $proof = sha1("{$file->id}_{$file->hash}_{$now}_{$secret}");
        return \erLhcoreClassDesign::baseurl('file/downloadfile') . "/{$id}/{$hash}/(vhash)/{$proof}/(vts)/{$now}";
    }
}
