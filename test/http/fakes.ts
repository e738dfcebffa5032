/** Fakes of the rest of the service for the HTTP API. They record the calls. */
import { randomUUIDv7 } from 'node:crypto';
import { pino } from 'pino';
import { type ActorRef, operatorRef, tenantRef, visitorRef } from '../../src/actors/ids.ts';
import { CannedName } from '../../src/actors/tenant/canned-texts.ts';
import { createTenantDirectory } from '../../src/actors/tenant/directory.ts';
import type { VisitorCommand } from '../../src/actors/visitor/decisions.ts';
import type { VisitorState } from '../../src/actors/visitor/state.ts';
import { AppError } from '../../src/errors.ts';
import type { Position } from '../../src/eventstore/port.ts';
import { createApp } from '../../src/http/app.ts';
import type { HttpDeps } from '../../src/http/deps.ts';
import { createStreamHub } from '../../src/http/stream/hub.ts';
import type { ChangeFeed } from '../../src/projections/change-feed.ts';
import type { ChatFilter, ChatView } from '../../src/projections/chat-queries.ts';
import type { DepartmentView } from '../../src/projections/department-queries.ts';
import type { MessageFilter, MessageView } from '../../src/projections/message-queries.ts';
import type { OperatorFilter, OperatorView } from '../../src/projections/operator-queries.ts';
import type { QueuedChat, QueueFilter } from '../../src/projections/queue-queries.ts';
import { computeStatistics } from '../../src/projections/statistics.ts';
import type { VisitorFilter, VisitorView } from '../../src/projections/visitor-queries.ts';
import type { Actor, DeadLetter, Dispatched, Origin } from '../../src/runtime/ports.ts';
import { username, visitorKey } from '../support/names.ts';
import { tenantWith } from '../support/tenant.ts';

export const ADMIN = 'admin-token-of-the-tests';
export const KEYS = { acme: 'key-of-acme-0123456789', beta: 'key-of-beta-0123456789' };
export const WEBHOOK_SECRET = `whsec_${Buffer.from('mod_lhc signs with this').toString('base64')}`;
const NOW = Date.parse('2026-01-01T00:00:00Z');

/** Positions of the fake store are `fake:{number}`. This is the position of its read models. */
export const NEWEST = 'fake:10';

const TENANTS = createTenantDirectory([
  tenantWith({ id: 'acme', host: 'xmpp.test', apiKey: KEYS.acme, hardTimeout: 60 }),
  tenantWith({ id: 'beta', host: 'beta.test', apiKey: KEYS.beta }),
]);

const noTenancy = async (): Promise<never> => {
  throw new Error('no test of this file changes tenants');
};
const NOBODY_ELSE: HttpDeps['tenancy'] = {
  find: (id) => TENANTS.get(id),
  list: () => TENANTS.all(),
  isComplete: () => true,
  isDeclared: () => true,
  configure: noTenancy,
  rotateKey: noTenancy,
  beginRemoval: noTenancy,
  ofInstance: noTenancy,
};

const NO_EFFECTS: HttpDeps['tenantEffects'] = {
  makeGroups: async () => ({ state: 'ready' }),
  groups: async () => ({ state: 'ready' }),
  removal: () => null,
  callbackFault: (url) => (url.includes('//10.') ? 'is not on the public Internet' : null),
  callbacks: async () => ({ state: 'away', since: NOW, reason: 'answered 503' }),
  testCallback: async () => ({
    status: 'ok',
    message: 'LHC takes callbacks, in 1 ms',
    httpStatus: 200,
    tookMs: 1,
    clockOffset: 0,
  }),
};

