<?php

declare(strict_types=1);

/** Stands for eZ Components' exception: a commit or rollback without a transaction. */
final class ezcDbTransactionException extends Exception
{
}
