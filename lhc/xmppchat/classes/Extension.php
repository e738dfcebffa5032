<?php

declare(strict_types=1);

namespace XmppChat\Lhc;

/**
 * The composition of the extension: who gets what. Everything is made when it is first asked for, because most requests
 * of LHC need nothing of it.
 */
final class Extension
{
    private static ?self $instance = null;

    private ?Settings $settings = null;
    private ?Link $link = null;
    private ?Told $told = null;
    private ?Accounts\AccountTable $accountTable = null;

    /** @param ?Database $database LHC's connection when absent */
    public function __construct(private readonly Clock $clock = new Clock(), private ?Database $database = null)
    {
    }

    /** The one of this request. */
    public static function instance(): self
    {
        return self::$instance ??= new self();
    }

    /** Begins anew: a test, or a cron job that goes through several instances of LHC. */
    public static function reset(?self $instance = null): void
    {
        self::$instance = $instance;
    }

    /** Attaches all listeners to LHC's dispatcher. Reads nothing from the database. */
    public function attach(\erLhcoreClassChatEventDispatcher $dispatcher): void
    {
        (new Accounts\UserEvents($this))->attach($dispatcher);
        (new Hosting\SiteEvents($this))->attach($dispatcher);
    }

    public function clock(): Clock
    {
        return $this->clock;
    }

    public function database(): Database
    {
        return $this->database ??= new Database();
    }

    /** The settings as they were when this request first asked. */
    public function settings(): Settings
    {
        return $this->settings ??= Settings::read($this->database());
    }

    /** After settings were written, the next to ask reads them again. */
    public function forgetSettings(): void
    {
        $this->settings = null;
    }

    public function link(): Link
    {
        return $this->link ??= new Link($this->database(), $this->clock);
    }

    public function accountTable(): Accounts\AccountTable
    {
        return $this->accountTable ??= new Accounts\AccountTable($this->database(), $this->clock);
    }

    /** Cron's part of the accounts. */
    public function reconciler(): Accounts\Reconciler
    {
        return new Accounts\Reconciler($this->accountTable(), $this->service(), $this->clock);
    }

    public function told(): Told
    {
        return $this->told ??= new Told($this->database(), $this->clock);
    }

    /** Takes callbacks of the service. */
    public function receiver(): Incoming\Receiver
    {
        return new Incoming\Receiver($this->settings(), $this->database(), $this->link(), $this->told(), $this->clock);
    }

    /** The service's API, with the settings of now. */
    public function service(): Service
    {
        return new Service($this->settings(), $this->link(), $this->clock);
    }
}
