<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Test;

/** The double of LHC: one class a file, written for these tests. */
final class Double
{
    private const FOLDER = __DIR__ . '/double';

    public static function load(): void
    {
        spl_autoload_register(static function (string $class): void {
            $file = self::FOLDER . '/' . str_replace('\\', '/', $class) . '.php';
            if (is_file($file)) {
                require $file;
            }
        });
    }

    /** @return list<string> the names of its classes */
    public static function classes(): array
    {
        $files = new \RegexIterator(new \RecursiveIteratorIterator(new \RecursiveDirectoryIterator(self::FOLDER)), '/\.php$/');
        $names = array_map(
            static fn (\SplFileInfo $file): string => str_replace('/', '\\', substr($file->getPathname(), strlen(self::FOLDER) + 1, -4)),
            array_values(iterator_to_array($files)),
        );
        sort($names);
        return $names;
    }

    /** @return list<string> the statements that make its tables */
    public static function tables(): array
    {
        $sql = (string) file_get_contents(self::FOLDER . '/schema.sql');
        return array_values(array_filter(array_map('trim', explode(";\n", $sql))));
    }
}
