<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Hosting;

use XmppChat\Lhc\Admin\CallbackAddress;
use XmppChat\Lhc\Database;

/** The manager's list of instances, and their databases. */
final class Instances
{
    /**
     * @param string $managerDatabase the name of the manager's own database
     * @param string $prefix of the databases of instances; their number follows
     * @param string $scheme and domain of their sites
     */
    public function __construct(
        private readonly Database $database,
        private readonly string $managerDatabase,
        private readonly string $prefix,
        private readonly string $scheme,
        private readonly string $domain,
    ) {
    }

    /**
     * As LHC's settings of the manager say.
     *
     * @throws \Exception if LHC's automated hosting is not set up
     */
    public static function ofLhc(Database $database): self
    {
        $config = \erConfigClassLhConfig::getInstance();
        return new self(
            $database,
            (string) $config->getSetting('db', 'database'),
            (string) $config->getSetting('db', 'database_user_prefix'),
            (string) $config->getSetting('site', 'http_mode'),
            (string) $config->getSetting('site', 'seller_domain'),
        );
    }

    /**
     * All instances, in any status.
     *
     * @return array<int, Instance> by id
     * @throws \PDOException and never a part of the list
     */
    public function all(): array
    {
        $instances = [];
        foreach ($this->database->rows('SELECT * FROM lhc_instance_client ORDER BY id') as $row) {
            $instances[(int) $row['id']] = Instance::of($row);
        }
        return $instances;
    }

    /** The address of an instance's LHC, without a slash at its end. */
    public function address(Instance $instance): string
    {
        return rtrim($instance->url($this->scheme, $this->domain) . \erLhcoreClassDesign::baseurldirect(''), '/');
    }

    /** Where the service reaches an instance. */
    public function callbackUrl(Instance $instance): string
    {
        return $this->address($instance) . CallbackAddress::PATH;
    }

    /**
     * Does something with the database of an instance selected, and selects the manager's again, whatever happens.
     *
     * @template T
     * @param callable(): T $work
     * @return T
     * @throws \PDOException if there is no such database
     */
    public function within(int $instanceId, callable $work): mixed
    {
        $this->select($this->prefix . $instanceId);
        try {
            return $work();
        } finally {
            $this->select($this->managerDatabase);
        }
    }

    private function select(string $database): void
    {
        if (preg_match('/^[A-Za-z0-9_$-]{1,64}$/', $database) !== 1) {
            throw new \InvalidArgumentException('a database has a name that is not used in a statement');
        }
        // A prepared USE is not allowed by all servers.
        $this->database->pdo()->exec("USE `{$database}`");
    }
}
