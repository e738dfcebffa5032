/** Reads the environment: nothing else does. All wrong settings are reported at once. */
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { TenantId } from './actors/ids.ts';
import { createTenantDirectory } from './actors/tenant/directory.ts';
import { TenantSettings } from './actors/tenant/settings.ts';
import { readEnvFile } from './config-env-file.ts';
import { faultText, quotedText } from './config-faults.ts';
import { unknownNames } from './config-names.ts';
import {
  secretsOfTenants,
  sharedSecrets,
  type WebhookSecret,
  WebhookSecrets,
  webhookHostFaults,
} from './config-secrets.ts';
import { AppError, messageOf } from './errors.ts';
import { parseEsdbUrl } from './eventstore/esdb/url.ts';
import { isBearerToken, NO_BEARER_TOKEN } from './kit/bearer.ts';
import { fetchFault } from './kit/fetch-url.ts';
import { inOurWords } from './kit/schema-words.ts';
import { textOfFile } from './kit/text-file.ts';
import { SECRET_MIN_CHARACTERS } from './runtime/vault/secrets.ts';

export const DEFAULT_LISTEN = '127.0.0.1:8090';
export const DEFAULT_DATA_DIR = './data';
export const DEFAULT_DEADLINE_GRACE_S = 30;
const LONGEST_GRACE_S = 86_400;
const ADMIN_TOKEN_MIN_LENGTH = 16;
/** Of tests, and not documented. */
const FAILPOINTS = 'XMPP_CHAT_FAILPOINTS';

const LISTEN_FORM = 'has to be HOST:PORT with a port from 0 to 65535, such as 127.0.0.1:8090';
const Listen = z
  .string()
  .regex(/^(\[[0-9a-fA-F:]+\]|[^:\s]+):\d{1,5}$/, LISTEN_FORM)
  .transform((text) => {
    const colon = text.lastIndexOf(':');
    return {
      host: text.slice(0, colon).replace(/^\[|\]$/g, ''),
      port: Number(text.slice(colon + 1)),
    };
  })
  .refine(({ port }) => port <= 65_535, LISTEN_FORM);

/** Hosts that xmpp.js can connect to. */
const XMPP_HOST = /^([\w.-]+|\[::1\])$/;

const GRACE_FORM = `has to be a whole number from 0 to ${LONGEST_GRACE_S} (seconds)`;
const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

function withoutCredentials(url: string): boolean {
  const { username, password } = new URL(url);
  return username === '' && password === '';
}

