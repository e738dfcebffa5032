<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Outgoing;

use XmppChat\Lhc\Database;

/** What a row of `lh_msg` says, as plain text: files become links. */
final class Words
{
    /** Bytes of one message at most; the API takes 64 KiB. A longer text goes in parts. */
    private const PART_MAX_BYTES = 60_000;
    /** Parts of one message at most; what is beyond is cut. */
    private const PARTS_MAX = 3;

    public function __construct(private readonly Database $database, private readonly FileLinks $links)
    {
    }

    /**
     * @param array<mixed> $meta `meta_msg` of the row
     * @return list<string> the text, in parts if it is long; none if there is nothing to read
     */
    public function of(string $text, array $meta): array
    {
        $text = mb_scrub($text, 'UTF-8');
        // LHC writes both [file=12_hash] and [file="12_hash"], and more words behind a blank.
        $text = (string) preg_replace_callback(
            '/\[file="?(\d{1,18})_([0-9a-f]{32})[^\]]*\]/i',
            fn (array $found): string => $this->link((int) $found[1], strtolower($found[2])),
            $text,
        );
        foreach (array_slice((array) ($meta['content']['attachements'] ?? []), 0, 20) as $file) {
            if (isset($file['id'], $file['security_hash']) && is_numeric($file['id'])) {
                $text .= "\n" . $this->link((int) $file['id'], (string) $file['security_hash']);
            }
        }
        // XML carries none of these, and in JSON they would take six times their place.
        $text = trim((string) preg_replace('/[\x00-\x08\x0B\x0C\x0E-\x1F]/', '', $text));
        $parts = [];
        while ($text !== '' && count($parts) < self::PARTS_MAX) {
            $part = mb_strcut($text, 0, self::PART_MAX_BYTES, 'UTF-8');
            $text = substr($text, strlen($part));
            if (trim($part) !== '') {
                $parts[] = $part;
            }
        }
        return $parts;
    }

    private function link(int $fileId, string $hash): string
    {
        // LHC's own hash, as its model makes it: a visitor may type any number, and learns or shows nothing by that.
        $file = $this->database->row(
            "SELECT upload_name, date FROM lh_chat_file
             WHERE id = ? AND MD5(CONCAT(SUBSTRING_INDEX(name, '/', -1), '_', chat_id)) = ?",
            [$fileId, $hash],
        );
        $name = trim((string) preg_replace('/[[:cntrl:]]+/', ' ', (string) ($file['upload_name'] ?? '')));
        return ltrim("{$name} ") . $this->links->of($fileId, $hash, (int) ($file['date'] ?? 0));
    }
}
