<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Hosting;

/** One instance of LHC's automated hosting: a customer's site, with a database of its own. */
final class Instance
{
    /** The extension `instance` gives a new instance this status when its database is ready. */
    public const WORKING = 1;
    private const NAME_MAX = 63;

    /** @param string $address a name below the hosting's domain, or a whole host name if `$fullDomain` */
    public function __construct(
        public readonly int $id,
        public readonly string $address,
        public readonly bool $fullDomain,
        public readonly int $status,
        public readonly bool $mayChat,
    ) {
    }

    /** @param array<string, mixed> $row of `lhc_instance_client` */
    public static function of(array $row): self
    {
        return new self(
            (int) $row['id'],
            strtolower(trim((string) $row['address'])),
            (int) $row['full_domain'] === 1,
            (int) $row['status'],
            (int) ($row['full_xmpp_chat_supported'] ?? 1) === 1,
        );
    }

    /** Its part of XMPP addresses: its address with dashes for dots. One that cannot be a part is named by its number. */
    public function name(): string
    {
        $name = str_replace('.', '-', $this->address);
        $fits = preg_match('/^[a-z][a-z0-9-]{0,' . (self::NAME_MAX - 1) . '}$/', $name) === 1 && $name !== 'chat';
        return $fits ? $name : "i{$this->id}";
    }

    /**
     * Where its site is.
     *
     * @param string $scheme `https://`, LHC's setting `http_mode`
     * @param string $domain of the hosting, LHC's setting `seller_domain`
     */
    public function url(string $scheme, string $domain): string
    {
        return rtrim($scheme, ':/') . '://' . ($this->fullDomain ? $this->address : "{$this->address}.{$domain}");
    }
}
