<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Test;

/** A real LHC, in the folder that LHC_DIR names: its classes, on a database of our own. Its settings are not used. */
final class RealLhc
{
    /** @throws \RuntimeException if the folder has no LHC */
    public static function load(string $folder): void
    {
        foreach (['/lib/vendor/autoload.php', '/ezcomponents/Base/src/base.php'] as $file) {
            is_file($folder . $file) || throw new \RuntimeException("LHC_DIR: {$folder}{$file} is missing");
        }
        // LHC reads its files by paths from here.
        chdir($folder);
        require_once $folder . '/lib/vendor/autoload.php';
        require_once $folder . '/ezcomponents/Base/src/base.php';
        spl_autoload_register(['ezcBase', 'autoload'], true, false);
        \erLhcoreClassSystem::instance()->SiteAccess = 'eng';
        \erLhcoreClassSystem::instance()->SiteDir = $folder . '/';
        \erLhcoreClassSystem::instance()->Language = 'en_EN';
        // Its mobile notifications would go out to the Internet.
        \erLhcoreClassChatEventDispatcher::getInstance()->disableMobile = true;
        \erLhcoreClassModule::$dateHourFormat = 'H:i:s';
        \erLhcoreClassModule::$dateDateHourFormat = 'Y-m-d H:i:s';
    }

    /** @return list<string> the statements that make its tables, as its installer has them */
    public static function tables(string $folder): array
    {
        $installer = (string) file_get_contents($folder . '/modules/lhinstall/install.php');
        preg_match_all('/"\s*(CREATE TABLE[^"]+)"/', $installer, $found);
        return $found[1];
    }
}
