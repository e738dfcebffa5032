<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Admin;

use XmppChat\Lhc\LinkState;
use XmppChat\Lhc\Service;
use XmppChat\Lhc\Settings;

/** What the service says of operators, visitors and the queue. It takes {@see Overview::BUDGET_MS} at most. */
final class Overview
{
    /** Ms for all lists together: an administrator reads within 2 s that the service is away. */
    private const BUDGET_MS = 1_600;
    public const PAGE = 50;
    public const LISTS = ['operators' => 'operators', 'visitors' => 'visitors?online=true', 'queue' => 'queue'];

    /** Why there are no lists, translated; empty if there are. */
    public readonly string $away;
    /** @var array<string, list<array<string, mixed>>> rows by list */
    public readonly array $lists;
    /** @var array<string, string> by list, the cursor of its next page */
    public readonly array $next;

    /** @param array<string, string> $cursors by list, where its page begins */
    public function __construct(Settings $settings, Service $service, LinkState $link, array $cursors)
    {
        $lists = [];
        $next = [];
        $away = match (true) {
            !$settings->ready() => Words::t('The extension is switched off, or its settings are not complete.'),
            $link->isOpen() => Words::t('The service cannot be reached: {reason}', ['reason' => $link->reason]),
            default => '',
        };
        $until = microtime(true) * 1000 + self::BUDGET_MS;
        foreach ($away === '' ? self::LISTS : [] as $name => $path) {
            $left = (int) ($until - microtime(true) * 1000);
            $cursor = $cursors[$name] ?? '';
            $query = (str_contains($path, '?') ? '&' : '?') . 'limit=' . self::PAGE . ($cursor === '' ? '' : '&cursor=' . rawurlencode($cursor));
            $answer = $left < 100 ? null : $service->request('GET', $path . $query, null, $left);
            if ($answer === null || !$answer->ok()) {
                $reason = $answer === null ? Words::t('it is too slow') : $answer->reason();
                $away = Words::t('The service does not answer: {reason}', ['reason' => $reason]);
                break;
            }
            $lists[$name] = array_values(array_filter($answer->body['items'] ?? [], is_array(...)));
            $next[$name] = is_string($answer->body['next'] ?? null) ? $answer->body['next'] : '';
        }
        $this->away = $away;
        $this->lists = $lists;
        $this->next = $next;
    }

    /** A text of a row; a list or a number becomes one, and what is missing is empty. */
    public static function text(array $row, string $field): string
    {
        $value = $row[$field] ?? '';
        return match (true) {
            is_array($value) => implode(', ', array_filter($value, is_string(...))),
            is_bool($value) => $value ? Words::t('yes') : Words::t('no'),
            default => mb_strcut((string) $value, 0, 500),
        };
    }

    /** The clients of an operator, in words. */
    public static function clients(array $operator): string
    {
        $words = [];
        foreach (array_filter($operator['sessions'] ?? [], is_array(...)) as $session) {
            $words[] = self::text($session, 'resource') . ' (' . (self::text($session, 'show') ?: '?')
                . (($session['responsive'] ?? true) === false ? ', ' . Words::t('does not answer') : '') . ')';
        }
        return implode(', ', $words);
    }

    /** The chats of an operator, in words. */
    public static function chats(array $operator): string
    {
        return implode(', ', array_map(
            fn (array $chat): string => self::text($chat, 'chatId'),
            array_filter($operator['chats'] ?? [], is_array(...)),
        ));
    }

    /** The availability of an operator, in words. */
    public static function availability(array $operator): string
    {
        return match (self::text($operator, 'availability')) {
            'available' => Words::t('available'),
            'away' => Words::t('away'),
            'busy' => Words::t('busy'),
            'offline' => Words::t('offline'),
            default => self::text($operator, 'availability'),
        };
    }
}
