<?php

declare(strict_types=1);

// A link to a visitor's file, from a message: leads to a fresh one of LHC's, which is good for five minutes.
\XmppChat\Lhc\Outgoing\FileView::serve(\XmppChat\Lhc\Extension::instance(), $Params['user_parameters']);
exit;
