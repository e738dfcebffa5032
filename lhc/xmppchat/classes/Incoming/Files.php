<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Incoming;

/**
 * Files of an operator's message. The service has looked at each, and says which bytes they were: those become a file of
 * LHC's own, which the visitor sees in the widget. Any other stays the link that is in the text.
 *
 * They are fetched before LHC's rows are locked, because that takes as long as somebody else's server takes.
 */
final class Files
{
    /** Of one message, as in the service. */
    private const FILES_MAX = 10;
    private const URL_MAX_BYTES = 8_192;
    private const NAME_MAX_BYTES = 1_024;
    /** The service waits 10 s for the answer, and the row is written after this. */
    private const TIMEOUT_MS = 5_000;
    /** More than the service passes on. */
    private const SIZE_MAX = 52_428_800;
    /** What LHC shows as a picture, beside others that it offers for download. */
    private const PICTURES = ['jfif', 'jpg', 'jpeg', 'png'];

    /** @var list<string> written files */
    private array $written = [];

    /** @param list<array{url: string, name: string, bytes: string}> $fetched */
    private function __construct(private readonly array $fetched)
    {
    }

    /**
     * Fetches the files of a callback, if it has any.
     *
     * @throws Malformed
     */
    public static function of(Callback $callback): self
    {
        $files = $callback->type === 'chat.message' ? $callback->data->object('message')->objects('files', self::FILES_MAX) : [];
        $fetched = [];
        $end = microtime(true) + self::TIMEOUT_MS / 1_000;
        foreach ($files as $file) {
            $url = $file->text('url', self::URL_MAX_BYTES);
            $name = $file->text('name', self::NAME_MAX_BYTES);
            $hash = $file->text('sha256', 64);
            $bytes = self::isAllowed($name, $file->count('size')) ? self::bytes($url, $file->count('size'), $end) : null;
            if ($bytes !== null && hash_equals($hash, hash('sha256', $bytes))) {
                $fetched[] = ['url' => $url, 'name' => $name, 'bytes' => $bytes];
            }
        }
        return new self($fetched);
    }

    /**
     * The text with LHC's own mark for each file in the place of its link. Writes the files.
     */
    public function placed(string $text, \erLhcoreClassModelChat $chat, \erLhcoreClassModelUser $user): string
    {
        // The longest first: one link may be the beginning of another.
        $files = $this->fetched;
        usort($files, static fn (array $a, array $b): int => strlen($b['url']) <=> strlen($a['url']));
        foreach ($files as $file) {
            if (str_contains($text, $file['url'])) {
                $text = str_replace($file['url'], $this->mark($this->store($file, $chat, $user)), $text);
            }
        }
        return $text;
    }

    /**
     * Does the work. If it fails, nothing stays of the files.
     *
     * @template T
     * @param callable(): T $work
     * @return T
     */
    public function during(callable $work): mixed
    {
        try {
            return $work();
        } catch (\Throwable $failure) {
            foreach ($this->written as $path) {
                is_file($path) && unlink($path);
            }
            $this->written = [];
            throw $failure;
        }
    }

    /** Whether LHC takes such a file from its own operators, and can give it out. */
    private static function isAllowed(string $name, int $size): bool
    {
        $rules = (array) \erLhcoreClassModelChatConfig::fetch('file_configuration')->data;
        $allowed = (string) ($rules['ft_op'] ?? '');
        return $allowed !== ''
            // `@`: LHC's administrator typed the pattern.
            && @preg_match('/\.(' . str_replace('/', '\/', $allowed) . ')$/i', $name) === 1
            && $size > 0 && $size <= min(self::SIZE_MAX, (int) ($rules['fs_max'] ?? 0) * 1024)
            && self::type($name) !== null;
    }

    /** LHC gives out no file whose type is not the one that it has for the end of its name. */
    private static function type(string $name): ?string
    {
        $type = \erLhcoreClassChatWebhookIncoming::getExtensionByMime(self::extension($name), true);
        return is_string($type) && $type !== '' ? $type : null;
    }

    private static function extension(string $name): string
    {
        return strtolower(pathinfo($name, PATHINFO_EXTENSION));
    }

    /** @return ?string null if it is not there, or not so long, or does not come in time */
    private static function bytes(string $url, int $size, float $end): ?string
    {
        $left = (int) (($end - microtime(true)) * 1_000);
        if ($left <= 0) {
            return null;
        }
        $bytes = '';
        $curl = curl_init();
        curl_setopt_array($curl, [
            CURLOPT_URL => $url,
            CURLOPT_PROTOCOLS => CURLPROTO_HTTP | CURLPROTO_HTTPS,
            CURLOPT_FOLLOWLOCATION => false,
            CURLOPT_NOSIGNAL => true,
            CURLOPT_TIMEOUT_MS => $left,
            CURLOPT_CONNECTTIMEOUT_MS => $left,
            CURLOPT_USERAGENT => 'xmppchat',
            CURLOPT_WRITEFUNCTION => static function ($_, string $part) use (&$bytes, $size): int {
                $bytes .= $part;
                return strlen($bytes) > $size ? 0 : strlen($part);
            },
        ]);
        $done = curl_exec($curl) !== false && (int) curl_getinfo($curl, CURLINFO_RESPONSE_CODE) === 200;
        return $done && strlen($bytes) === $size ? $bytes : null;
    }

    /** @param array{url: string, name: string, bytes: string} $file */
    private function store(array $file, \erLhcoreClassModelChat $chat, \erLhcoreClassModelUser $user): \erLhcoreClassModelChatFile
    {
        $path = 'var/storage/' . date('Y') . 'y/' . date('m') . '/' . date('d') . '/' . $chat->id . '/';
        $dispatcher = \erLhcoreClassChatEventDispatcher::getInstance();
        $dispatcher->dispatch('file.uploadfileadmin.file_path', ['path' => &$path, 'storage_id' => $chat->id]);
        is_dir($path) || mkdir($path, 0755, true) || is_dir($path) || throw new \RuntimeException('LHC has no folder for files');
        $row = new \erLhcoreClassModelChatFile();
        $row->name = bin2hex(random_bytes(16));
        $row->upload_name = mb_strcut(basename($file['name']), -200, null, 'UTF-8');
        $row->extension = self::extension($file['name']);
        $row->type = (string) self::type($file['name']);
        $row->size = strlen($file['bytes']);
        $row->file_path = $path;
        $row->chat_id = $chat->id;
        $row->user_id = $user->id;
        $row->date = time();
        $written = $path . $row->name;
        $this->written[] = $written;
        if (file_put_contents($written, $file['bytes']) !== strlen($file['bytes'])) {
            throw new \RuntimeException('LHC could not write a file');
        }
        if (in_array($row->extension, [...self::PICTURES, 'gif'], true)) {
            // `@`: a picture that PHP cannot read has no size, and that is all.
            [$row->width, $row->height] = array_slice(@getimagesize($written) ?: [0, 0], 0, 2);
        }
        $row->saveThis();
        $dispatcher->dispatch('file.uploadfileadmin.file_store', ['chat' => $chat, 'chat_file' => $row]);
        return $row;
    }

    private function mark(\erLhcoreClassModelChatFile $file): string
    {
        $shown = in_array($file->extension, self::PICTURES, true) ? '_img' : '';
        return "[file={$file->id}_{$file->security_hash}{$shown}]";
    }
}
