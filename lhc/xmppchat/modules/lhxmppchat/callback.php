<?php

declare(strict_types=1);

// No page of LHC's follows: what is printed here is the whole answer.
\XmppChat\Lhc\Incoming\Endpoint::serve(\XmppChat\Lhc\Extension::instance());
exit;
