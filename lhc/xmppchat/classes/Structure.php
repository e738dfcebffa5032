<?php

declare(strict_types=1);

namespace XmppChat\Lhc;

/**
 * Makes the tables of `doc/structure.json`, or what is missing in them. LHC's own page (System, Update) reads the same
 * file. LHC's update class is not called from here: it would also mark LHC's own database as updated.
 */
final class Structure
{
    private readonly string $file;

    public function __construct(private readonly Database $database, ?string $file = null)
    {
        $this->file = $file ?? dirname(__DIR__) . '/doc/structure.json';
    }

    /**
     * Brings all tables up to date; doing it again changes nothing.
     *
     * @return list<string> what was done, a statement each
     */
    public function update(): array
    {
        $statements = $this->pending();
        foreach ($statements as $statement) {
            $this->database->run($statement);
        }
        return $statements;
    }

    /** @return list<string> the statements that are needed; none if the tables are up to date */
    public function pending(): array
    {
        $statements = [];
        $definition = json_decode((string) file_get_contents($this->file), true, 16, JSON_THROW_ON_ERROR);
        foreach ($definition['tables_create'] as $table => $create) {
            $existing = $this->columns($table);
            if ($existing === []) {
                $statements[] = $create;
                continue;
            }
            foreach ($definition['tables'][$table] as $column) {
                if (!in_array($column['field'], $existing, true)) {
                    $statements[] = "ALTER TABLE `{$table}` ADD `{$column['field']}` {$column['type']} " . self::rest($column);
                }
            }
            $indexes = array_diff_key($definition['tables_indexes'][$table]['new'] ?? [], array_flip($this->indexes($table)));
            array_push($statements, ...array_values($indexes));
        }
        return $statements;
    }

    /** @param array{null: string, default: ?string} $column as LHC's structure files have it */
    private static function rest(array $column): string
    {
        if ($column['null'] === 'YES') {
            return 'NULL DEFAULT NULL';
        }
        return 'NOT NULL' . ($column['default'] === null ? '' : " DEFAULT '{$column['default']}'");
    }

    /** @return list<string> */
    private function columns(string $table): array
    {
        return array_column($this->database->rows(
            'SELECT column_name AS name FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = ?',
            [$table],
        ), 'name');
    }

    /** @return list<string> */
    private function indexes(string $table): array
    {
        return array_column($this->database->rows(
            'SELECT DISTINCT index_name AS name FROM information_schema.statistics
             WHERE table_schema = DATABASE() AND table_name = ?',
            [$table],
        ), 'name');
    }
}
