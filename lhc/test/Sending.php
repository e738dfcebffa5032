<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Test;

use XmppChat\Lhc\Clock;
use XmppChat\Lhc\Extension;
use XmppChat\Lhc\Outgoing\Pace;

/** Tests of what goes out: the extension's listeners are attached, and a service is there, by real HTTP. */
abstract class Sending extends TestCase
{
    protected static ?FakeService $service = null;

    protected Extension $extension;
    /** Ms that the clock is ahead. */
    protected int $aheadMs = 0;
    /** @var list<callable> what the extension would do at the end of the request */
    protected array $atEnd = [];

    public static function tearDownAfterClass(): void
    {
        self::$service = null;
    }

    protected function setUp(): void
    {
        parent::setUp();
        $this->aheadMs = 0;
        $this->atEnd = [];
        self::$service ??= new FakeService();
        self::$service->reset();
        $this->settings();
        $this->newRequest();
    }

    /** As at the begin of another request of LHC. */
    protected function newRequest(): void
    {
        $this->forget();
        $this->atEnd = [];
        $clock = new Clock(fn (): int => (int) (microtime(true) * 1_000) + $this->aheadMs);
        $this->extension = new Extension($clock, null, function (callable $work): void {
            $this->atEnd[] = $work;
        });
        Extension::reset($this->extension);
        $this->extension->attach(\erLhcoreClassChatEventDispatcher::getInstance());
    }

    /** @param array<string, mixed> $settings */
    protected function settings(array $settings = []): \XmppChat\Lhc\Settings
    {
        return parent::settings($settings + [
            'serviceUrl' => self::$service?->url() ?? '',
            'lhcAddress' => 'https://chat.example.org',
        ]);
    }

    /** @param array<string, mixed> $arguments */
    protected function dispatch(string $event, array $arguments): void
    {
        \erLhcoreClassChatEventDispatcher::getInstance()->dispatch($event, $arguments);
    }

    /** The visitor views a page. */
    protected function view(\erLhcoreClassModelChatOnlineUser $visitor, string $page = '//shop.example/shoes'): void
    {
        $visitor->current_page = $page;
        $visitor->saveThis();
        $this->dispatch('onlineuser.pageview_logged', ['ou' => &$visitor, 'url_changed' => true]);
        // As at the end of the request.
        $this->extension->shutdown()->keepViews();
    }

    /** Sends what waits, as cron does: with time for a busy machine. */
    protected function send(): bool
    {
        return $this->extension->sender()->drain(Pace::cron());
    }

    /** Marks the chat and sends. @return list<string> what the service was told by that */
    protected function changed(\erLhcoreClassModelChat $chat, string $event = 'chat.data_changed'): array
    {
        $before = count(self::$service->told());
        $this->dispatch($event, ['chat' => &$chat]);
        $this->send();
        return array_slice(self::$service->told(), $before);
    }

    /** A chat that the service knows, with its first words. @param array<string, mixed> $fields */
    protected function knownChat(array $fields = [], ?\erLhcoreClassModelChatOnlineUser $visitor = null): \erLhcoreClassModelChat
    {
        $chat = $this->chat($visitor ?? $this->visitor(), $fields);
        $this->message($chat, 'Hello');
        $this->changed($chat, 'chat.chat_started');
        return $chat;
    }

    /** @return list<array<string, mixed>> */
    protected function outbox(): array
    {
        return $this->rowsOf('lhc_xmppchat_outbox');
    }

    /** @return array<string, mixed> what the service was told of the chat */
    protected function told(\erLhcoreClassModelChat $chat): array
    {
        return $this->extension->told()->find((int) $chat->id) ?? [];
    }
}
