<?php

/**
 * Makes lib/vendor/autoload.php for a checkout of LHC on which composer was not run: a class map of lib/core and
 * lib/models, and the PSR-4 prefixes of composer.json. What LHC needs of other packages is then missing.
 *
 * Usage: php class-map.php LHC_WEB
 */

declare(strict_types=1);

$web = rtrim($argv[1] ?? '', '/');
if (!is_file($web . '/composer.json')) {
    fwrite(STDERR, "usage: php class-map.php LHC_WEB\n");
    exit(2);
}

/** @return list<string> the full names of the classes that a file declares */
function classesOf(string $source): array
{
    $namespace = '';
    $classes = [];
    $previous = null;
    $tokens = PhpToken::tokenize($source);
    foreach ($tokens as $index => $token) {
        if ($token->isIgnorable()) {
            continue;
        }
        if ($token->is(T_NAMESPACE)) {
            $name = nameAfter($tokens, $index);
            $namespace = $name === '' ? '' : $name . '\\';
        }
        // Not `Foo::class`, and not the anonymous `new class`.
        $declares = $token->is([T_CLASS, T_INTERFACE, T_TRAIT, T_ENUM])
            && !($previous?->is([T_DOUBLE_COLON, T_NEW]) ?? false);
        if ($declares) {
            $name = nameAfter($tokens, $index);
            if ($name !== '') {
                $classes[] = $namespace . $name;
            }
        }
        $previous = $token;
    }
    return $classes;
}

/** @param list<PhpToken> $tokens */
function nameAfter(array $tokens, int $index): string
{
    for ($next = $index + 1; $next < count($tokens); $next++) {
        if ($tokens[$next]->is([T_STRING, T_NAME_QUALIFIED])) {
            return $tokens[$next]->text;
        }
        if (!$tokens[$next]->isIgnorable()) {
            break;
        }
    }
    return '';
}

$autoload = json_decode((string) file_get_contents($web . '/composer.json'), true, 64, JSON_THROW_ON_ERROR)['autoload'];
$map = [];
foreach ($autoload['classmap'] as $folder) {
    $files = new RecursiveIteratorIterator(new RecursiveDirectoryIterator($web . '/' . $folder));
    foreach ($files as $file) {
        if ($file->getExtension() !== 'php') {
            continue;
        }
        foreach (classesOf((string) file_get_contents($file->getPathname())) as $class) {
            $map[$class] ??= substr($file->getPathname(), strlen($web) + 1);
        }
    }
}
ksort($map);

$loader = <<<'PHP'
<?php

// Made by scripts/lhc/class-map.php, because composer was not run on this checkout.
spl_autoload_register(static function (string $class): void {
    static $map = %s;
    static $prefixes = %s;
    $root = dirname(__DIR__, 2) . '/';
    if (isset($map[$class])) {
        require_once $root . $map[$class];
        return;
    }
    foreach ($prefixes as $prefix => $folder) {
        if (str_starts_with($class, $prefix)) {
            $file = $root . $folder . strtr(substr($class, strlen($prefix)), '\\', '/') . '.php';
            if (is_file($file)) {
                require_once $file;
            }
            return;
        }
    }
});

PHP;

if (!is_dir($web . '/lib/vendor')) {
    mkdir($web . '/lib/vendor');
}
$text = sprintf($loader, var_export($map, true), var_export($autoload['psr-4'], true));
if (file_put_contents($web . '/lib/vendor/autoload.php', $text) === false) {
    exit(1);
}
