/** A whole installation: ejabberd with mod_lhc, a stand-in for LHC for each tenant, the service, and clients of all three. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FAST_OPERATORS } from '../../scripts/ejabberd/config.ts';
import {
  type Ejabberd,
  type EjabberdOptions,
  startEjabberd,
} from '../../scripts/private-ejabberd.ts';
import type { Callback, CallbackData, CallbackType } from '../../src/lhc/callback-types.ts';
import { type Balancer, startBalancer } from './balancer.ts';
import { type Lhc, startLhc } from './lhc.ts';
import { connectOperator, type Operator, type OperatorOptions } from './operator.ts';
import {
  type Answer,
  callTo,
  type Environment,
  makeService,
  type Service,
  type TenantEntry,
  writeTenants,
} from './service.ts';
import { WAIT_DEADLINE_MS, waitFor } from './wait.ts';

export interface TenantOptions {
  readonly id: string;
  readonly host: string;
  readonly instance?: string;
  /** Further settings, e.g. `hardTimeout`. */
  readonly settings?: Readonly<Record<string, unknown>>;
}

/**
 * The transport of tenants that name none. `TEST_TRANSPORT=component` runs the tests of the service by the component
 * (`npm run test:component`).
 */
const DEFAULT_TRANSPORT = process.env.TEST_TRANSPORT ?? 'accounts';
const COMPONENT_SECRET = 'secret of the component';

export interface WorldOptions {
  readonly tenants: readonly TenantOptions[];
  readonly ejabberd?: Partial<EjabberdOptions>;
  readonly modLhc?: Readonly<Record<string, unknown>>;
  readonly environment?: Environment;
  /** Processes of the service behind a balancer, on the log that `environment` names. Default: one, without a balancer. */
  readonly processes?: number;
  /** False if the test starts the service itself. Default: true. */
  readonly running?: boolean;
}

export type CallbackOf<T extends CallbackType> = Extract<Callback, { type: T }> & {
  readonly data: CallbackData[T];
};

