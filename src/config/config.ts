/** Reads the environment: nothing else does. All wrong settings are reported at once. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import type { TenantSettings, TenantTemplate } from '../actors/tenant/settings.ts';
import { AppError } from '../errors.ts';
import { inOurWords } from '../kit/schema-words.ts';
import { readEnvFile } from './env-file.ts';
import {
  DEFAULT_LEGACY_LISTEN,
  DEFAULT_LISTEN,
  DEFAULT_XMLRPC_LISTEN,
  Environment,
  Listen,
} from './environment.ts';
import { faultText } from './faults.ts';
import { unknownNames } from './names.ts';
import {
  ownSecrets,
  secretsOfTenants,
  sharedSecrets,
  type WebhookSecret,
  webhookHostFaults,
} from './secrets.ts';
import { readTenants } from './tenants-file.ts';

/** Of tests, and not documented. */
const FAILPOINTS = 'XMPP_CHAT_FAILPOINTS';
const TIMES = 'XMPP_CHAT_TIMES';
const Times = z.strictObject({
  releaseMs: z.number().optional(),
  leftoversMs: z.number().optional(),
  listEveryMs: z.number().optional(),
  roomStaysMs: z.number().optional(),
  roomsLookEveryMs: z.number().optional(),
});

/** Where components connect to, and what they prove themselves with. */
export interface ComponentListener {
  readonly host: string;
  readonly port: number;
  /** TLS from the first byte. */
  readonly tls: boolean;
  readonly secret: string;
}

export interface Config {
  readonly listen: { readonly host: string; readonly port: number };
  readonly dataDir: string;
  readonly eventStore: string;
  /** True if other processes may work on the same log. */
  readonly sharedLog: boolean;
  readonly adminToken: string | undefined;
  /** Several during a rotation, the new one first. */
  readonly serviceSecrets: readonly string[] | undefined;
  readonly ejabberd: {
    readonly apiUrl: string;
    readonly apiUser: string;
    readonly apiPassword: string;
    readonly xmpp: string;
    readonly allowPlaintext: boolean;
    readonly webhookSecrets: readonly WebhookSecret[];
    /** ejabberd's listener for components (XEP-0114); null: no tenant can have the transport `component`. */
    readonly component: ComponentListener | null;
  };
  readonly tenants: readonly TenantSettings[];
  readonly templates: readonly TenantTemplate[];
  /** The API of the old Node server. */
  readonly xmppservice: {
    /** null: nobody listens. */
    readonly listen: { readonly host: string; readonly port: number } | null;
    /** Serves every tenant. */
    readonly secretKey: string | undefined;
  };
  /** Files with secrets in them, as far as they are there: TENANTS_FILE and `.env`. */
  readonly secretFiles: readonly string[];
  /** Of LHC's Node helper. With a password, perhaps. */
  readonly redisUrl: string | undefined;
  /** Logs whose accounts in ejabberd the log of this service takes over; `none` for accounts that no log has marked. */
  readonly takeOverFrom: readonly string[];
  /** Where callbacks may go beyond the public Internet, for tenants that TENANTS_FILE does not declare. */
  readonly callbackAllow: { readonly hosts: readonly string[]; readonly ranges: readonly string[] };
  /** What scans files, as src/files/scanner.ts takes it; undefined: nothing does. */
  readonly fileScanner: string | undefined;
  /** For LHC's calls of XML-RPC. */
  readonly xmlRpc: {
    /** null: nobody listens. */
    readonly listen: { readonly host: string; readonly port: number } | null;
    readonly password: string | undefined;
  };
  /** Addresses and ranges from which ejabberd's older modules may post. */
  readonly olderModulesFrom: readonly string[];
  /** How long a deadline that fell due while the service was down waits after the start, in ms. */
  readonly deadlineGraceMs: number;
  readonly logLevel: string;
  /** What is probably a slip and does not keep the service from its work. No value is quoted. */
  readonly warnings: readonly string[];
  /** For tests, `point=n`: the process is killed at its n-th pass of that point. */
  readonly failpoints: string | undefined;
  /** For tests, JSON: times of the reconciler, of lists of LHC's chats and of rooms that no test can wait for. */
  readonly times: Readonly<z.output<typeof Times>>;
}

const wrongConfiguration = (faults: readonly string[], slips: readonly string[] = []): AppError =>
  new AppError('invalid', `wrong configuration:\n  ${[...faults, ...slips].join('\n  ')}`, {
    faults,
    slips,
  });

interface Sources {
  readonly settings: Partial<Readonly<Record<string, string>>>;
  readonly warnings: readonly string[];
}

/**
 * The variables that are set, of the environment and of a `.env` file in this folder, if there is one. Those of the
 * environment win. An empty variable counts as absent: compose files and shells make them.
 * @throws {AppError} `invalid` when the file cannot be read
 */
