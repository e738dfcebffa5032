/** Secrets among the settings: which belong to whom, and that nobody's is another's. */
import { z } from 'zod';
import type { TenantSettings, TenantTemplate } from '../actors/tenant/settings.ts';
import { isWebhookSecret, WEBHOOK_SECRET_FORM, webhookKey } from '../kit/webhook-key.ts';

/** A secret of mod_lhc. */
export interface WebhookSecret {
  readonly secret: string;
  /** The hosts whose events it may sign; null for all. */
  readonly hosts: readonly string[] | null;
}

const HOST = /^[a-z0-9][a-z0-9.-]*$/;

/** `whsec_…`, or `whsec_…@host` for the events of that host alone; several with commas between them. */
export const WebhookSecrets = z.string().transform((text, context): readonly WebhookSecret[] => {
  const hostsOf = new Map<string, Set<string | null>>();
  for (const entry of text.split(',')) {
    const [secret = '', host, ...more] = entry.trim().split('@');
    if (!isWebhookSecret(secret) || (host !== undefined && !HOST.test(host)) || more.length > 0) {
      context.addIssue(
        `has to be ${WEBHOOK_SECRET_FORM}, or several of these, comma separated; each perhaps with @ and a host behind it`,
      );
      return z.NEVER;
    }
    hostsOf.set(secret, (hostsOf.get(secret) ?? new Set()).add(host ?? null));
  }
  return [...hostsOf].map(([secret, hosts]) => {
    if (hosts.has(null) && hosts.size > 1) {
      context.addIssue('has a secret both for one host and for all');
    }
    return { secret, hosts: hosts.has(null) ? null : [...hosts].filter((host) => host !== null) };
  });
});

/** @returns a fault for each host whose mod_lhc no secret admits */
export function webhookHostFaults(
  secrets: readonly WebhookSecret[],
  tenants: readonly { readonly host: string }[],
): string[] {
  return [...new Set(tenants.map(({ host }) => host))]
    .filter((host) => !admitsHost(secrets, host))
    .map((host) => `EJABBERD_WEBHOOK_SECRET: no secret is for the host ${host}`);
}

/** A setting that is secret. */
export interface NamedSecret {
  /** The name of the setting, and of the tenant if it is one of theirs. */
  readonly name: string;
  /** Who has it. Whoever has one secret must not have another one's with it. */
  readonly holder:
    | 'administrator'
    | 'service'
    | 'ejabberd API'
    | "ejabberd's component listener"
    | 'mod_lhc'
    | 'tenant'
    | 'LHC';
  readonly value: string | undefined;
}

/** The secrets of a tenant, with the names of their fields. */
const secretsOf = (tenant: TenantSecrets): NamedSecret[] =>
  (['apiKey', 'callbackSecret', 'legacySecret', 'restKey', 'webhookKey'] as const).map((name) => ({
    name,
    holder: 'tenant',
    value: tenant[name],
  }));

interface TenantSecrets {
  readonly apiKey?: string | undefined;
  readonly callbackSecret?: string | undefined;
  readonly legacySecret?: string | undefined;
  readonly restKey?: string | undefined;
  readonly webhookKey?: string | undefined;
}

/** What {@link foreignSecret} compares with. */
export interface OwnSecrets {
  readonly adminToken: string | undefined;
  readonly serviceSecrets: readonly string[];
  readonly apiPassword: string;
  readonly webhookSecrets: readonly WebhookSecret[];
  readonly legacySecretKey: string | undefined;
  readonly xmlRpcPassword: string | undefined;
  readonly componentSecret: string | undefined;
}

export const ownSecrets = ({
  adminToken,
  serviceSecrets,
  apiPassword,
  webhookSecrets,
  legacySecretKey,
  xmlRpcPassword,
  componentSecret,
}: OwnSecrets): NamedSecret[] => [
  { name: 'ADMIN_TOKEN', holder: 'administrator', value: adminToken },
  ...serviceSecrets.map((value) => ({ name: 'SERVICE_SECRET', holder: 'service', value }) as const),
  { name: 'EJABBERD_API_PASSWORD', holder: 'ejabberd API', value: apiPassword },
  ...webhookSecrets.map(
    ({ secret }) =>
      ({ name: 'EJABBERD_WEBHOOK_SECRET', holder: 'mod_lhc', value: secret }) as const,
  ),
  { name: 'LEGACY_SECRET_KEY', holder: 'LHC', value: legacySecretKey },
  { name: 'XMLRPC_PASSWORD', holder: 'LHC', value: xmlRpcPassword },
  {
    name: 'EJABBERD_COMPONENT_SECRET',
    holder: "ejabberd's component listener",
    value: componentSecret,
  },
];

/** @returns the field of a tenant's settings that has somebody else's secret; null if there is none */
export function foreignSecret(own: OwnSecrets, tenant: TenantSecrets): string | null {
  const others = ownSecrets(own).map((one) => ({ ...one, name: '' }));
  const found = secretsOf(tenant).find((one) =>
    sharedSecrets([...others, one]).some((fault) => fault.startsWith(`${one.name}:`)),
  );
  return found?.name ?? null;
}

/** True if mod_lhc of this host has a secret that admits its events. */
export const admitsHost = (secrets: readonly WebhookSecret[], host: string): boolean =>
  secrets.some(({ hosts }) => hosts === null || hosts.includes(host));

export function secretsOfTenants(
  tenants: readonly (TenantSettings | TenantTemplate)[],
): NamedSecret[] {
  return tenants.flatMap((tenant) =>
    secretsOf(tenant).map(({ name, ...secret }) => ({
      ...secret,
      name: `TENANTS_FILE: tenant ${tenant.id}, ${name}`,
    })),
  );
}

/** What makes two secrets the same: the same key can be written with and without its padding. */
const essence = (secret: string): string =>
  secret.startsWith('whsec_') ? `whsec_${webhookKey(secret).toString('base64')}` : secret;

/** @returns a fault for each secret that an earlier one of another holder equals. Values are not quoted */
export function sharedSecrets(secrets: readonly NamedSecret[]): string[] {
  const first = new Map<string, NamedSecret>();
  return secrets.flatMap((one) => {
    if (one.value === undefined) return [];
    const value = essence(one.value);
    const other = first.get(value);
    if (!other) first.set(value, one);
    if (!other || other.holder === one.holder) return [];
    return [`${one.name}: is the same as ${other.name}. Whoever has one would have the other`];
  });
}
