<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Test;

use XmppChat\Lhc\Extension;
use XmppChat\Lhc\Incoming\Answer;
use XmppChat\Lhc\Incoming\Receiver;
use XmppChat\Lhc\Incoming\Request;

/** Sends signed callbacks to the receiver, as the service does. Olga serves Sales, where Anna has a chat that waits. */
abstract class CallbackTestCase extends TestCase
{
    protected const TENANT = 'shop';
    /** 24 bytes, as Standard Webhooks wants at least. */
    protected const KEY = 'key-of-24-bytes-of-tests';

    protected \erLhcoreClassModelDepartament $sales;
    protected \erLhcoreClassModelUser $olga;
    protected \erLhcoreClassModelChatOnlineUser $anna;
    protected \erLhcoreClassModelChat $chat;

    protected function setUp(): void
    {
        parent::setUp();
        foreach (['lh_role', 'lh_rolefunction', 'lh_group', 'lh_groupuser', 'lh_grouprole'] as $table) {
            $this->database->run("DELETE FROM {$table}");
        }
        $this->settings([
            'tenant' => self::TENANT,
            'callbackSecret' => 'whsec_' . base64_encode(self::KEY),
            'lhcAddress' => 'http://lhc.example',
        ]);
        $this->sales = $this->department();
        $this->olga = $this->operator(['name' => 'Olga', 'surname' => ''], [$this->sales->id]);
        $this->anna = $this->visitor();
        $this->chat = $this->chat($this->anna, ['dep_id' => $this->sales->id]);
        $this->message($this->chat, 'Do you have these in red?');
        $this->forget();
    }

    /**
     * A callback of the service, with a new id unless one is given.
     *
     * @param array<string, mixed> $data
     */
    protected function comes(string $type, array $data, ?string $id = null): Answer
    {
        return $this->receive($this->signed($type, $data, $id));
    }

    protected function receive(Request $request): Answer
    {
        $this->forgetModels();
        // A real LHC does what PHP 8.2 deprecates, with its errors switched off.
        set_error_handler(static fn (): bool => true, E_DEPRECATED);
        try {
            return $this->receiver()->receive($request);
        } finally {
            restore_error_handler();
        }
    }

    /** As the extension has it, with less patience for locks. */
    private function receiver(): Receiver
    {
        $extension = Extension::instance();
        return new Receiver($extension->settings(), $extension->database(), $extension->link(), $extension->told(), $extension->clock(), 1);
    }

    /** @param array<string, mixed> $data */
    protected function signed(string $type, array $data, ?string $id = null): Request
    {
        $id ??= bin2hex(random_bytes(8));
        $body = json_encode(
            ['id' => $id, 'type' => $type, 'tenant' => self::TENANT, 'at' => gmdate('Y-m-d\TH:i:s\Z'), 'data' => $data === [] ? new \stdClass() : $data],
            JSON_THROW_ON_ERROR | JSON_UNESCAPED_UNICODE,
        );
        return $this->sealed($body, $id);
    }

    /** Any bytes with a right signature. */
    protected function sealed(string $body, string $id, ?int $timestamp = null): Request
    {
        $timestamp = (string) ($timestamp ?? time());
        $signature = 'v1,' . base64_encode(hash_hmac('sha256', "{$id}.{$timestamp}.{$body}", self::KEY, true));
        return new Request('POST', $body, $id, $timestamp, $signature);
    }

    /** @return array<string, mixed> `data` about Anna's chat */
    protected function about(array $more = []): array
    {
        return $more + [
            'visitor' => (string) $this->anna->id,
            'chatId' => (string) $this->chat->id,
            'operator' => $this->named($this->olga),
        ];
    }

    /** @return array{username: string, lhcUserId: int} the operator of a callback */
    protected function named(\erLhcoreClassModelUser $user): array
    {
        return ['username' => (string) $user->username, 'lhcUserId' => (int) $user->id];
    }

    /** Olga writes to Anna. */
    protected function says(string $text, string $id = 'm1', ?string $replaces = null): Answer
    {
        $message = ['id' => $id, 'body' => $text] + ($replaces === null ? [] : ['replaces' => $replaces]);
        return $this->comes('chat.message', $this->about(['message' => $message]));
    }

