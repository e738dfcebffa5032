<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Outgoing;

use XmppChat\Lhc\Database;

/** What a row of `lh_msg` says, as plain text: files become links, and those of visitors messages of their own. */
final class Words
{
    /** Bytes of one message at most; the API takes 64 KiB. A longer text goes in parts. */
    private const PART_MAX_BYTES = 60_000;
    /** Parts of one message at most; what is beyond is cut. */
    private const PARTS_MAX = 3;
    /** Files of one message at most; the API takes as many. */
    private const FILES_MAX = 10;
    private const NAME_MAX = 255;
    private const TYPE_MAX = 127;
    /** LHC writes both [file=12_hash] and [file="12_hash"], and more words behind a blank. */
    private const FILE = '/\[file="?(\d{1,18})_([0-9a-f]{32})[^\]]*\]/i';

    public function __construct(private readonly Database $database, private readonly FileLinks $links)
    {
    }

    /**
     * @param array<mixed> $meta `meta_msg` of the row
     * @return list<string> the text, in parts if it is long; none if there is nothing to read
     */
    public function of(string $text, array $meta): array
    {
        [$text, $files] = $this->read($text, $meta, fn (array $file): string => ltrim("{$file['name']} {$file['url']}"));
        return self::parts($text . implode('', array_map(fn (array $file): string => "\n" . ltrim("{$file['name']} {$file['url']}"), $files)));
    }

    /**
     * What a visitor says: the text, and each file for itself, which the service looks at.
     *
     * @param array<mixed> $meta `meta_msg` of the row
     * @return list<array{body: string}|array{files: list<array<string, int|string>>}>
     */
    public function ofVisitor(string $text, array $meta): array
    {
        $found = [];
        $named = function (array $file) use (&$found): string {
            if ($file['name'] === '') {
                return $file['url'];
            }
            $found[$file['id']] = $file;
            return $file['name'];
        };
        [$words, $files] = $this->read($text, $meta, $named);
        foreach ($files as $file) {
            $words .= $file['name'] === '' ? "\n{$file['url']}" : '';
            if ($file['name'] !== '') {
                $found[$file['id']] = $file;
            }
        }
        $found = array_slice($found, 0, self::FILES_MAX);
        // Its name alone is no word of the visitor.
        $isFileAlone = $found !== [] && trim((string) preg_replace(self::FILE, '', $text)) === '';
        $parts = array_map(fn (string $part): array => ['body' => $part], $isFileAlone ? [] : self::parts($words));
        foreach ($found as $file) {
            unset($file['id']);
            $parts[] = ['files' => [array_filter($file, fn (int|string $value): bool => $value !== '' && $value !== 0)]];
        }
        return $parts;
    }

    /**
     * @param array<mixed> $meta
     * @param \Closure(array{id: int, url: string, name: string, type: string, size: int}): string $shown what stands in the text for a file
     * @return array{string, list<array{id: int, url: string, name: string, type: string, size: int}>} the text, and files beside it
     */
    private function read(string $text, array $meta, \Closure $shown): array
    {
        $text = mb_scrub($text, 'UTF-8');
        $text = (string) preg_replace_callback(
            self::FILE,
            fn (array $found): string => $shown($this->file((int) $found[1], strtolower($found[2]))),
            $text,
        );
        $files = [];
        foreach (array_slice((array) ($meta['content']['attachements'] ?? []), 0, 20) as $file) {
            if (isset($file['id'], $file['security_hash']) && is_numeric($file['id'])) {
                $files[] = $this->file((int) $file['id'], (string) $file['security_hash']);
            }
        }
        return [$text, $files];
    }

    /** @return list<string> */
    private static function parts(string $text): array
    {
        // A quotation of LHC's pages, as people write one in plain text.
        $text = (string) preg_replace_callback(
            '#\[quote(?:="?\d{1,18}"?)?\](.*?)\[/quote\]\s*#is',
            static fn (array $found): string => (string) preg_replace('/^/m', '> ', trim($found[1])) . "\n",
            $text,
        );
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

    /** @return array{id: int, url: string, name: string, type: string, size: int} without a name if LHC has no such file */
    private function file(int $fileId, string $hash): array
    {
        // LHC's own hash, as its model makes it: a visitor may type any number, and learns or shows nothing by that.
        $file = $this->database->row(
            "SELECT upload_name, extension, type, size, date FROM lh_chat_file
             WHERE id = ? AND MD5(CONCAT(SUBSTRING_INDEX(name, '/', -1), '_', chat_id)) = ?",
            [$fileId, $hash],
        );
        $name = trim((string) preg_replace('/[[:cntrl:]]+/', ' ', mb_scrub((string) ($file['upload_name'] ?? ''), 'UTF-8')));
        $extension = (string) ($file['extension'] ?? '');
        // A picture from the clipboard has a name without an end.
        if ($name !== '' && $extension !== '' && strcasecmp(pathinfo($name, PATHINFO_EXTENSION), $extension) !== 0) {
            $name .= ".{$extension}";
        }
        return [
            'id' => $fileId,
            'url' => $this->links->of($fileId, $hash, (int) ($file['date'] ?? 0)),
            'name' => mb_substr($name, -self::NAME_MAX, null, 'UTF-8'),
            'type' => mb_strcut((string) ($file['type'] ?? ''), 0, self::TYPE_MAX, 'UTF-8'),
            'size' => max(0, (int) ($file['size'] ?? 0)),
        ];
    }
}
