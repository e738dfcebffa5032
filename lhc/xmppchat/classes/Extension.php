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
    private ?Outgoing\Shutdown $shutdown = null;

    /** @var \Closure(callable): void */
    private readonly \Closure $atEnd;

    /**
     * @param ?Database $database LHC's connection when absent
     * @param ?\Closure(callable): void $atEnd how something is done at the end of the request; PHP's way when absent
     */
    public function __construct(
        private readonly Clock $clock = new Clock(),
        private ?Database $database = null,
        ?\Closure $atEnd = null,
    ) {
        $this->atEnd = $atEnd ?? register_shutdown_function(...);
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
        (new Outgoing\Listeners($this))->attach($dispatcher);
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
    public function accountReconciler(): Accounts\Reconciler
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
        return new Service($this->settings(), $this->link());
    }

    public function outbox(): Outgoing\Outbox
    {
        return new Outgoing\Outbox($this->database(), $this->clock);
    }

    /** What this request does after its answer. */
    public function shutdown(): Outgoing\Shutdown
    {
        return $this->shutdown ??= new Outgoing\Shutdown($this, $this->atEnd);
    }

    public function typing(): Outgoing\Typing
    {
        return new Outgoing\Typing($this->told(), $this->link(), $this->service(), new Outgoing\Lock($this->database()));
    }

    public function fileLinks(): Outgoing\FileLinks
    {
        return new Outgoing\FileLinks($this->settings(), $this->clock, $this->address());
    }

    public function sender(): Outgoing\Sender
    {
        $database = $this->database();
        $reader = new Outgoing\ChatReader($database);
        $changes = new Outgoing\ChatChanges($reader, new Outgoing\Words($database, $this->fileLinks()));
        return new Outgoing\Sender(
            $database,
            $this->clock,
            $this->link(),
            $this->service(),
            $this->outbox(),
            new Outgoing\Collector($database, $this->outbox(), $reader, $changes),
            new Outgoing\Settlement($database, $this->outbox(), $this->told(), $this->clock),
            new Outgoing\Lock($database),
        );
    }

    public function chatReconciler(): Outgoing\Reconciler
    {
        return new Outgoing\Reconciler($this->database(), $this->outbox(), $this->clock);
    }

    public function cleaner(): Outgoing\Cleaner
    {
        return new Outgoing\Cleaner($this->database(), $this->outbox(), $this->clock);
    }

    public function resolver(): Outgoing\Resolver
    {
        return new Outgoing\Resolver($this->settings(), $this->link(), $this->clock);
    }

    /** Where LHC is, without a slash at the end: as the administrator set it, or as this request came. */
    private function address(): string
    {
        $set = $this->settings()->lhcAddress();
        return rtrim($set !== '' ? $set : \erLhcoreClassSystem::getHost() . \erLhcoreClassDesign::baseurldirect(''), '/');
    }
}