function sourcesOf(environment: NodeJS.ProcessEnv, dir: string): Sources {
  const path = join(dir, '.env');
  const hasFile = environment === process.env && existsSync(path);
  const file = hasFile ? readEnvFile(path, environment) : { settings: {}, warnings: [] };
  if (typeof file === 'string') throw wrongConfiguration([file]);
  const all = Object.entries({ ...file.settings, ...environment });
  const settings = Object.fromEntries(all.filter(([, value]) => value !== ''));
  const known = [...Object.keys(Environment.shape), FAILPOINTS, TIMES];
  const warnings = [...file.warnings, ...unknownNames(Object.keys(settings), known)];
  return { settings, warnings };
}

/** Line ends of Windows, for example: `docker --env-file` keeps them. No setting works with one, and none is seen. */
const controlFaults = (settings: Sources['settings']): string[] =>
  Object.keys(Environment.shape)
    .filter((name) => /\p{Cc}/u.test(settings[name] ?? ''))
    .map(
      (name) => `${name}: holds a control character, such as the line end of a file from Windows`,
    );

function environmentFaults({ issues }: z.ZodError, settings: Sources['settings']): string[] {
  const faults = issues.map(({ path, message }) => {
    const name = String(path[0]);
    if (settings[name] === undefined) return `${name}: is not set`;
    return `${name}: ${faultText(path, message, settings)}`;
  });
  return [...new Set(faults)];
}

function secretFaults(
  env: z.output<typeof Environment>,
  tenants: readonly (TenantSettings | TenantTemplate)[],
): string[] {
  const { ADMIN_TOKEN, SERVICE_SECRET = [], EJABBERD_API_PASSWORD, EJABBERD_WEBHOOK_SECRET } = env;
  const own = sharedSecrets([
    ...ownSecrets({
      adminToken: ADMIN_TOKEN,
      serviceSecrets: SERVICE_SECRET,
      apiPassword: EJABBERD_API_PASSWORD,
      webhookSecrets: EJABBERD_WEBHOOK_SECRET,
      legacySecretKey: env.LEGACY_SECRET_KEY,
      xmlRpcPassword: env.XMLRPC_PASSWORD,
      componentSecret: env.EJABBERD_COMPONENT_SECRET,
    }),
    ...secretsOfTenants(tenants),
  ]);
  return [...own, ...webhookHostFaults(EJABBERD_WEBHOOK_SECRET, tenants)];
}

/** What a tenant lacks whose visitors are to be there by the component. */
export const NO_COMPONENT =
  'component needs EJABBERD_COMPONENT and EJABBERD_COMPONENT_SECRET, which are not set';

const componentListener = ({
  EJABBERD_COMPONENT: address,
  EJABBERD_COMPONENT_SECRET: secret,
}: z.output<typeof Environment>): ComponentListener | null =>
  address && secret !== undefined ? { ...address, secret } : null;

function componentFaults(
  env: z.output<typeof Environment>,
  tenants: readonly (TenantSettings | TenantTemplate)[],
): string[] {
  const { EJABBERD_COMPONENT: address, EJABBERD_COMPONENT_SECRET: secret } = env;
  if (address && secret !== undefined) return [];
  if (address) return ['EJABBERD_COMPONENT_SECRET: is not set, and EJABBERD_COMPONENT is'];
  if (secret !== undefined) return ['EJABBERD_COMPONENT: is not set, and its secret is'];
  return tenants
    .filter(({ transport }) => transport === 'component')
    .map(({ id }) => `TENANTS_FILE: tenant ${id}, transport: ${NO_COMPONENT}`);
}

/** What is probably a slip: a tenant may be made over HTTP later. */
function tenantSlips(
  { TENANTS_FILE, ADMIN_TOKEN, EJABBERD_WEBHOOK_SECRET }: z.output<typeof Environment>,
  tenants: readonly { readonly host: string }[],
): string[] {
  if (TENANTS_FILE === undefined) {
    return ADMIN_TOKEN === undefined
      ? ['neither TENANTS_FILE nor ADMIN_TOKEN is set: nobody can make a tenant']
      : [];
  }
  const hosts = new Set(tenants.map(({ host }) => host));
  return EJABBERD_WEBHOOK_SECRET.flatMap(({ hosts: bound }) => bound ?? [])
    .filter((host) => !hosts.has(host))
    .map((host) => `EJABBERD_WEBHOOK_SECRET: no tenant of TENANTS_FILE has the host ${host}`);
}

/** The listener opens if it has an address or a key, unless it is off. */
function xmppserviceListen({
  LEGACY_LISTEN,
  LEGACY_SECRET_KEY,
}: z.output<typeof Environment>): Config['xmppservice']['listen'] {
  if (LEGACY_LISTEN === 'off') return null;
  if (LEGACY_LISTEN) return LEGACY_LISTEN;
  return LEGACY_SECRET_KEY === undefined ? null : Listen.parse(DEFAULT_LEGACY_LISTEN);
}

/** As the listener above. */
function xmlRpcListen({
  XMLRPC_LISTEN,
  LEGACY_SECRET_KEY,
}: z.output<typeof Environment>): Config['xmlRpc']['listen'] {
  if (XMLRPC_LISTEN === 'off') return null;
  if (XMLRPC_LISTEN) return XMLRPC_LISTEN;
  return LEGACY_SECRET_KEY === undefined ? null : Listen.parse(DEFAULT_XMLRPC_LISTEN);
}

