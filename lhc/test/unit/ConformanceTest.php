<?php

declare(strict_types=1);

use XmppChat\Lhc\Extension;
use XmppChat\Lhc\Test\Connection;
use XmppChat\Lhc\Test\Double;
use XmppChat\Lhc\Test\TestCase;

/**
 * The double beside a real LHC: what it claims must be there. It needs LHC_DIR; the other tests then run on that LHC too,
 * so what classes do is compared by them.
 */
final class ConformanceTest extends TestCase
{
    /** What the extension takes from an event, beside `chat` of those that begin with it: event → names of its arguments. */
    private const ARGUMENTS = [
        'onlineuser.created' => ['ou'],
        'onlineuser.pageview_logged' => ['ou'],
        'onlineuser.before_store_chat' => ['online_user'],
        'chat.chat_transfered' => ['chat', 'transfer'],
        'chat.close' => ['chat', 'user_data'],
        'chat.reaction_visitor' => ['chat', 'msg'],
        'user.user_created' => ['userData'],
        'user.user_modified' => ['userData'],
        'user.deleted' => ['userData'],
    ];
    /** Characters behind the name of an event in which its arguments are. */
    private const REACH = 400;

    private string $folder;

    protected function setUp(): void
    {
        $this->folder = getenv('LHC_DIR') ?: '';
        if ($this->folder === '') {
            self::markTestSkipped('LHC_DIR names no LHC');
        }
        parent::setUp();
    }

    public function testLhcHasTheClassesWithTheirMethodsAndConstants(): void
    {
        $missing = [];
        foreach ($this->double() as $name => $claims) {
            if (!class_exists($name)) {
                $missing[] = $name;
                continue;
            }
            $class = new ReflectionClass($name);
            foreach ($claims['methods'] as $method => $claim) {
                $is = $class->hasMethod($method) ? $class->getMethod($method) : null;
                // LHC's hooks of models take parameters or not, as each likes.
                $parameters = preg_match('/^(before|after)/', $method) === 1 ? 0 : $claim['parameters'];
                if ($is === null || !$is->isPublic() || $is->isStatic() !== $claim['static'] || $is->getNumberOfParameters() < $parameters) {
                    $missing[] = "{$name}::{$method}";
                }
            }
            foreach ($claims['constants'] as $constant => $value) {
                if (!$class->hasConstant($constant) || $class->getConstant($constant) !== $value) {
                    $missing[] = "{$name}::{$constant}";
                }
            }
            foreach ($claims['columns'] as $column) {
                if (!array_key_exists($column, (new $name())->getState())) {
                    $missing[] = "{$name}->{$column}";
                }
            }
            foreach (array_diff($claims['properties'], $claims['columns']) as $property) {
                if (!$class->hasProperty($property)) {
                    $missing[] = "{$name}->\${$property}";
                }
            }
        }
        self::assertSame([], $missing);
    }

    public function testLhcHasTheTablesWithTheirColumns(): void
    {
        $db = Connection::another();
        $own = (string) $db->query('SELECT DATABASE()')->fetchColumn();
        $db->query("CREATE OR REPLACE DATABASE {$own}_double CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci");
        $db->query("USE {$own}_double");
        foreach (Double::tables() as $statement) {
            $db->query($statement);
        }
        // MariaDB still writes how wide an integer is shown.
        $type = static fn (string $of): string => "REGEXP_REPLACE({$of}.column_type, '^([a-z]*int)[(][0-9]+[)]', '\\\\1')";
        $differences = $db->query(
            "SELECT CONCAT(d.table_name, '.', d.column_name, ': ', d.column_type, ' ', d.is_nullable, ' ', COALESCE(d.column_default, '-'),
                 ' is in LHC ', COALESCE(CONCAT(l.column_type, ' ', l.is_nullable, ' ', COALESCE(l.column_default, '-')), 'missing'))
             FROM information_schema.columns d
             LEFT JOIN information_schema.columns l
               ON l.table_schema = '{$own}' AND l.table_name = d.table_name AND l.column_name = d.column_name
             WHERE d.table_schema = '{$own}_double' AND NOT (
                 {$type('d')} <=> {$type('l')} AND d.is_nullable <=> l.is_nullable AND d.column_default <=> l.column_default)",
        )->fetchAll(PDO::FETCH_COLUMN);
        $db->query("DROP DATABASE {$own}_double");
        self::assertSame([], $differences);
    }

    public function testLhcFiresTheEventsWithTheirArguments(): void
    {
        $dispatcher = erLhcoreClassChatEventDispatcher::getInstance();
        Extension::instance()->attach($dispatcher);
        $events = array_keys((new ReflectionProperty($dispatcher, 'listeners'))->getValue($dispatcher));
        // Fired by LHC's extensions for automated hosting, which are not a part of LHC.
        $events = array_filter($events, static fn (string $event): bool => !str_contains($event, 'instance.'));
        $source = $this->source();
        $missing = [];
        foreach ($events as $event) {
            $calls = [];
            for ($at = -1; ($at = strpos($source, "dispatch('{$event}'", $at + 1)) !== false;) {
                $calls[] = substr($source, $at, self::REACH);
            }
            if ($calls === []) {
                $missing[] = $event;
            }
            // Some calls have a variable there.
            foreach (array_filter($calls, static fn (string $call): bool => preg_match("/^dispatch\\('[^']+',\\s*(\\[|array)/", $call) === 1) as $call) {
                foreach (self::ARGUMENTS[$event] ?? ['chat'] as $argument) {
                    str_contains($call, "'{$argument}'") || $missing[] = "{$event}: {$argument} in {$call}";
                }
            }
        }
        self::assertGreaterThan(15, count($events));
        self::assertSame([], $missing);
    }

    /** @return array<string, array{methods: array<string, array{static: bool, parameters: int}>, constants: array<string, mixed>, properties: list<string>, columns: list<string>}> */
    private function double(): array
    {
        // In a process of its own: here these classes are LHC's.
        exec(escapeshellarg(PHP_BINARY) . ' ' . escapeshellarg(dirname(__DIR__) . '/describe-double.php'), $output, $code);
        self::assertSame(0, $code);
        return json_decode(implode("\n", $output), true, 16, JSON_THROW_ON_ERROR);
    }

    private function source(): string
    {
        $source = '';
        foreach (['lib/core', 'lib/models', 'lib/vendor_lhc', 'modules'] as $part) {
            $files = new RecursiveIteratorIterator(new RecursiveDirectoryIterator("{$this->folder}/{$part}", FilesystemIterator::SKIP_DOTS));
            foreach (new RegexIterator($files, '/\.php$/') as $file) {
                $source .= file_get_contents($file->getPathname());
            }
        }
        return (string) preg_replace('/dispatch\(\s*/', 'dispatch(', $source);
    }
}