const hasNoEnds = (url: string): boolean => !/[?#]/.test(url);

/** Why this event store could never be opened; null if it perhaps can. */
function eventStoreFault(url: string): string | null {
  const path = /^sqlite:(.*)$/s.exec(url)?.[1];
  // SQLite would keep these in memory, or elsewhere.
  if (path) return /^(:|file:|\s)|\s$/.test(path) ? 'has to name a file behind sqlite:' : null;
  try {
    parseEsdbUrl(url);
    return null;
  } catch (error) {
    return messageOf(error).replace(/^EVENT_STORE: /, '');
  }
}

/** Spaces at the ends are a slip that makes another file or folder. */
const Path = z
  .string()
  .min(1)
  .refine((path) => path.trim() === path, 'begins or ends with a space');

/** The variables. What docs/configuration.md says of them is compared with this by a test. */
export const Environment = z.object({
  LISTEN: Listen.prefault(DEFAULT_LISTEN),
  DATA_DIR: Path.default(DEFAULT_DATA_DIR),
  EVENT_STORE: z
    .string()
    .regex(/^(sqlite:.|esdb(\+discover)?:\/\/.)/, {
      error: 'has to be sqlite:PATH, esdb://… or esdb+discover://…',
      abort: true,
    })
    .superRefine((url, { addIssue }) => {
      const message = eventStoreFault(url);
      if (message !== null) addIssue({ code: 'custom', message });
    })
    .optional(),
  ADMIN_TOKEN: z
    .string()
    .min(ADMIN_TOKEN_MIN_LENGTH)
    .refine(isBearerToken, NO_BEARER_TOKEN)
    .optional(),
  SERVICE_SECRET: z
    .string()
    .transform((text) => text.split(',').map((each) => each.trim()))
    .refine(
      (secrets) => secrets.every((each) => each.length >= SECRET_MIN_CHARACTERS),
      `has to have at least ${SECRET_MIN_CHARACTERS} characters. Several such secrets have a comma between them, and the new one is first`,
    )
    .refine((secrets) => new Set(secrets).size === secrets.length, 'has the same secret twice')
    .optional(),
  EJABBERD_API_URL: z
    .url({
      protocol: /^https?$/,
      abort: true,
      error: 'has to be a URL with http:// or https://, such as http://127.0.0.1:5280/api',
    })
    // The URL appears in messages, and fetch refuses a URL with a password.
    .refine(
      withoutCredentials,
      'has a user or password in it: set EJABBERD_API_USER and EJABBERD_API_PASSWORD instead',
    )
    .refine(hasNoEnds, 'has a ? or # in it: names of commands are written behind it')
    .superRefine((url, { addIssue }) => {
      const message = fetchFault(url);
      if (message !== null) addIssue({ code: 'custom', message });
    })
    .transform((url) => new URL(url).href),
  EJABBERD_API_USER: z
    .string()
    // RFC 7622 §3.3. In Basic authentication a colon would end the user (RFC 7617 §2).
    .regex(
      /^[^@\s"&'/:<>]+@[^@\s/:]+$/,
      'has to be a JID with its host, such as xmpp-chat-api@example.org',
    ),
  EJABBERD_API_PASSWORD: z.string().min(1),
  EJABBERD_XMPP: z
    .url({
      protocol: /^(xmpps?|wss?)$/,
      abort: true,
      error:
        'has to be xmpp://, xmpps://, ws:// or wss:// with a host and perhaps a port, such as xmpp://127.0.0.1:5222',
    })
    .refine(
      (text) => /^wss?:/i.test(text) || XMPP_HOST.test(new URL(text).hostname),
      'has to have a host, as in xmpp://127.0.0.1:5222: a name in ASCII, an IPv4 address or [::1]',
    )
    .refine(
      withoutCredentials,
      'has a user or password in it: visitors log in with accounts of their own',
    )
    .refine((text) => !text.includes('#'), 'has a # in it') // WebSocket refuses it
    .transform((text) => new URL(text).href), // xmpp.js knows schemes in lower case
  EJABBERD_XMPP_ALLOW_PLAINTEXT: z.stringbool({ error: 'has to be true or false' }).default(false),
  EJABBERD_WEBHOOK_SECRET: WebhookSecrets,
  TENANTS_FILE: Path,
  TAKE_OVER_FROM: z
    .string()
    .transform((text) => text.split(',').map((each) => each.trim().toLowerCase()))
    .refine(
      (logs) => logs.every((each) => each === 'none' || z.uuid().safeParse(each).success),
      'has to be ids of logs, as /readyz names them, or none; several are separated by commas',
    )
    .default([]),
  DEADLINE_GRACE: z
    .string()
    .regex(/^\d{1,6}$/, GRACE_FORM)
    .transform(Number)
    .refine((seconds) => seconds <= LONGEST_GRACE_S, GRACE_FORM)
    .prefault(String(DEFAULT_DEADLINE_GRACE_S)),
  LOG_LEVEL: z.enum(LOG_LEVELS).default('info'),
});

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
  };
  readonly tenants: readonly TenantSettings[];
  /** Files with secrets in them, as far as they are there: TENANTS_FILE and `.env`. */
  readonly secretFiles: readonly string[];
  /** Logs whose accounts in ejabberd the log of this service takes over; `none` for accounts that no log has marked. */
  readonly takeOverFrom: readonly string[];
  /** How long a deadline that fell due while the service was down waits after the start, in ms. */
  readonly deadlineGraceMs: number;
  readonly logLevel: string;
  /** What is probably a slip and does not keep the service from its work. No value is quoted. */
  readonly warnings: readonly string[];
  /** For tests, `point=n`: the process is killed at its n-th pass of that point. */
  readonly failpoints: string | undefined;
}

const wrongConfiguration = (faults: readonly string[]): AppError =>
  new AppError('invalid', `wrong configuration:\n  ${faults.join('\n  ')}`, { faults });

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
  const known = [...Object.keys(Environment.shape), FAILPOINTS];
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

/** Leaves out the text that V8 quotes from the file: it may be part of a key. */
function readFault(error: unknown): string {
  if (!(error instanceof SyntaxError)) return `cannot be read: ${messageOf(error)}`;
  const where = / at position \d+( \(line \d+ column \d+\))?/.exec(error.message)?.[0] ?? '';
  return `is not JSON${where}`;
}

