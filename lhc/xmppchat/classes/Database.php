<?php

declare(strict_types=1);

namespace XmppChat\Lhc;

/**
 * LHC's own connection: what is written here while LHC has a transaction open is part of that transaction. LHC counts
 * nested transactions. A rollback inside makes the outermost `commit()` roll back, return false and say nothing; so
 * listeners never begin or roll back one, and `transaction()` looks at that answer.
 */
final class Database
{
    /** @param ?\Closure(): \PDO $connect another source of the connection; LHC's when absent */
    public function __construct(private readonly ?\Closure $connect = null)
    {
    }

    /** LHC's connection. */
    public function pdo(): \PDO
    {
        return $this->connect === null ? \ezcDbInstance::get() : ($this->connect)();
    }

    /**
     * Runs one statement with bound parameters.
     *
     * @param array<int|string, int|string|bool|null> $parameters
     * @throws \PDOException if the database refuses it
     */
    public function run(string $sql, array $parameters = []): \PDOStatement
    {
        $statement = $this->pdo()->prepare($sql);
        foreach ($parameters as $name => $value) {
            $type = match (true) {
                $value === null => \PDO::PARAM_NULL,
                is_int($value), is_bool($value) => \PDO::PARAM_INT,
                default => \PDO::PARAM_STR,
            };
            $statement->bindValue(is_int($name) ? $name + 1 : $name, $value, $type);
        }
        $statement->execute();
        return $statement;
    }

    /**
     * @param array<int|string, int|string|bool|null> $parameters
     * @return list<array<string, mixed>>
     */
    public function rows(string $sql, array $parameters = []): array
    {
        return $this->run($sql, $parameters)->fetchAll(\PDO::FETCH_ASSOC);
    }

    /**
     * @param array<int|string, int|string|bool|null> $parameters
     * @return ?array<string, mixed>
     */
    public function row(string $sql, array $parameters = []): ?array
    {
        return $this->rows($sql, $parameters)[0] ?? null;
    }

    /**
     * The first column of the first row; null without a row.
     *
     * @param array<int|string, int|string|bool|null> $parameters
     */
    public function value(string $sql, array $parameters = []): mixed
    {
        $value = $this->run($sql, $parameters)->fetchColumn();
        return $value === false ? null : $value;
    }

    /**
     * Runs `$work` in a transaction, or inside the one that is open.
     *
     * @template T
     * @param callable(): T $work
     * @return T
     * @throws \RuntimeException if the commit became a rollback, because somebody inside rolled back
     * @throws \PDOException if the database ended the transaction, by a deadlock that somebody inside swallowed
     */
    public function transaction(callable $work): mixed
    {
        $pdo = $this->pdo();
        $pdo->beginTransaction();
        try {
            $result = $work();
            if (!$pdo->inTransaction()) {
                throw self::ended();
            }
        } catch (\Throwable $failure) {
            if (!$pdo->inTransaction()) {
                // LHC's handler still counts a transaction, and would fail at its end; so there is one to end.
                $pdo->exec('START TRANSACTION');
            }
            $pdo->rollback();
            throw $failure;
        }
        if ($pdo->commit() === false) {
            throw new \RuntimeException('the transaction was rolled back');
        }
        return $result;
    }

    private static function ended(): \PDOException
    {
        $failure = new \PDOException('SQLSTATE[40001]: the database ended the transaction (1213)');
        $failure->errorInfo = ['40001', 1213, 'the database ended the transaction'];
        return $failure;
    }

    /**
     * `a = VALUES(a), b = VALUES(b)` for ON DUPLICATE KEY UPDATE.
     *
     * @param list<string> $columns of our own, at least one
     */
    public static function newValues(array $columns): string
    {
        return implode(', ', array_map(static fn (string $column): string => "{$column} = VALUES({$column})", $columns));
    }

    /**
     * `?, ?, ?` for an IN of so many values.
     *
     * @param list<int|string> $values at least one
     */
    public static function marks(array $values): string
    {
        return implode(', ', array_fill(0, count($values), '?'));
    }
}