export const VISITOR: VisitorView = {
  key: visitorKey('7'),
  presence: 'online',
  conversation: 'none',
  chatId: null,
  operator: null,
  inLhc: null,
  department: null,
  nick: 'Ann',
  page: '/',
  title: null,
  referrer: null,
  country: null,
  city: null,
  timezone: null,
  visits: null,
  loggedIn: true,
  arrivedAt: NOW,
  lastSeen: NOW,
  revision: 0,
};
export const MESSAGE: MessageView = {
  id: 'm1',
  chatId: 'c1',
  direction: 'visitor',
  kind: 'chat',
  operator: null,
  inLhc: null,
  body: 'Hello',
  at: NOW,
  state: 'sent',
  reason: null,
  displayedAt: null,
  replaces: null,
  correctedAt: null,
  retractedAt: null,
  reactions: [],
  revision: 3,
};
export const CANNED = { name: CannedName.parse('greeting'), text: 'Hello {visitor}' };
export const OPERATOR: OperatorView = {
  username: username('op'),
  lhcUserId: 1,
  name: 'Olga',
  departments: ['sales'],
  capacity: 5,
  tier: 1,
  tiers: {},
  languages: ['de'],
  free: 5,
  availability: 'available',
  onlineSince: NOW,
  away: false,
  unresponsive: false,
  sessions: [],
  chats: [],
  revision: 2,
};
export const CHAT: ChatView = {
  chatId: 'c1',
  visitor: visitorKey('7'),
  nick: 'Ann',
  department: 'sales',
  language: 'de-AT',
  overflowedFrom: [],
  notified: null,
  state: 'offered',
  operator: username('op'),
  inLhc: null,
  offered: [username('op')],
  invitedBy: null,
  startedAt: NOW,
  waitingSince: NOW,
  assignedAt: NOW,
  acceptedAt: null,
  firstAnswerAt: null,
  closedAt: null,
  closedBy: null,
  reason: null,
  missed: false,
  visitorMessages: 1,
  operatorMessages: 0,
  transfers: 0,
  missedOffers: 0,
  operators: [
    {
      operator: username('op'),
      askedAt: NOW,
      acceptedAt: null,
      firstAnswerAt: null,
      messages: 0,
      missed: 0,
      declined: 0,
    },
  ],
  revision: 1,
};
export const QUEUED: QueuedChat = {
  ...CHAT,
  position: 1,
  positionInDepartment: 1,
  expectedWait: 30,
};
export const DEPARTMENT: DepartmentView = {
  department: 'sales',
  operators: { online: 1, available: 1, away: 0, busy: 0 },
  freePlaces: 4,
  waiting: 1,
  offered: 1,
  longestWaitingSince: NOW,
  active: 0,
  chatsToday: 1,
  servedToday: 0,
  missedToday: 0,
};
const DEAD: DeadLetter = {
  id: 'dead-1',
  tenant: 'acme',
  at: NOW,
  kind: 'effect',
  type: 'VisitorMessageSent',
  operator: null,
  stream: 'visitor-acme.7',
  destination: 'lhc',
  reason: 'gave up',
};

export interface Calls {
  readonly commands: { visitor: ActorRef; command: VisitorCommand; origin: Partial<Origin> }[];
  readonly puts: { tenant: string; username: string; wish: unknown; origin: unknown }[];
  readonly removed: { tenant: string; username: string }[];
  readonly typing: { tenant: string; visitor: string; state: string; preview?: string }[];
  readonly canned: unknown[];
  readonly transfers: { tenant: string; visitor: string; wish: unknown; origin: unknown }[];
  /** What LHC said of people in its own pages. */
  readonly ofLhc: { what: string; visitor: string; wish: unknown; origin: unknown }[];
  readonly batches: (readonly unknown[])[];
  readonly older: object[];
  readonly filters: (VisitorFilter | MessageFilter | OperatorFilter | ChatFilter | QueueFilter)[];
}

const number = (position: string) => Number(/^fake:(\d{1,9})$/.exec(position)?.[1] ?? Number.NaN);

type Visitor = Actor<VisitorCommand, VisitorState>;

/** Visitors that answer every command with this. Nobody reads their state. */
export function visitorsThat(
  send: (visitor: ActorRef, ...rest: Parameters<Visitor['send']>) => ReturnType<Visitor['send']>,
): HttpDeps['actors'] {
  const noState = async () => {
    throw new Error('HTTP asks no actor for its state');
  };
  return {
    visitor: (tenant, key) => ({
      send: (command, origin) => send(visitorRef(tenant, key), command, origin),
      state: noState,
      latest: noState,
    }),
  };
}

