<?php

declare(strict_types=1);

/** Stands for eZ Components' session as LHC changed it (ezcomponents/PersistentObject): rows become models and back. */
final class ezcPersistentSession
{
    /** The filters of LHC's getList() that the double knows, each with its operator. */
    private const OPERATORS = [
        'filter' => '=',
        'filternot' => '!=',
        'filterlt' => '<',
        'filterlte' => '<=',
        'filtergt' => '>',
        'filtergte' => '>=',
        'filterlike' => 'LIKE',
        'filterin' => 'IN',
        'filternotin' => 'NOT IN',
    ];

    /** The double's own declaration of what LHC has by __get. */
    public readonly ezcDbHandler $database;

    public function __construct()
    {
        $this->database = ezcDbInstance::get();
    }

    /**
     * The double's own.
     *
     * @param array<string, mixed> $params as of getList()
     * @return array{string, list<mixed>} the WHERE with a space before it, and its values
     */
    public static function conditions(array $params): array
    {
        $conditions = $params['customfilter'] ?? [];
        $values = [];
        foreach (self::OPERATORS as $filter => $operator) {
            foreach ($params[$filter] ?? [] as $field => $value) {
                $several = is_array($value);
                if ($several && $value === []) {
                    continue;
                }
                $sign = match (true) {
                    $several && $operator === '=' => 'IN',
                    default => $operator,
                };
                $marks = $several ? '(' . implode(', ', array_fill(0, count($value), '?')) . ')' : '?';
                $conditions[] = "{$field} {$sign} {$marks}";
                array_push($values, ...($several ? array_values($value) : [$operator === 'LIKE' ? "%{$value}%" : $value]));
            }
        }
        return [$conditions === [] ? '' : ' WHERE ' . implode(' AND ', $conditions), $values];
    }

    /** @throws ezcPersistentQueryException if there is no such row */
    public function load($class, $id)
    {
        return $this->read($class, $id, '');
    }

    /** @throws ezcPersistentQueryException if there is no such row */
    public function loadAndLock($class, $id)
    {
        return $this->read($class, $id, ' FOR UPDATE');
    }

    public function refresh($object)
    {
        $object->setState($this->row($object::class, $object->id, ''));
    }

    public function save($object)
    {
        $values = array_filter($this->cast($object), fn (mixed $value, string $column): bool => $column !== $object::$dbTableId || $value !== null, ARRAY_FILTER_USE_BOTH);
        $columns = implode(', ', array_map(fn (string $column): string => "`{$column}`", array_keys($values)));
        $marks = implode(', ', array_fill(0, count($values), '?'));
        // As LHC's: in a transaction of its own, or inside the one that is open.
        $this->database->beginTransaction();
        try {
            $this->database->prepare('INSERT INTO ' . $object::$dbTable . " ({$columns}) VALUES ({$marks})")->execute(array_values($values));
        } catch (Exception $e) {
            $this->database->rollback();
            throw $e;
        }
        if ($object::$dbTableId === 'id') {
            $object->id = (int) $this->database->lastInsertId();
        }
        $this->database->commit();
    }

    public function update($object, $updateIgnoreColumns = [], $updateOnlyColumn = [])
    {
        $values = array_diff_key($this->cast($object), array_flip([$object::$dbTableId, ...$updateIgnoreColumns]));
        if ($updateOnlyColumn !== []) {
            $values = array_intersect_key($values, array_flip($updateOnlyColumn));
        }
        $sets = implode(', ', array_map(fn (string $column): string => "`{$column}` = ?", array_keys($values)));
        $id = $object::$dbTableId;
        $this->database->prepare('UPDATE ' . $object::$dbTable . " SET {$sets} WHERE {$id} = ?")->execute([...array_values($values), $object->$id]);
    }

    public function saveOrUpdate($object, $updateIgnoreColumns = [], $updateOnlyColumn = [])
    {
        $statement = $this->database->prepare('SELECT COUNT(*) FROM ' . $object::$dbTable . ' WHERE ' . $object::$dbTableId . ' = ?');
        $statement->execute([$object->{$object::$dbTableId}]);
        (int) $statement->fetchColumn() === 0 ? $this->save($object) : $this->update($object, $updateIgnoreColumns, $updateOnlyColumn);
    }

    public function delete($object)
    {
        $this->database->prepare('DELETE FROM ' . $object::$dbTable . ' WHERE ' . $object::$dbTableId . ' = ?')->execute([$object->{$object::$dbTableId}]);
    }

    /** @return array<string, mixed> by column; what is not null has the column's type, as in LHC */
    private function cast(object $object): array
    {
        $state = $object->getState();
        foreach ($state as $column => $value) {
            if ($value !== null) {
                $state[$column] = $object::isNumber($column) ? (int) $value : (string) $value;
            }
        }
        return $state;
    }

    private function read(string $class, mixed $id, string $lock): object
    {
        $row = $this->row($class, $id, $lock);
        $object = new $class();
        $object->setState($row);
        return $object;
    }

    /** @return array<string, mixed> */
    private function row(string $class, mixed $id, string $lock): array
    {
        $statement = $this->database->prepare('SELECT * FROM ' . $class::$dbTable . ' WHERE ' . $class::$dbTableId . ' = ?' . $lock);
        $statement->execute([$id]);
        $row = $statement->fetch(PDO::FETCH_ASSOC);
        return is_array($row) ? $row : throw new ezcPersistentQueryException("No {$class} with the id {$id}.");
    }
}