/** One tenant: its LHC, and the requests that LHC makes to the service with the tenant's key. */
export interface Tenant {
  readonly id: string;
  readonly host: string;
  readonly apiKey: string;
  readonly lhc: Lhc;
  call(
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<Answer>;
  /** Like `call`. A query sees all that is in the log. @returns the body @throws if the status is not 2xx */
  ask(method: string, path: string, body?: unknown): Promise<Answer['body']>;
  view(visitor: string, page: Readonly<Record<string, unknown>>): Promise<Answer['body']>;
  visitorJid(visitor: string): string;
  operatorJid(username: string): string;
  /** Registers the operator with the password `pw`, or changes them. */
  register(username: string, options?: Readonly<Record<string, unknown>>): Promise<Answer['body']>;
  connect(username: string, options?: Partial<OperatorOptions>): Promise<Operator>;
  /** The callbacks of this type that LHC accepted, each webhook-id once, in order. */
  callbacks<T extends CallbackType>(type: T): CallbackOf<T>[];
  /** Waits until LHC has accepted such a callback. */
  callback<T extends CallbackType>(
    type: T,
    matches?: (data: CallbackData[T]) => boolean,
    deadlineMs?: number,
  ): Promise<CallbackOf<T>>;
  /** Waits until the operator has this availability. */
  operatorIs(username: string, availability: string): Promise<void>;
}

export interface World {
  readonly ejabberd: Ejabberd;
  /** The first process. */
  readonly service: Service & { settings: Record<string, string> };
  readonly processes: readonly Service[];
  /** The address of the service for LHC and ejabberd: the balancer, or the only process. */
  readonly url: string;
  readonly webhookSecret: string;
  /** The tenant with this id. @throws if there is none */
  tenant(id: string): Tenant;
  /**
   * Makes a tenant over HTTP, with an LHC of its own, for which CALLBACK_ALLOW has to be open.
   * @returns the tenant, what the service answered, and a way to change settings: all others stay
   */
  make(options: TenantOptions): Promise<
    Tenant & {
      readonly made: Answer;
      change(settings: Readonly<Record<string, unknown>>): Promise<Answer>;
    }
  >;
  /** The user names of all accounts on a host of ejabberd. */
  accounts(host: string): Promise<readonly string[]>;
  admin(command: string, args: Readonly<Record<string, string>>): Promise<unknown>;
  /** A number from /metrics of the first process. */
  metric(name: string): Promise<number>;
  /**
   * Resolves when the first process has no pending effect, and no visitor and no front desk to show.
   * @param left effects that earlier runs left on the same log, for tenants that are not configured here, and desks that
   * cannot be shown
   */
  idle(left?: { readonly effects?: number; readonly desks?: number }): Promise<void>;
  /** Changes a tenant's settings. They take effect at the next start of the service. */
  configure(id: string, settings: Readonly<Record<string, unknown>>): Promise<void>;
  close(): Promise<void>;
}

/** Queries that are answered from read models, which are some milliseconds behind the log. */
const READ_MODELS = /^\/(visitors|chats|operators|departments|queue|search|stats)\b/;

/** The path of a query that sees all that is in the log now. */
async function seeingAll(call: Service['call'], path: string): Promise<string> {
  if (!READ_MODELS.test(path) || path.includes('minPosition=')) return path;
  const { body } = await call('GET', '/debug/events?direction=backwards&limit=1');
  const position = body.items?.[0]?.position;
  if (position === undefined) return path;
  return `${path}${path.includes('?') ? '&' : '?'}minPosition=${encodeURIComponent(position)}`;
}

const secret = (): string => `whsec_${randomBytes(32).toString('base64')}`;

/** The caller has to close the world. test/support/test-world.ts does so for a test file. */
export async function startWorld(options: WorldOptions): Promise<World> {
  /** Ends what has started, the latest first. */
  const closing: (() => Promise<unknown>)[] = [];
  try {
    return await buildWorld(options, closing);
  } catch (error) {
    // The caller gets no world that it could close.
    for (const close of closing.reverse()) await close().catch(() => undefined);
    throw error;
  }
}

async function buildWorld(
  options: WorldOptions,
  closing: (() => Promise<unknown>)[],
): Promise<World> {
  const service = await makeService();
  const processes = [service];
  closing.push(() => Promise.all(processes.map((each) => each.close())));
  while (processes.length < (options.processes ?? 1)) processes.push(await makeService());
  const balancer: Balancer | null =
    processes.length > 1 ? await startBalancer(processes.map(({ port }) => port)) : null;
  if (balancer) closing.push(balancer.close);
  const url = balancer?.url ?? service.url;
  const webhookSecret = secret();
  const dir = await mkdtemp(join(tmpdir(), 'ejabberd-'));
  closing.push(() => rm(dir, { recursive: true, force: true }));
  const hosts = [...new Set(options.tenants.map(({ host }) => host))];
  const ejabberd = await startEjabberd({
    dir,
    hosts,
    webhook: { url: `${url}/ejabberd/events`, secret: webhookSecret },
    modLhc: { ...FAST_OPERATORS, max_backoff: 1, ...options.modLhc },
    streamManagement: { resumeTimeout: 2 },
    // Each process that shares its log has a domain of its own.
    component: {
      secret: COMPONENT_SECRET,
      ownDomains: options.environment?.EVENT_STORE?.startsWith('esdb') ?? false,
    },
    ...options.ejabberd,
  });
  closing.push(ejabberd.kill);
  const tenants = new Map<string, Tenant>();
  let entries: TenantEntry[] = [];
  for (const { id, host, instance, settings } of options.tenants) {
    const apiKey = `key-${id}-${randomBytes(12).toString('hex')}`;
    const callbackSecret = secret();
    // The xmppservice wire has no signatures.
    const isSigned = settings?.callbackFlavour !== 'xmppservice';
    const lhc = await startLhc(isSigned ? { secret: callbackSecret } : {});
    closing.push(lhc.close);
    entries.push({
      id,
      host,
      apiKey,
      callbackSecret,
      ...(instance && { instance }),
      // As FAST_OPERATORS for mod_lhc: operators of tests are programs.
      operatorMessagesPerSecond: 1_000,
      callbackUrl: lhc.url,
      transport: DEFAULT_TRANSPORT,
      ...settings,
    });
    tenants.set(id, tenantOf({ id, host, instance, apiKey, lhc, settings }, callTo(url), ejabberd));
  }
  const writeEntries = (): Promise<unknown> =>
    Promise.all(processes.map((each) => writeTenants(each, entries)));
  await writeEntries();
  const settings = {
    EJABBERD_API_URL: ejabberd.apiUrl,
    EJABBERD_API_USER: ejabberd.api.user,
    EJABBERD_API_PASSWORD: ejabberd.api.password,
    EJABBERD_XMPP: ejabberd.xmpp,
    EJABBERD_WEBHOOK_SECRET: webhookSecret,
    EJABBERD_COMPONENT: `tcp://127.0.0.1:${ejabberd.componentPort}`,
    EJABBERD_COMPONENT_SECRET: COMPONENT_SECRET,
    ...options.environment,
  };
  for (const each of processes) Object.assign(each.settings, settings);

  async function numbers(): Promise<(name: string) => number> {
    const { body } = await service.call('GET', '/metrics');
    return (name) => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(String(body))?.[1]);
  }
  const metric = async (name: string): Promise<number> => (await numbers())(name);
  async function admin(command: string, args: Readonly<Record<string, string>>): Promise<unknown> {
    const { user, password } = ejabberd.api;
    const response = await fetch(`${ejabberd.apiUrl}/${command}`, {
      method: 'POST',
      headers: {
        authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
        'content-type': 'application/json',
      },
      body: JSON.stringify(args),
      signal: AbortSignal.timeout(5_000),
    });
    if (!response.ok) throw new Error(`${command}: ${response.status} ${await response.text()}`);
    return response.json();
  }

