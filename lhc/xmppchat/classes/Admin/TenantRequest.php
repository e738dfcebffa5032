<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Admin;

/** What an administrator runs where the service is, so that it knows this LHC. For a shell; all parts are checked or JSON. */
final class TenantRequest
{
    public const SECRET_IN_WORDS = 'THE-CALLBACK-SECRET';

    private readonly string $body;

    /**
     * @param string $tenant as in the settings; a word in capitals stands for an empty one
     * @param string $callbackUrl of this LHC
     * @param string $secret in full, right after it was made; empty otherwise
     */
    public function __construct(private readonly string $tenant, string $callbackUrl, string $secret)
    {
        $this->body = json_encode([
            'host' => 'XMPP-HOST',
            'callbackUrl' => $callbackUrl,
            'callbackSecret' => $secret === '' ? self::SECRET_IN_WORDS : $secret,
        ], JSON_THROW_ON_ERROR | JSON_UNESCAPED_SLASHES | JSON_INVALID_UTF8_SUBSTITUTE);
    }

    /** With the service's own command. */
    public function command(): string
    {
        return "xmpp-chat tenants put {$this->id()} --file - <<'END'\n{$this->body}\nEND";
    }

    /** The same over HTTP. */
    public function curl(string $serviceUrl): string
    {
        $url = $serviceUrl === '' ? 'https://THE-SERVICE' : $serviceUrl;
        return "curl -X PUT '{$url}/v1/tenants/{$this->id()}' -H \"authorization: Bearer \$ADMIN_TOKEN\" \\\n"
            . "  -H 'content-type: application/json' -d @- <<'END'\n{$this->body}\nEND";
    }

    private function id(): string
    {
        return $this->tenant === '' || SettingsForm::tenantFault($this->tenant) !== null ? 'TENANT' : $this->tenant;
    }
}
