<?php

declare(strict_types=1);

$Result = (new \XmppChat\Lhc\Admin\SettingsPage(\XmppChat\Lhc\Extension::instance()))
    ->handle(\XmppChat\Lhc\Admin\Request::current($Params));
