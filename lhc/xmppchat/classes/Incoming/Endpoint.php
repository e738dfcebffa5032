<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Incoming;

use XmppChat\Lhc\Extension;
use XmppChat\Lhc\Log;

/** The view `xmppchat/callback`: HTTP in, HTTP out. */
final class Endpoint
{
    /** Answers the request that PHP serves. Never throws; LHC would answer with a page of its own. */
    public static function serve(Extension $extension): void
    {
        // A request that dies on the way is answered with this. PHP's own answer is an empty 200 where errors are displayed,
        // and the service would take that for yes.
        http_response_code(500);
        try {
            $answer = $extension->receiver()->receive(Request::current());
        } catch (\Throwable $failure) {
            Log::failure('callback', $failure);
            $answer = Answer::error(503, 'not installed: the extension\'s tables are missing, or the database is away');
        }
        http_response_code($answer->status);
        header('Content-Type: application/json');
        header('Cache-Control: no-store');
        if ($answer->status === 405) {
            header('Allow: POST');
        }
        if ($answer->retryAfterS > 0) {
            header("Retry-After: {$answer->retryAfterS}");
        }
        echo $answer->json();
    }
}