function readTenants(path: string): { tenants: TenantSettings[]; faults: string[] } {
  let json: unknown;
  try {
    const text = textOfFile(readFileSync(path));
    if (text === null) return { tenants: [], faults: [`TENANTS_FILE: ${path} is not UTF-8`] };
    json = JSON.parse(text);
  } catch (error) {
    return { tenants: [], faults: [`TENANTS_FILE: ${path} ${readFault(error)}`] };
  }
  const parsed = z.array(TenantSettings).safeParse(json, { error: inOurWords });
  if (parsed.success) return { tenants: parsed.data, faults: clashesOf(parsed.data) };
  const faults = parsed.error.issues.map((issue) => tenantFault(issue, json));
  return { tenants: [], faults: [...new Set(faults)] };
}

function tenantFault({ path, message }: z.core.$ZodIssue, json: unknown): string {
  const [index, ...field] = path;
  if (index === undefined) return 'TENANTS_FILE: has to hold the list of tenants, in [ ]';
  const where = `TENANTS_FILE: tenant ${nameOfTenant(json, Number(index))}`;
  const text = faultText(path, message, json);
  return field.length > 0 ? `${where}, ${field.join('.')}: ${text}` : `${where}: ${text}`;
}

/** Its id, in quotes if it is no usable one. Without an id: which tenant of the file it is, from 1. */
function nameOfTenant(json: unknown, index: number): string {
  const { data } = z.array(z.unknown()).safeParse(json);
  const { data: named } = z.looseObject({ id: z.string().min(1) }).safeParse(data?.[index]);
  if (!named) return `number ${index + 1} in the file`;
  return TenantId.safeParse(named.id).success ? named.id : quotedText(named.id);
}

/** What tenants must not share. */
function clashesOf(tenants: readonly TenantSettings[]): string[] {
  const faults: string[] = [];
  try {
    createTenantDirectory(tenants);
  } catch (error) {
    faults.push(`TENANTS_FILE: ${messageOf(error)}`);
  }
  const keys = new Set<string>();
  for (const { id, apiKey } of tenants) {
    if (keys.has(apiKey)) {
      faults.push(`TENANTS_FILE: tenant ${id}, apiKey: another tenant has the same`);
    }
    keys.add(apiKey);
  }
  return faults;
}

function secretFaults(
  env: z.output<typeof Environment>,
  tenants: readonly TenantSettings[],
): string[] {
  const { ADMIN_TOKEN, SERVICE_SECRET = [], EJABBERD_API_PASSWORD, EJABBERD_WEBHOOK_SECRET } = env;
  const own = sharedSecrets([
    { name: 'ADMIN_TOKEN', holder: 'administrator', value: ADMIN_TOKEN },
    ...SERVICE_SECRET.map(
      (value) => ({ name: 'SERVICE_SECRET', holder: 'service', value }) as const,
    ),
    { name: 'EJABBERD_API_PASSWORD', holder: 'ejabberd API', value: EJABBERD_API_PASSWORD },
    ...EJABBERD_WEBHOOK_SECRET.map(
      ({ secret }) =>
        ({ name: 'EJABBERD_WEBHOOK_SECRET', holder: 'mod_lhc', value: secret }) as const,
    ),
    ...secretsOfTenants(tenants),
  ]);
  return [...own, ...webhookHostFaults(EJABBERD_WEBHOOK_SECRET, tenants)];
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
  const file = settings.TENANTS_FILE ? readTenants(resolve(dir, settings.TENANTS_FILE)) : null;
  faults.push(...(file?.faults ?? []));
  const sharedLog = settings.EVENT_STORE?.startsWith('esdb') ?? false;
  if (sharedLog && !settings.SERVICE_SECRET) {
    faults.push('SERVICE_SECRET: is required with EventStoreDB: every process needs the same');
  }
  if (parsed.success && file) faults.push(...secretFaults(parsed.data, file.tenants));
  if (!parsed.success || !file || faults.length > 0) throw wrongConfiguration(faults);
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
    },
    tenants: file.tenants,
    secretFiles: [resolve(dir, env.TENANTS_FILE), join(dir, '.env')].filter((path) =>
      existsSync(path),
    ),
    takeOverFrom: env.TAKE_OVER_FROM,
    deadlineGraceMs: env.DEADLINE_GRACE * 1000,
    logLevel: env.LOG_LEVEL,
    warnings,
    failpoints: settings[FAILPOINTS],
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
