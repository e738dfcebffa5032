<?php

declare(strict_types=1);

$Result = (new \XmppChat\Lhc\Hosting\HostingPage(\XmppChat\Lhc\Extension::instance()))
    ->handle(\XmppChat\Lhc\Admin\Request::current($Params));
