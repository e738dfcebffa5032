<?php

declare(strict_types=1);

$Result = (new \XmppChat\Lhc\Accounts\AccountPage(\XmppChat\Lhc\Extension::instance()))
    ->handle(\XmppChat\Lhc\Admin\Request::current($Params));

// The tab at a user loads the page without LHC's page around it.
if ($Params['user_parameters_unordered']['tab'] === 'true') {
    echo $Result['content'];
    exit;
}
