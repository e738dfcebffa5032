<?php

declare(strict_types=1);

/**
 * LHC's connection (ezcomponents/Database/src/handler.php): transactions nest by counting. A rollback inside makes the
 * outermost commit a rollback that returns false and throws nothing.
 */
final class ezcDbHandler extends PDO
{
    private int $level = 0;
    private bool $failed = false;

    #[ReturnTypeWillChange]
    public function beginTransaction()
    {
        $begun = $this->level > 0 || parent::beginTransaction();
        $this->level++;
        return $begun;
    }

    #[ReturnTypeWillChange]
    public function commit()
    {
        if ($this->level <= 0) {
            $this->level = 0;
            throw new ezcDbTransactionException('commit() without beginTransaction()');
        }
        $committed = true;
        if ($this->level === 1) {
            $committed = !$this->failed;
            $this->failed ? parent::rollBack() : parent::commit();
            $this->failed = false;
        }
        $this->level--;
        return $committed;
    }

    #[ReturnTypeWillChange]
    public function rollback()
    {
        if ($this->level <= 0) {
            $this->level = 0;
            throw new ezcDbTransactionException('rollback() without beginTransaction()');
        }
        if ($this->level === 1) {
            parent::rollBack();
            $this->failed = false;
        } else {
            $this->failed = true;
        }
        $this->level--;
        return true;
    }
}
