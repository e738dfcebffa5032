<?php

/** Prints as JSON what the double claims of LHC: per class its methods, constants, properties and columns. */

declare(strict_types=1);

require __DIR__ . '/Double.php';
XmppChat\Lhc\Test\Double::load();

$isOwn = static fn (ReflectionMethod|ReflectionProperty $member): bool => stripos((string) $member->getDocComment(), "the double's own") !== false;
$classes = [];
foreach (XmppChat\Lhc\Test\Double::classes() as $name) {
    $class = new ReflectionClass($name);
    if ($class->isTrait()) {
        continue;
    }
    $described = ['methods' => [], 'constants' => [], 'properties' => [], 'columns' => []];
    foreach ($class->getMethods(ReflectionMethod::IS_PUBLIC) as $method) {
        if (!$method->isInternal() && !$method->isConstructor() && !$isOwn($method)) {
            $described['methods'][$method->name] = ['static' => $method->isStatic(), 'parameters' => $method->getNumberOfParameters()];
        }
    }
    foreach ($class->getReflectionConstants(ReflectionClassConstant::IS_PUBLIC) as $constant) {
        if ($constant->getDeclaringClass()->isUserDefined() && !in_array($constant->name, ['TEXTS', 'NUMBERS'], true)) {
            $described['constants'][$constant->name] = $constant->getValue();
        }
    }
    foreach ($class->getProperties(ReflectionProperty::IS_PUBLIC) as $property) {
        if (!$isOwn($property)) {
            $described['properties'][] = $property->name;
        }
    }
    if (defined("{$name}::NUMBERS")) {
        $described['columns'] = array_values(array_filter(['id', ...explode(' ', $name::TEXTS . ' ' . $name::NUMBERS)]));
    }
    $classes[$name] = $described;
}
echo json_encode($classes, JSON_THROW_ON_ERROR);
