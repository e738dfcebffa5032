/**
 * The ejabberd.yml of the image, as templates with `@NAME@` where entrypoint.sh puts what it has checked. Run while the
 * image is built (`node template.ts FOLDER`): the image itself has no Node. The text is that of every ejabberd of ours.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ConfigInput, renderConfig } from '../../scripts/ejabberd/config.ts';

/** 5222 operators, 5223 visitors (the service logs them in), 5280 admin API and WebSocket. */
export const ports = { c2s: 5222, visitors: 5223, http: 5280, component: 5347 } as const;

export interface Values {
  readonly hosts: readonly string[];
  readonly api: { readonly user: string; readonly host: string };
  readonly apiFrom: readonly string[];
  readonly webhook: { readonly url: string; readonly secret: string };
  readonly logLevel: string;
  readonly certfile?: string;
}

/** The text of `ejabberd.yml` in the image. */
export function render({ webhook, api, ...values }: Values): string {
  const input: ConfigInput = {
    ...values,
    ports,
    apiUser: `${api.user}@${api.host}`,
    ip: '0.0.0.0',
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
  logLevel: '@LOG_LEVEL@',
};

/** One for operators without TLS, one that has a certificate. */
export const templates: Readonly<Record<string, string>> = {
  'plain.yml': render(marks),
  'tls.yml': render({ ...marks, certfile: '@CERTFILE@' }),
};

if (import.meta.main) {
  const folder = process.argv[2] ?? '.';
  mkdirSync(folder, { recursive: true });
  for (const [name, text] of Object.entries(templates)) writeFileSync(join(folder, name), text);
}
