<?php

declare(strict_types=1);

/**
 * How LHC's models are read and written. Stands for LHC's trait of the same name (lib/core/lhcore/lhdbtrait.php): saving
 * writes **all** columns unless `update` names some, objects that were read are kept for the request, and hooks run.
 *
 * A model has the constants TEXTS and NUMBERS: its columns beside `id`, with spaces between them.
 */
trait erLhcoreClassDBTrait
{
    public $id = null;

    public function __construct()
    {
        foreach (explode(' ', self::TEXTS) as $column) {
            $column === '' || $this->$column = '';
        }
        foreach (explode(' ', self::NUMBERS) as $column) {
            $this->$column = 0;
        }
    }

    /** The double's own: whether a column holds a number. */
    public static function isNumber(string $column): bool
    {
        return $column === 'id' || in_array($column, explode(' ', self::NUMBERS), true);
    }

    public static function getSession(): ezcPersistentSession
    {
        return erLhcoreClassChat::getSession();
    }

    public function getState()
    {
        $state = ['id' => $this->id];
        foreach (array_filter(explode(' ', self::TEXTS . ' ' . self::NUMBERS)) as $column) {
            $state[$column] = $this->$column;
        }
        return $state;
    }

    public function setState(array $properties)
    {
        foreach ($properties as $name => $value) {
            $this->$name = $value;
        }
    }

    public function saveThis($params = [])
    {
        $this->beforeSave($params);
        self::getSession()->saveOrUpdate($this, $params['ignore'] ?? [], $params['update'] ?? []);
        $this->afterSave($params);
        $this->clearCache();
    }

    public function saveOrUpdate($params = [])
    {
        $this->saveThis($params);
    }

    public function updateThis($params = [])
    {
        $this->beforeUpdate($params);
        self::getSession()->update($this, $params['ignore'] ?? [], $params['update'] ?? []);
        $this->afterUpdate($params);
        $this->clearCache();
    }

    public function removeThis()
    {
        $this->beforeRemove();
        self::getSession()->delete($this);
        $this->afterRemove();
        $this->clearCache();
    }

    public function syncAndLock($columnsToSync = '*')
    {
        if ($this->id === null) {
            return;
        }
        $statement = ezcDbInstance::get()->prepare("SELECT {$columnsToSync} FROM " . self::$dbTable . ' WHERE id = ? FOR UPDATE');
        $statement->execute([$this->id]);
        $row = $statement->fetch(PDO::FETCH_ASSOC);
        is_array($row) && $this->setState($row);
    }

    public function refreshThis()
    {
        self::getSession()->refresh($this);
    }

    public function beforeSave($params = [])
    {
    }

    public function beforeUpdate($params = [])
    {
    }

    public function beforeRemove()
    {
    }

    public function afterSave($params = [])
    {
    }

    public function afterUpdate($params = [])
    {
    }

    public function afterRemove()
    {
    }

    public function clearCache()
    {
        unset($GLOBALS[__CLASS__ . $this->id]);
    }

    /** @return self|false false if there is none */
    public static function fetch($id, $useCache = true, $throwException = false)
    {
        if ($useCache && isset($GLOBALS[__CLASS__ . $id])) {
            return $GLOBALS[__CLASS__ . $id];
        }
        try {
            $object = self::getSession()->load(__CLASS__, $id);
        } catch (Exception $e) {
            if ($throwException) {
                throw $e;
            }
            $object = false;
        }
        if ($useCache) {
            $GLOBALS[__CLASS__ . $id] = $object;
        }
        return $object;
    }

    /** @return self|false */
    public static function fetchAndLock($id, $useCache = false)
    {
        if ($useCache && isset($GLOBALS[__CLASS__ . $id])) {
            return $GLOBALS[__CLASS__ . $id];
        }
        try {
            $GLOBALS[__CLASS__ . $id] = self::getSession()->loadAndLock(__CLASS__, $id);
        } catch (Exception $e) {
            $GLOBALS[__CLASS__ . $id] = false;
        }
        return $GLOBALS[__CLASS__ . $id];
    }

    /** @return self|false */
    public static function fetchCache($id)
    {
        return self::fetch($id);
    }

    /** @return self|false */
    public static function findOne($paramsSearch = [])
    {
        return current(self::getList(['limit' => 1] + $paramsSearch)) ?: false;
    }

    /** @return array<int, self> by id */
    public static function getList($paramsSearch = [])
    {
        [$where, $values] = ezcPersistentSession::conditions($paramsSearch);
        $sort = $paramsSearch['sort'] ?? self::$dbTable . '.id ' . self::$dbSortOrder;
        $sql = 'SELECT * FROM ' . self::$dbTable . $where . ($sort === false ? '' : " ORDER BY {$sort}");
        if (($paramsSearch['limit'] ?? 500) !== false) {
            $sql .= ' LIMIT ' . (int) ($paramsSearch['limit'] ?? 500) . ' OFFSET ' . (int) ($paramsSearch['offset'] ?? 0);
        }
        $statement = ezcDbInstance::get()->prepare($sql . (($paramsSearch['lock'] ?? false) ? ' FOR UPDATE' : ''));
        $statement->execute($values);
        $objects = [];
        foreach ($statement->fetchAll(PDO::FETCH_ASSOC) as $row) {
            $object = new self();
            $object->setState($row);
            $objects[$row['id']] = $object;
        }
        return $objects;
    }

    public static function getCount($params = [], $operation = 'COUNT', $field = false)
    {
        [$where, $values] = ezcPersistentSession::conditions($params);
        $column = self::$dbTable . '.' . ($field === false ? self::$dbTableId : $field);
        $statement = ezcDbInstance::get()->prepare("SELECT {$operation}({$column}) FROM " . self::$dbTable . $where);
        $statement->execute($values);
        return $statement->fetchColumn();
    }
}