  const world: World = {
    ejabberd,
    service,
    processes,
    url,
    webhookSecret,
    tenant(id) {
      const tenant = tenants.get(id);
      if (!tenant) throw new Error(`the world has no tenant ${id}`);
      return tenant;
    },
    async make({ id, host, instance, settings }) {
      const callbackSecret = secret();
      const lhc = await startLhc({ secret: callbackSecret });
      closing.push(lhc.close);
      const wish = {
        host,
        transport: DEFAULT_TRANSPORT,
        ...(instance && { instance }),
        ...settings,
      };
      const body = { ...wish, callbackUrl: lhc.url, callbackSecret };
      const made = await service.call('PUT', `/v1/tenants/${id}`, body);
      const { apiKey } = made.body;
      const about = { id, host, instance, apiKey, lhc, settings };
      const change = (wishes: object) =>
        service.call('PUT', `/v1/tenants/${id}`, { ...body, ...wishes });
      return { ...tenantOf(about, callTo(url), ejabberd), made, change };
    },
    admin,
    metric,
    async idle({ effects = 0, desks = 0 } = {}) {
      await waitFor(
        async () => {
          const number = await numbers();
          return (
            number('xmpp_chat_effects_pending') <= effects &&
            number('xmpp_chat_visitors_to_reconcile') === 0 &&
            number('xmpp_chat_desks_to_show') <= desks
          );
        },
        { what: 'nothing to be pending' },
      );
    },
    accounts: async (host) => (await admin('registered_users', { host })) as string[], // its documented form
    async configure(id, settings) {
      entries = entries.map((entry) => (entry.id === id ? { ...entry, ...settings } : entry));
      await writeEntries();
    },
    async close() {
      await balancer?.close();
      for (const each of processes) await each.close();
      await ejabberd.kill();
      for (const close of closing.splice(0).reverse()) await close();
      await rm(dir, { recursive: true, force: true });
    },
  };
  if (options.running !== false) await Promise.all(processes.map((each) => each.start()));
  return world;
}

function tenantOf(
  about: {
    settings: TenantOptions['settings'] | undefined;
    id: string;
    host: string;
    instance: string | undefined;
    apiKey: string;
    lhc: Lhc;
  },
  call: Service['call'],
  ejabberd: Ejabberd,
): Tenant {
  const { id, host, instance, apiKey, lhc, settings } = about;
  const { transport = DEFAULT_TRANSPORT } = settings ?? {};
  const visitorDomain = transport === 'component' ? `visitors.${host}` : host;
  const suffix = instance === undefined ? '' : `.${instance}`;
  let lhcUsers = 0;

  const tenant: Tenant = {
    id,
    host,
    apiKey,
    lhc,
    call: (method, path, body, headers = {}) =>
      call(method, `/v1/${id}${path}`, body, { key: apiKey, headers }),
    async ask(method, path, body) {
      const seen = method === 'GET' ? await seeingAll(call, path) : path;
      const answer = await tenant.call(method, seen, body);
      if (answer.status < 300) return answer.body;
      throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    },
    view: (visitor, page) => tenant.ask('POST', `/visitors/${visitor}/page-views`, page),
    visitorJid: (visitor) => `visitor.${visitor}${suffix}@${visitorDomain}`,
    operatorJid: (username) => `${username}${suffix}@${host}`,
    register(username, wishes = {}) {
      lhcUsers += 1;
      const wish = { lhcUserId: lhcUsers, departments: ['sales'], password: 'pw', ...wishes };
      return tenant.ask('PUT', `/operators/${username}`, wish);
    },
    connect: (username, wishes = {}) =>
      connectOperator({
        service: ejabberd.xmpp,
        domain: host,
        username: `${username}${suffix}`,
        password: 'pw',
        ...wishes,
      }),
    callbacks: <T extends CallbackType>(type: T) =>
      lhc.accepted().filter((callback): callback is CallbackOf<T> => callback.type === type),
    callback: (type, matches = () => true, deadlineMs = WAIT_DEADLINE_MS) =>
      waitFor(() => tenant.callbacks(type).find(({ data }) => matches(data)), {
        deadlineMs,
        what: () =>
          `the callback ${type}; LHC accepted ${lhc
            .accepted()
            .slice(-20)
            .map((callback) => `${callback.type} ${JSON.stringify(callback.data)}`)
            .join('\n')}`,
      }),
    async operatorIs(username, availability) {
      let last: unknown;
      await waitFor(
        async () => {
          last = (await tenant.call('GET', `/operators/${username}`)).body.availability;
          return last === availability;
        },
        { what: () => `${username} to be ${availability}; they are ${last}` },
      );
    },
  };
  return tenant;
}