    /** Olga writes to Anna, who has no chat. */
    protected function invites(string $text, string $id = 'i1', ?string $replaces = null, ?\erLhcoreClassModelUser $by = null): Answer
    {
        $message = ['id' => $id, 'body' => $text] + ($replaces === null ? [] : ['replaces' => $replaces]);
        $operator = $this->named($by ?? $this->olga);
        return $this->comes('visitor.invited', ['visitor' => (string) $this->anna->id, 'operator' => $operator, 'message' => $message]);
    }

    /** Anna has left no chat behind. */
    protected function withoutChat(): void
    {
        $this->database->run('DELETE FROM lh_chat');
        $this->database->run('DELETE FROM lh_msg');
        $this->database->run('UPDATE lh_chat_online_user SET chat_id = 0');
    }

    /** @return array<string, mixed> the row of Anna's chat */
    protected function chatRow(): array
    {
        return $this->database->row('SELECT * FROM lh_chat WHERE id = ?', [$this->chat->id]) ?? [];
    }

    /** @return array<string, mixed> the row of Anna on the site */
    protected function annaRow(): array
    {
        return $this->database->row('SELECT * FROM lh_chat_online_user WHERE id = ?', [$this->anna->id]) ?? [];
    }

    /** @return list<string> `user: text` of each row of Anna's chat */
    protected function texts(): array
    {
        $rows = $this->database->rows('SELECT user_id, msg FROM lh_msg WHERE chat_id = ? ORDER BY id', [$this->chat->id]);
        return array_map(fn (array $row): string => "{$row['user_id']}: {$row['msg']}", $rows);
    }

    /** @return array<string, mixed> what the service was told of Anna's chat */
    protected function told(): array
    {
        return Extension::instance()->told()->find((int) $this->chat->id) ?? [];
    }

    /** @param array<string, mixed> $fields of Anna's chat */
    protected function set(array $fields): void
    {
        foreach ($fields as $column => $value) {
            $this->database->run("UPDATE lh_chat SET {$column} = ? WHERE id = ?", [$value, $this->chat->id]);
        }
    }

    /** Gives an operator rights of LHC's module `lhchat`. */
    protected function grant(\erLhcoreClassModelUser $user, string ...$functions): void
    {
        $id = (int) $user->id;
        $this->database->run('INSERT INTO lh_role (id, name) VALUES (?, ?)', [$id, 'role']);
        $this->database->run('INSERT INTO lh_group (id, name, disabled, required) VALUES (?, ?, 0, 0)', [$id, 'group']);
        $this->database->run('INSERT INTO lh_grouprole (group_id, role_id) VALUES (?, ?)', [$id, $id]);
        $this->database->run('INSERT INTO lh_groupuser (group_id, user_id) VALUES (?, ?)', [$id, $id]);
        foreach ($functions as $function) {
            $this->database->run(
                "INSERT INTO lh_rolefunction (role_id, module, `function`, limitation, type) VALUES (?, 'lhchat', ?, '', 0)",
                [$id, $function],
            );
        }
    }

    /**
     * Whatever changed in LHC's tables, in one text.
     */
    protected function everything(): string
    {
        $tables = ['lh_chat', 'lh_msg', 'lh_chat_online_user', 'lh_userdep', 'lh_chat_blocked_user', 'lhc_xmppchat_message', 'lhc_xmppchat_chat', 'lhc_xmppchat_outbox'];
        return json_encode(array_map(fn (string $table): array => $this->rowsOf($table), $tables), JSON_THROW_ON_ERROR | JSON_PARTIAL_OUTPUT_ON_ERROR);
    }

    /** @return list<string> names of the events that LHC dispatches while `$work` runs, of those that are named */
    protected function events(array $names, callable $work): array
    {
        $seen = [];
        foreach ($names as $name) {
            \erLhcoreClassChatEventDispatcher::getInstance()->listen($name, static function () use (&$seen, $name): void {
                $seen[] = $name;
            });
        }
        $work();
        return $seen;
    }

    /** LHC keeps models for a request; each callback is one. */
    private function forgetModels(): void
    {
        foreach (array_keys($GLOBALS) as $name) {
            if (preg_match('/^(erLhcoreClassModel|erLhAbstractModel|lhCache|UserModelCache)/', (string) $name) === 1) {
                unset($GLOBALS[$name]);
            }
        }
        $_SESSION = [];
    }
}
