<?php

declare(strict_types=1);

namespace XmppChat\Lhc;

/**
 * The settings of this LHC, from an own table: LHC's configuration writes each value to its audit log, and two of these
 * are secrets.
 */
final class Settings
{
    public const TABLE = 'lhc_xmppchat_setting';
    /** All names there are. */
    public const NAMES = [
        'enabled',
        'serviceUrl',
        'tenant',
        'apiKey',
        'callbackSecret',
        'shareTyping',
        'sharePreview',
        'adminToken',
        'lhcAddress',
        'xmppHost',
        'tenantPrefix',
        'tenantSettings',
        'purge',
        'hosted',
    ];

    /** @param array<string, string> $values by name; what is missing is empty */
    public function __construct(private readonly array $values)
    {
    }

    /**
     * Reads the table.
     *
     * @throws \PDOException if the table is missing, or the database is away
     */
    public static function read(Database $database): self
    {
        $rows = $database->rows('SELECT name, value FROM ' . self::TABLE);
        return new self(array_map('strval', array_column($rows, 'value', 'name')));
    }

    /**
     * Writes the values that are named; others stay.
     *
     * @param array<string, string|bool> $values by name
     * @throws \InvalidArgumentException for a name that there is not
     */
    public static function write(Database $database, array $values): void
    {
        foreach ($values as $name => $value) {
            if (!in_array($name, self::NAMES, true)) {
                throw new \InvalidArgumentException("{$name}: there is no such setting");
            }
            $text = is_bool($value) ? ($value ? '1' : '') : $value;
            $database->run(
                'INSERT INTO ' . self::TABLE . ' (name, value) VALUES (:name, :value)
                 ON DUPLICATE KEY UPDATE value = VALUES(value)',
                ['name' => $name, 'value' => $text],
            );
        }
    }

    /** Whether the administrator switched the extension on, and all it takes to reach the service is there. */
    public function ready(): bool
    {
        return $this->enabled() && $this->serviceUrl() !== '' && $this->tenant() !== '' && $this->apiKey() !== '';
    }

    public function enabled(): bool
    {
        return $this->text('enabled') === '1';
    }

    /** Without a slash at its end, for example `https://xmpp-chat.example.org`. */
    public function serviceUrl(): string
    {
        return rtrim($this->text('serviceUrl'), '/');
    }

    public function tenant(): string
    {
        return $this->text('tenant');
    }

    public function apiKey(): string
    {
        return $this->text('apiKey');
    }

    /** With its prefix `whsec_`. */
    public function callbackSecret(): string
    {
        return $this->text('callbackSecret');
    }

    /** Whether operators see that a visitor is typing. */
    public function shareTyping(): bool
    {
        return $this->text('shareTyping') === '1';
    }

    /** Whether operators see what a visitor is typing. The service has a switch of its own, and both are off by default. */
    public function sharePreview(): bool
    {
        return $this->shareTyping() && $this->text('sharePreview') === '1';
    }

    /** Only on the manager of automated hosting: it makes and removes tenants. */
    public function adminToken(): string
    {
        return $this->text('adminToken');
    }

    /** LHC's own public address, for links in messages; cron knows no host. Empty: what LHC itself says. */
    public function lhcAddress(): string
    {
        return $this->text('lhcAddress');
    }

    /** Only on the manager: the virtual host of all its tenants in ejabberd. */
    public function xmppHost(): string
    {
        return $this->text('xmppHost');
    }

    /** Only on the manager: what the ids of its tenants begin with; the number of LHC's instance follows. */
    public function tenantPrefix(): string
    {
        return $this->text('tenantPrefix') === '' ? 'lhc-' : $this->text('tenantPrefix');
    }

    /** Only on the manager: further settings of all its tenants, a JSON object as the service's API takes it. */
    public function tenantSettings(): string
    {
        return $this->text('tenantSettings');
    }

    /** Only on the manager: whether a tenant's log and data keys go with its instance. */
    public function purge(): bool
    {
        return $this->text('purge') === '1';
    }

    /** Whether the manager of automated hosting keeps address, tenant, key and secret of this site. */
    public function hosted(): bool
    {
        return $this->text('hosted') === '1';
    }

    private function text(string $name): string
    {
        return trim($this->values[$name] ?? '');
    }
}
