/** The environment, read once: the only reader of it. Every wrong setting is named at once. */
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { createTenantDirectory } from './actors/tenant/directory.ts';
import { TenantSettings } from './actors/tenant/settings.ts';
import { AppError, messageOf } from './errors.ts';

const DEFAULT_LISTEN = '127.0.0.1:8090';

const Listen = z
  .string()
  .regex(/^(\[[0-9a-fA-F:]+\]|[^:\s]+):\d{1,5}$/, 'is HOST:PORT, e.g. 127.0.0.1:8090')
  .transform((text) => {
    const colon = text.lastIndexOf(':');
    return {
      host: text.slice(0, colon).replace(/^\[|\]$/g, ''),
      port: Number(text.slice(colon + 1)),
    };
  })
  .refine(({ port }) => port <= 65_535, 'has a port above 65535');

const Seconds = (fallback: number) => z.coerce.number().int().min(0).max(86_400).default(fallback);

function withoutCredentials(url: string): boolean {
  const { username, password } = new URL(url);
  return username === '' && password === '';
}

const Environment = z.object({
  LISTEN: Listen.prefault(DEFAULT_LISTEN),
  DATA_DIR: z.string().min(1).default('./data'),
  EVENT_STORE: z
    .string()
    .regex(/^(sqlite:.|esdb(\+discover)?:\/\/.)/, 'is sqlite:PATH, esdb://… or esdb+discover://…')
    .optional(),
  ADMIN_TOKEN: z.string().min(16, 'has at least 16 characters').optional(),
  SERVICE_SECRET: z.string().min(32, 'has at least 32 characters').optional(),
  EJABBERD_API_URL: z
    .url({
      protocol: /^https?$/,
      abort: true,
      error: 'is an http(s) URL, e.g. http://127.0.0.1:5280/api',
    })
    // It is told in messages, and a request to such an address is not made.
    .refine(
      withoutCredentials,
      'has a user or password in it: they are EJABBERD_API_USER and EJABBERD_API_PASSWORD',
    ),
  EJABBERD_API_USER: z
    .string()
    .regex(/^[^@\s]+@[^@\s]+$/, 'is a full JID, e.g. xmpp-chat-api@example.org'),
  EJABBERD_API_PASSWORD: z.string().min(1, 'is empty'),
  EJABBERD_XMPP: z
    .url({
      protocol: /^(xmpps?|wss?)$/,
      abort: true,
      error: 'is xmpp://, xmpps://, ws:// or wss:// with a host and perhaps a port',
    })
    .refine((text) => new URL(text).hostname !== '', 'has no host, as in xmpp://127.0.0.1:5222')
    .refine(withoutCredentials, 'has a user or password in it: each visitor logs in for itself'),
  EJABBERD_XMPP_ALLOW_PLAINTEXT: z.stringbool().default(false),
  EJABBERD_WEBHOOK_SECRET: z
    .string()
    .transform((text) => text.split(',').map((each) => each.trim()))
    .refine(
      (secrets) => secrets.every((each) => /^whsec_[A-Za-z0-9+/=]{24,}$/.test(each)),
      'is one or more whsec_ and base64, 18 bytes or more, comma separated',
    ),
  TENANTS_FILE: z.string().min(1),
  DEADLINE_GRACE: Seconds(30),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
});

export interface Config {
  readonly listen: { readonly host: string; readonly port: number };
  readonly dataDir: string;
  readonly eventStore: string;
  /** Whether other processes may work on the same log. */
  readonly sharedLog: boolean;
  readonly adminToken: string | undefined;
  readonly serviceSecret: string | undefined;
  readonly ejabberd: {
    readonly apiUrl: string;
    readonly apiUser: string;
    readonly apiPassword: string;
    readonly xmpp: string;
    readonly allowPlaintext: boolean;
    readonly webhookSecrets: readonly string[];
  };
  readonly tenants: readonly TenantSettings[];
  /** How long deadlines that fell due while the service was down wait after a start, in ms. */
  readonly deadlineGraceMs: number;
  readonly logLevel: string;
  /** Seeded faults for tests, `point=n`: the process is killed at the n-th passing of that point. */
  readonly failpoints: string | undefined;
}

/**
 * Reads a `.env` file, where there is one, for what the environment leaves open.
 * @throws {AppError} `invalid` when it cannot be read
 */
function readDotEnv(dir: string, environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const path = join(dir, '.env');
  if (!existsSync(path)) return environment;
  try {
    readFileSync(path); // of one that may not be read Node says that it is not there
  } catch (error) {
    const fault = `${path} cannot be read: ${messageOf(error)}`;
    throw new AppError('invalid', `wrong configuration:\n  ${fault}`, { faults: [fault] });
  }
  process.loadEnvFile(path); // keeps what is set already
  return process.env;
}

/** Why, without what V8 quotes of the file: that may be part of a key. */
function unreadable(error: unknown): string {
  if (!(error instanceof SyntaxError)) return `cannot be read: ${messageOf(error)}`;
  const where = / at position \d+( \(line \d+ column \d+\))?/.exec(error.message)?.[0] ?? '';
  return `is no JSON${where}`;
}

