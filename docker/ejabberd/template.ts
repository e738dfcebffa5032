/**
 * Templates of the image's ejabberd.yml, with `@NAME@` in the place of values that entrypoint.sh checks and fills in.
 * Runs while the image is built (`node template.ts FOLDER`), because the image has no Node. The configuration is the
 * one of scripts/ejabberd/config.ts.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ConfigInput, renderConfig } from '../../scripts/ejabberd/config.ts';

/** 5222 operators, 5223 visitors (logged in by the service), 5280 admin API and WebSocket, 5347 the service's component. */
export const ports = { c2s: 5222, visitors: 5223, http: 5280, component: 5347 } as const;

export interface Values {
  readonly hosts: readonly string[];
  readonly api: { readonly user: string; readonly host: string };
  readonly apiFrom: readonly string[];
  readonly webhook: { readonly url: string; readonly secret: string };
  readonly componentSecret: string;
  readonly logLevel: string;
  readonly certfile?: string;
}

/** The text of `ejabberd.yml` in the image. */
export function render({ webhook, api, componentSecret, ...values }: Values): string {
  const input: ConfigInput = {
    ...values,
    ports,
    apiUser: `${api.user}@${api.host}`,
    ip: '0.0.0.0',
    // The service has two processes.
    component: { secret: componentSecret, ownDomains: true },
    streamManagement: true,
    modLhc: { ...webhook, reserved_users: ['admin', api.user] },
    extra: {},
    extraModules: {},
  };
  return renderConfig(input);
}

const marks: Values = {
  hosts: ['@HOSTS@'],
  api: { user: '@API_USER@', host: '@API_HOST@' },
  apiFrom: ['@API_FROM@'],
  webhook: { url: '@WEBHOOK_URL@', secret: '@WEBHOOK_SECRET@' },
  componentSecret: '@COMPONENT_SECRET@',
  logLevel: '@LOG_LEVEL@',
};

/** `plain.yml`: operators without TLS. `tls.yml`: operators have to use TLS. */
export const templates: Readonly<Record<string, string>> = {
  'plain.yml': render(marks),
  'tls.yml': render({ ...marks, certfile: '@CERTFILE@' }),
};

if (import.meta.main) {
  const folder = process.argv[2] ?? '.';
  mkdirSync(folder, { recursive: true });
  for (const [name, text] of Object.entries(templates)) writeFileSync(join(folder, name), text);
}
