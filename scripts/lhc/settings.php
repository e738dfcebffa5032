<?php

/**
 * Changes LHC's settings, in its folder, as LHC's own classes do. Standard input is JSON with any of
 * `settings`: {section: {name: value}} of settings/settings.ini.php;
 * `options`: {identifier: value} of lh_chat_config;
 * `data`: {identifier: {name: value}}, names within an option that is a serialized list;
 * `tables`: the path of an extension's structure.json, whose tables are made or brought up to date.
 */

declare(strict_types=1);

require_once 'lib/vendor/autoload.php';
require_once 'ezcomponents/Base/src/base.php';
spl_autoload_register(['ezcBase', 'autoload'], true, false);
ezcBaseInit::setCallback('ezcInitDatabaseInstance', 'erLhcoreClassLazyDatabaseConfiguration');

$request = json_decode((string) stream_get_contents(STDIN), true, 64, JSON_THROW_ON_ERROR);

$config = erConfigClassLhConfig::getInstance();
foreach ($request['settings'] ?? [] as $section => $values) {
    foreach ($values as $name => $value) {
        $config->setSetting($section, $name, $value);
    }
}
if (isset($request['settings'])) {
    $config->save();
}

$instance = erLhcoreClassSystem::instance();
$instance->backgroundMode = true;
$instance->SiteAccess = 'site_admin';
$instance->SiteDir = getcwd() . '/';

if (isset($request['tables'])) {
    $structure = json_decode((string) file_get_contents($request['tables']), true, 64, JSON_THROW_ON_ERROR);
    // What a table lacks is added in the second pass.
    $errors = [...erLhcoreClassUpdate::doTablesUpdate($structure), ...erLhcoreClassUpdate::doTablesUpdate($structure)];
    if ($errors !== []) {
        fwrite(STDERR, implode("\n", $errors) . "\n");
        exit(1);
    }
}

$update = ezcDbInstance::get()->prepare('UPDATE lh_chat_config SET value = :value WHERE identifier = :identifier');
$options = $request['options'] ?? [];
foreach ($request['data'] ?? [] as $identifier => $values) {
    $options[$identifier] = serialize([...(array) erLhcoreClassModelChatConfig::fetch($identifier)->data, ...$values]);
}
foreach ($options as $identifier => $value) {
    $update->execute(['value' => (string) $value, 'identifier' => $identifier]);
}