function readTenants(path: string): { tenants: TenantSettings[]; faults: string[] } {
  const faults: string[] = [];
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    return { tenants: [], faults: [`TENANTS_FILE: ${path} ${unreadable(error)}`] };
  }
  const parsed = z.array(TenantSettings).safeParse(json);
  if (!parsed.success) {
    for (const issue of parsed.error.issues) {
      const [index, ...rest] = issue.path;
      const where = index === undefined ? 'the list' : `tenant ${Number(index) + 1}`;
      faults.push(
        `TENANTS_FILE: ${where}${rest.length ? `, ${rest.join('.')}` : ''}: ${issue.message}`,
      );
    }
    return { tenants: [], faults };
  }
  try {
    createTenantDirectory(parsed.data);
  } catch (error) {
    faults.push(`TENANTS_FILE: ${messageOf(error)}`);
  }
  const keys = new Set<string>();
  for (const { id, apiKey } of parsed.data) {
    if (keys.has(apiKey))
      faults.push(`TENANTS_FILE: tenant ${id}, apiKey: another tenant has it too`);
    keys.add(apiKey);
  }
  return { tenants: parsed.data, faults };
}

/**
 * The configuration from the environment and a `.env` file in the working directory.
 * @throws {AppError} `invalid`; its message names every wrong setting, one to a line, and never a secret's value
 */
export function readConfig(
  environment: NodeJS.ProcessEnv = process.env,
  dir = process.cwd(),
): Config {
  const source = environment === process.env ? readDotEnv(dir, environment) : environment;
  // An empty variable is one that is not set: compose files and shells make them.
  const set = Object.fromEntries(Object.entries(source).filter(([, value]) => value !== ''));
  const parsed = Environment.safeParse(set);
  const faults = parsed.success
    ? []
    : parsed.error.issues.map(({ path, message }) => {
        const name = String(path[0]);
        return set[name] === undefined ? `${name}: is not set` : `${name}: ${message}`;
      });
  const read = set.TENANTS_FILE ? readTenants(resolve(dir, set.TENANTS_FILE)) : null;
  faults.push(...(read?.faults ?? []));
  const eventStore = set.EVENT_STORE;
  const sharedLog = eventStore?.startsWith('esdb') ?? false;
  if (sharedLog && !set.SERVICE_SECRET) {
    faults.push('SERVICE_SECRET: is required with EventStoreDB: every process needs the same');
  }
  if (!parsed.success || !read || faults.length > 0) {
    throw new AppError('invalid', `wrong configuration:\n  ${faults.join('\n  ')}`, { faults });
  }
  const env = parsed.data;
  const dataDir = resolve(dir, env.DATA_DIR);
  return {
    listen: env.LISTEN,
    dataDir,
    sharedLog,
    eventStore: eventStore ?? `sqlite:${join(dataDir, 'events.db')}`,
    adminToken: env.ADMIN_TOKEN,
    serviceSecret: env.SERVICE_SECRET,
    ejabberd: {
      apiUrl: env.EJABBERD_API_URL,
      apiUser: env.EJABBERD_API_USER,
      apiPassword: env.EJABBERD_API_PASSWORD,
      xmpp: env.EJABBERD_XMPP,
      allowPlaintext: env.EJABBERD_XMPP_ALLOW_PLAINTEXT,
      webhookSecrets: env.EJABBERD_WEBHOOK_SECRET,
    },
    tenants: read.tenants,
    deadlineGraceMs: env.DEADLINE_GRACE * 1000,
    logLevel: env.LOG_LEVEL,
    failpoints: set.XMPP_CHAT_FAILPOINTS,
  };
}

/** Where the command line finds a running service, and with which token: the same settings as the service's. */
export function readAccess(): { url: string; token: string | undefined } {
  const { LISTEN = DEFAULT_LISTEN, ADMIN_TOKEN } = readDotEnv(process.cwd(), process.env);
  return { url: `http://${LISTEN || DEFAULT_LISTEN}`, token: ADMIN_TOKEN };
}

/** Where the log and the secret are: all that `backup` and `restore` need of the configuration. */
export interface Storage {
  readonly dataDir: string;
  readonly eventStore: string;
  /** undefined: it is kept in `{dataDir}/service-secret`. */
  readonly serviceSecret: string | undefined;
}

/**
 * The part of the configuration that says where things are kept; the rest may be missing, as on a machine that a
 * backup is just being restored on.
 * @throws {AppError} `invalid`, as {@link readConfig}
 */
export function readStorage(
  environment: NodeJS.ProcessEnv = process.env,
  dir = process.cwd(),
): Storage {
  const source = environment === process.env ? readDotEnv(dir, environment) : environment;
  const set = Object.fromEntries(Object.entries(source).filter(([, value]) => value !== ''));
  const parsed = Environment.pick({
    DATA_DIR: true,
    EVENT_STORE: true,
    SERVICE_SECRET: true,
  }).safeParse(set);
  if (!parsed.success) {
    const faults = parsed.error.issues.map(({ path, message }) => `${String(path[0])}: ${message}`);
    throw new AppError('invalid', `wrong configuration:\n  ${faults.join('\n  ')}`, { faults });
  }
  const dataDir = resolve(dir, parsed.data.DATA_DIR);
  return {
    dataDir,
    eventStore: parsed.data.EVENT_STORE ?? `sqlite:${join(dataDir, 'events.db')}`,
    serviceSecret: parsed.data.SERVICE_SECRET,
  };
}
