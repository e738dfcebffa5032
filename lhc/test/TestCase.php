<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Test;

use XmppChat\Lhc\Database;
use XmppChat\Lhc\Extension;
use XmppChat\Lhc\Settings;

/**
 * Each test begins with empty tables, a new `Extension`, no listeners and nobody signed in. It works on LHC's double and,
 * with LHC_DIR, on a real LHC: so tests make rows by LHC's models, as below, and read them raw.
 */
abstract class TestCase extends \PHPUnit\Framework\TestCase
{
    private const LHC_TABLES = [
        'lh_chat', 'lh_msg', 'lh_chat_online_user', 'lh_users', 'lh_departament', 'lh_userdep', 'lh_transfer',
        'lh_chat_blocked_user', 'lh_chat_config', 'lh_chat_file',
    ];

    protected Database $database;

    protected function setUp(): void
    {
        Extension::reset();
        $this->database = new Database();
        foreach ($this->tables() as $table) {
            $this->database->run("DELETE FROM {$table}");
        }
        $this->forget();
    }

    protected function tearDown(): void
    {
        $db = \ezcDbInstance::get();
        $open = 0;
        for (; $db->inTransaction() && $open < 10; $open++) {
            $db->rollback();
        }
        Extension::reset();
        self::assertSame(0, $open, 'the test left a transaction open');
    }

    /** LHC's caches of this process, its listeners and its session, as at the begin of another request. */
    protected function forget(): void
    {
        foreach (array_keys($GLOBALS) as $name) {
            if (preg_match('/^(erLhcoreClassModel|erLhAbstractModel|lhCache|lhc_erLh|UserModelCache)/', (string) $name) === 1) {
                unset($GLOBALS[$name]);
            }
        }
        $_SESSION = [];
        (new \ReflectionProperty(\erLhcoreClassChatEventDispatcher::class, 'listeners'))->setValue(\erLhcoreClassChatEventDispatcher::getInstance(), []);
    }

    /** @param array<string, string|bool> $values beside those that make the extension ready */
    protected function settings(array $values = []): Settings
    {
        Settings::write($this->database, $values + [
            'enabled' => true,
            'serviceUrl' => 'http://127.0.0.1:9',
            'tenant' => 'shop',
            'apiKey' => 'key-of-the-tests',
            'callbackSecret' => 'whsec_' . base64_encode('secret-of-the-tests'),
        ]);
        Extension::instance()->forgetSettings();
        return Extension::instance()->settings();
    }

    /** @param array<string, mixed> $fields columns with another value */
    protected function department(array $fields = []): \erLhcoreClassModelDepartament
    {
        return $this->saved(new \erLhcoreClassModelDepartament(), $fields + ['name' => 'Sales']);
    }

    /**
     * @param array<string, mixed> $fields columns with another value
     * @param list<int> $departments ids; 0 is all of them. None: they can never be online
     */
    protected function operator(array $fields = [], array $departments = [0]): \erLhcoreClassModelUser
    {
        $user = $this->saved(new \erLhcoreClassModelUser(), $fields + [
            'username' => 'olga' . bin2hex(random_bytes(3)),
            'email' => 'olga@example.org',
            'name' => 'Olga',
            'surname' => 'Petrova',
            'all_departments' => in_array(0, $departments, true) ? 1 : 0,
        ]);
        foreach ($departments as $department) {
            $this->saved(new \erLhcoreClassModelUserDep(), ['user_id' => $user->id, 'dep_id' => $department]);
        }
        return $user;
    }

    /** @param array<string, mixed> $fields columns with another value */
    protected function visitor(array $fields = []): \erLhcoreClassModelChatOnlineUser
    {
        return $this->saved(new \erLhcoreClassModelChatOnlineUser(), $fields + [
            'vid' => bin2hex(random_bytes(10)),
            'ip' => '192.0.2.1',
            'current_page' => '//shop.example/shoes',
            'page_title' => 'Shoes',
            'user_agent' => 'Mozilla/5.0 Chrome/120',
            'first_visit' => time(),
            'last_visit' => time(),
            'last_check_time' => time(),
            'pages_count' => 1,
            'tt_pages_count' => 1,
        ]);
    }

    /**
     * A pending chat.
     *
     * @param array<string, mixed> $fields columns with another value
     */
    protected function chat(?\erLhcoreClassModelChatOnlineUser $visitor = null, array $fields = []): \erLhcoreClassModelChat
    {
        $chat = $this->saved(new \erLhcoreClassModelChat(), $fields + [
            'nick' => 'Anna',
            'hash' => \erLhcoreClassChat::generateHash(),
            'time' => time(),
            'pnd_time' => time(),
            'online_user_id' => $visitor?->id ?? 0,
            'dep_id' => 0,
            'lsync' => time(),
        ]);
        if ($visitor !== null) {
            $visitor->chat_id = $chat->id;
            $visitor->saveThis();
        }
        return $chat;
    }

    /**
     * A row of the chat, as LHC writes one. Dispatches nothing.
     *
     * @param int $userId 0 is the visitor, -1 the system, -2 a bot
     * @param array<string, mixed> $fields columns with another value
     */
    protected function message(\erLhcoreClassModelChat $chat, string $text, int $userId = 0, array $fields = []): \erLhcoreClassModelmsg
    {
        $msg = $this->saved(new \erLhcoreClassModelmsg(), $fields + ['msg' => $text, 'chat_id' => $chat->id, 'user_id' => $userId, 'time' => time()]);
        $chat->last_msg_id = $msg->id;
        $chat->last_user_msg_time = time();
        $chat->updateThis(['update' => ['last_msg_id', 'last_user_msg_time']]);
        return $msg;
    }

    /**
     * Code in another PHP process, with LHC and the extension loaded.
     *
     * @param string $code PHP without `<?php`; has `$input`, and `say()` writes a line
     * @param array<mixed> $input
     */
    protected function secondProcess(string $code, array $input = []): SecondProcess
    {
        return new SecondProcess($code, $input);
    }

    /** @return list<array<string, mixed>> the rows of a table as they are, by their first column */
    protected function rowsOf(string $table): array
    {
        return $this->database->rows("SELECT * FROM {$table} ORDER BY 1");
    }

    /** @return list<string> the tables that are emptied before each test */
    private function tables(): array
    {
        $own = $this->database->rows("SHOW TABLES LIKE 'lhc\\_xmppchat\\_%'");
        return [...self::LHC_TABLES, ...array_map(fn (array $row): string => (string) current($row), $own)];
    }

    /**
     * @template T of object
     * @param T $model
     * @param array<string, mixed> $fields
     * @return T
     */
    private function saved(object $model, array $fields): object
    {
        foreach ($fields as $name => $value) {
            $model->$name = $value;
        }
        $model->saveThis();
        return $model;
    }
}