/**
 * Reads the configuration from the environment and a `.env` file in the working directory.
 * @throws {AppError} `invalid`. The message names every wrong setting, one on each line, and never a secret's value
 */
export function readConfig(
  environment: NodeJS.ProcessEnv = process.env,
  dir = process.cwd(),
): Config {
  const { settings, warnings } = sourcesOf(environment, dir);
  const parsed = Environment.safeParse(settings, { error: inOurWords });
  const unseen = controlFaults(settings);
  const faults = parsed.success
    ? unseen
    : [...unseen, ...environmentFaults(parsed.error, settings)];
  const file = readTenants(settings.TENANTS_FILE && resolve(dir, settings.TENANTS_FILE));
  faults.push(...file.faults);
  const sharedLog = settings.EVENT_STORE?.startsWith('esdb') ?? false;
  if (sharedLog && !settings.SERVICE_SECRET) {
    faults.push('SERVICE_SECRET: is required with EventStoreDB: every process needs the same');
  }
  const entries = [...file.tenants, ...file.templates];
  if (parsed.success) {
    faults.push(...secretFaults(parsed.data, entries), ...componentFaults(parsed.data, entries));
  }
  // A setting may be missing because its name is a slip.
  if (!parsed.success || faults.length > 0) throw wrongConfiguration(faults, warnings);
  const env = parsed.data;
  return {
    ...storageOf(env, dir),
    listen: env.LISTEN,
    sharedLog,
    adminToken: env.ADMIN_TOKEN,
    ejabberd: {
      apiUrl: env.EJABBERD_API_URL,
      apiUser: env.EJABBERD_API_USER,
      apiPassword: env.EJABBERD_API_PASSWORD,
      xmpp: env.EJABBERD_XMPP,
      allowPlaintext: env.EJABBERD_XMPP_ALLOW_PLAINTEXT,
      webhookSecrets: env.EJABBERD_WEBHOOK_SECRET,
      component: componentListener(env),
    },
    tenants: file.tenants,
    templates: file.templates,
    xmppservice: { listen: xmppserviceListen(env), secretKey: env.LEGACY_SECRET_KEY },
    secretFiles: [
      ...(env.TENANTS_FILE ? [resolve(dir, env.TENANTS_FILE)] : []),
      join(dir, '.env'),
    ].filter((path) => existsSync(path)),
    redisUrl: env.REDIS_URL,
    takeOverFrom: env.TAKE_OVER_FROM,
    callbackAllow: env.CALLBACK_ALLOW,
    fileScanner: env.FILE_SCANNER,
    xmlRpc: { listen: xmlRpcListen(env), password: env.XMLRPC_PASSWORD },
    olderModulesFrom: env.LEGACY_CALLBACKS_FROM,
    deadlineGraceMs: env.DEADLINE_GRACE * 1000,
    logLevel: env.LOG_LEVEL,
    warnings: [...warnings, ...tenantSlips(env, entries)],
    failpoints: settings[FAILPOINTS],
    times: Times.parse(JSON.parse(settings[TIMES] ?? '{}')),
  };
}

/** The address and the token of a running service, for the command line. It reads the settings of the service. */
export function readAccess(): { url: string; token: string | undefined } {
  const { LISTEN = DEFAULT_LISTEN, ADMIN_TOKEN } = sourcesOf(process.env, process.cwd()).settings;
  return { url: `http://${LISTEN}`, token: ADMIN_TOKEN };
}

/** The part of the configuration that `backup` and `restore` need: where the log and the secret are. */
export interface Storage {
  readonly dataDir: string;
  readonly eventStore: string;
  /** undefined if the secret is in `{dataDir}/service-secret` */
  readonly serviceSecrets: readonly string[] | undefined;
}

const StorageEnvironment = Environment.pick({
  DATA_DIR: true,
  EVENT_STORE: true,
  SERVICE_SECRET: true,
});

function storageOf(env: z.output<typeof StorageEnvironment>, dir: string): Storage {
  const dataDir = resolve(dir, env.DATA_DIR);
  return {
    dataDir,
    eventStore: env.EVENT_STORE ?? `sqlite:${join(dataDir, 'events.db')}`,
    serviceSecrets: env.SERVICE_SECRET,
  };
}

/**
 * Reads where things are stored. All other settings may be missing, as on a machine on which a backup is being restored.
 * @throws {AppError} `invalid`, as {@link readConfig}
 */
export function readStorage(
  environment: NodeJS.ProcessEnv = process.env,
  dir = process.cwd(),
): Storage {
  const { settings } = sourcesOf(environment, dir);
  const parsed = StorageEnvironment.safeParse(settings, { error: inOurWords });
  if (parsed.success) return storageOf(parsed.data, dir);
  throw wrongConfiguration(environmentFaults(parsed.error, settings));
}