/** The live stream of read models that stand still. */
const NO_CHANGES: ChangeFeed = {
  watch: async () => {},
  unwatch: async () => {},
  position: async () => NEWEST as Position, // a position of the fake store
  tooLate: async () => null,
  missed: async (_tenant, after) => ({ changes: [], at: after, live: true, facts: 0 }),
  follow: () => () => {},
};

/** The app over fakes. `more` replaces some of them. */
export function fakeApp(more: Partial<HttpDeps> = {}) {
  const calls: Calls = {
    commands: [],
    puts: [],
    removed: [],
    typing: [],
    canned: [],
    transfers: [],
    ofLhc: [],
    batches: [],
    older: [],
    filters: [],
  };
  const done = (actor: Dispatched['actor']): Dispatched => ({
    actor,
    state: { presence: 'online', conversation: 'none' },
    revision: 4,
    position: 'fake:9' as Position, // a position of the fake store
    facts: 1,
  });
  const given: Omit<HttpDeps, 'stream'> = {
    tenants: TENANTS,
    tenancy: NOBODY_ELSE,
    tenantEffects: NO_EFFECTS,
    actors: visitorsThat(async (visitor, command, origin = {}) => {
      calls.commands.push({ visitor, command, origin });
      return done(visitor);
    }),
    crowd: { full: () => null },
    inbox: {
      take: async (events) => {
        calls.batches.push(events);
      },
    },
    lhcChats: { changed: () => true, lastWebhookAt: () => null },
    olderModules: {
      take: async (report, calledAs) => {
        calls.older.push({ ...report, calledAs });
      },
    },
    olderModulesFrom: ['10.0.0.0/8'],
    operatorAccounts: {
      put: async (tenant, username, wish, origin) => {
        calls.puts.push({ tenant, username, wish, origin });
        return done(operatorRef(tenant, username));
      },
      remove: async (tenant, username) => {
        calls.removed.push({ tenant, username });
        return done(operatorRef(tenant, username));
      },
    },
    transfer: async (tenant, visitor, wish, origin) => {
      calls.transfers.push({ tenant, visitor, wish, origin });
      return done(visitorRef(tenant, visitor));
    },
    cannedTexts: {
      names: async () => [CANNED.name],
      get: async (_tenant, name) => (name === CANNED.name ? CANNED : null),
      all: async () => [CANNED],
      save: async (tenant, text, by) => {
        calls.canned.push({ tenant, text, by });
        return done(tenantRef(tenant));
      },
      remove: async (tenant, name, by) => {
        calls.canned.push({ tenant, name, by });
        return done(tenantRef(tenant));
      },
    },
    lhcPeople: {
      owner: async (tenant, visitor, wish, origin) => {
        calls.ofLhc.push({ what: 'owner', visitor, wish, origin });
        return done(visitorRef(tenant, visitor));
      },
      message: async (tenant, visitor, wish, origin) => {
        calls.ofLhc.push({ what: 'message', visitor, wish, origin });
        return done(visitorRef(tenant, visitor));
      },
    },
    eraseVisitor: async (tenant, visitor, origin = {}) => {
      const actor = visitorRef(tenant, visitor);
      calls.commands.push({ visitor: actor, command: { type: 'ErasePersonalData' }, origin });
      return { ...done(actor), generation: 1, keysDestroyed: true };
    },
    typing: async (tenant, visitor, state, preview) => {
      calls.typing.push({ tenant, visitor, state, ...(preview && { preview }) });
    },
    readModels: {
      visitors: {
        list: async (filter) => {
          calls.filters.push(filter);
          return { items: filter.tenant === 'acme' ? [VISITOR] : [], next: null };
        },
        get: async (tenant, key) => (tenant === 'acme' && key === VISITOR.key ? VISITOR : null),
      },
      messages: {
        list: async (filter) => {
          if (filter.tenant !== 'acme' || filter.visitor !== VISITOR.key) return null;
          calls.filters.push(filter);
          return { items: [MESSAGE], next: 'next-cursor' };
        },
      },
      operators: {
        list: async (filter) => {
          calls.filters.push(filter);
          return { items: [OPERATOR], next: null };
        },
        get: async (tenant, username) => (tenant === 'acme' && username === 'op' ? OPERATOR : null),
        free: async () => ({ operators: 1, places: 2 }),
      },
      chats: {
        list: async (filter) => {
          calls.filters.push(filter);
          return { items: filter.tenant === 'acme' ? [CHAT] : [], next: null };
        },
        get: async (tenant, id) => (tenant === 'acme' && id === CHAT.chatId ? CHAT : null),
        withId: async () => [],
      },
      queue: {
        list: async (filter) => {
          calls.filters.push(filter);
          return { items: [QUEUED], next: null };
        },
      },
      stats: {
        of: async (range) =>
          computeStatistics(
            () => ({
              chats: () => ({ rows: [], next: null }),
              work: () => ({ rows: [], next: null }),
            }),
            range,
          ),
      },
      departments: { list: async () => [DEPARTMENT] },
      search: {
        find: async () => ({ items: [], next: null }),
        anywhere: async () => [],
      },
      streams: {
        list: async () => ({ items: [], next: null }),
        named: async () => [],
        factsOf: async () => [],
      },
      reach: async (position) => {
        if (position !== null && number(position) > number(NEWEST)) {
          throw new AppError('timeout', 'fold x is behind');
        }
        return NEWEST as Position; // a position of the fake store
      },
      builds: async () => ({ current: null, next: null }),
      rebuild: async () => {},
      lag: async () => 1500,
    },
    store: {
      readStream: async () => [],
      readAll: async () => [],
      parsePosition: (text) => {
        if (Number.isNaN(number(text))) throw new AppError('invalid', 'no position of this store');
        return text as Position; // parsed just now
      },
    },
    vault: { open: async () => null },
    deadLetters: {
      list: async ({ tenant }) => ({
        items: tenant === undefined || tenant === 'acme' ? [DEAD] : [],
        next: null,
      }),
      show: async (id) => (id === DEAD.id ? { ...DEAD, content: { body: 'Hello' } } : null),
      sendAgain: async () => {},
      discard: async () => {},
    },
    checks: { eventstore: async () => {}, ejabberd: async () => {} },
    unfitActors: () => [],
    numbers: { xmpp_chat_mailbox_depth: { help: 'Commands that wait', value: () => 3 } },
    adminToken: ADMIN,
    webhookSecrets: [{ secret: WEBHOOK_SECRET, hosts: null }],
    digestKey: Buffer.from('digest key of the tests'),
    now: () => NOW,
    newId: () => randomUUIDv7(),
    logger: pino({ level: 'silent' }),
    effectPlaces: [],
    awayReason: () => null,
    journal: { record: () => undefined, of: () => [], requests: () => [] },
    version: '0.0.0-test',
    positionWaitMs: 20,
    ...more,
  };
  const stream = createStreamHub({
    changes: NO_CHANGES,
    store: { compare: (a, b) => number(a) - number(b), ...given.store },
    logger: given.logger,
    random: Math.random,
  });
  const deps: HttpDeps = { stream, ...given };
  const app = createApp(deps);

  /** Asks with the key of acme, or with another `key`; null: without a key. */
  const ask = async (
    method: string,
    path: string,
    options: {
      body?: unknown;
      raw?: string | Buffer<ArrayBuffer>;
      key?: string | null;
      headers?: Record<string, string>;
    } = {},
  ) => {
    const { body, raw, key = KEYS.acme, headers = {} } = options;
    const response = await app.request(path, {
      method,
      headers: {
        ...(key !== null && { Authorization: `Bearer ${key}` }),
        ...((body !== undefined || raw !== undefined) && { 'Content-Type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      ...(raw !== undefined && { body: raw }),
    });
    const text = await response.text();
    const json = /json\b(?<!ndjson)/.test(response.headers.get('content-type') ?? '')
      ? JSON.parse(text)
      : null;
    return { status: response.status, headers: response.headers, text, json };
  };
  return { app, ask, calls, deps };
}
