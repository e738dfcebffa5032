<?php

declare(strict_types=1);

/** Stands for eZ Components' exception: a row that is not there. */
final class ezcPersistentQueryException extends Exception
{
}
