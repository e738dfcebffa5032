/** The read models: their tables, the versions of their rows, and the queries on them. */
import type { DatabaseSync } from 'node:sqlite';
import { actorOf } from '../actors/ids.ts';
import type { RecordedEvent } from '../eventstore/port.ts';
import { chatQueries } from './chat-queries.ts';
import { CHATS } from './chats.ts';
import { departmentQueries } from './department-queries.ts';
import { openedOperatorFact, openedVisitorFact, type Personal } from './facts.ts';
import { messageQueries } from './message-queries.ts';
import { MESSAGES } from './messages.ts';
import type { Model } from './model.ts';
import { OPEN_CHATS } from './open-chats.ts';
import { operatorQueries } from './operator-queries.ts';
import { OPERATORS } from './operators.ts';
import { queueQueries } from './queue-queries.ts';
import { createSweep, forgetsRows, REMOVED_TENANTS, type Sweep } from './removed-tenants.ts';
import { SEARCH } from './search.ts';
import { searchQueries } from './search-queries.ts';
import { statsQueries } from './stats-queries.ts';
import { streamQueries } from './stream-queries.ts';
import { STREAMS } from './streams.ts';
import { visitorQueries } from './visitor-queries.ts';
import { VISITORS } from './visitors.ts';

const MODELS = {
  // The first one: it reads the rows of the others before they drop them.
  search: SEARCH,
  openChats: OPEN_CHATS,
  visitors: VISITORS,
  messages: MESSAGES,
  operators: OPERATORS,
  chats: CHATS,
  streams: STREAMS,
  removedTenants: REMOVED_TENANTS,
} as const satisfies Record<string, Model<unknown>>;

type ModelName = keyof typeof MODELS;
/** The versions of the rows in a build, by model. */
export type Versions = Readonly<Record<string, number>>;

const ALL: readonly Model<unknown>[] = Object.values(MODELS);

/** The versions that this program builds. */
export const VERSIONS: Versions = Object.fromEntries(
  Object.entries(MODELS).map(([name, { version }]) => [name, version]),
);

export const SCHEMA = ALL.map(({ schema }) => schema).join('');
/** The indexes that only queries need: a statement for each. Indexes that exist already are left alone. */
export const INDEXES: readonly string[] = ALL.flatMap(({ indexes = {} }) =>
  Object.entries(indexes).map(([name, on]) => `CREATE INDEX IF NOT EXISTS ${name} ${on}`),
);
export const TABLES = ALL.flatMap(({ tables }) => tables);

/** @returns a text that is equal for equal versions only */
export const nameOf = (versions: Versions): string =>
  Object.keys(versions)
    .sort()
    .map((model) => `${model}/${versions[model]}`)
    .join(' ');

/** Queries by subject: the models that they read, and the function that prepares them on a file. */
const QUERIES = {
  visitors: { of: ['visitors'], prepare: visitorQueries },
  messages: { of: ['messages'], prepare: messageQueries },
  operators: { of: ['operators'], prepare: operatorQueries },
  chats: { of: ['chats'], prepare: chatQueries },
  queue: { of: ['chats', 'operators'], prepare: queueQueries },
  stats: { of: ['chats'], prepare: statsQueries },
  search: { of: ['search', 'messages', 'visitors', 'chats'], prepare: searchQueries },
  streams: { of: ['streams'], prepare: streamQueries },
  departments: { of: ['chats', 'operators'], prepare: departmentQueries },
} as const satisfies Record<
  string,
  { of: readonly ModelName[]; prepare: (db: DatabaseSync) => unknown }
>;

export type Queries = {
  readonly [Subject in keyof typeof QUERIES]: ReturnType<(typeof QUERIES)[Subject]['prepare']>;
};
export type Subject = keyof Queries;

/** True if the queries on this subject can read rows of these versions. */
export const canQuery = (subject: Subject, versions: Versions): boolean =>
  QUERIES[subject].of.every((name) => versions[name] === MODELS[name].version);

/** The queries on a file. Each is prepared when it is first used, because it may not fit rows of older versions. */
export function queriesOf(db: DatabaseSync): <S extends Subject>(subject: S) => Queries[S] {
  const prepared: { -readonly [S in Subject]?: Queries[S] } = {};
  return (subject) => {
    const known = prepared[subject];
    if (known) return known;
    // TypeScript does not see that QUERIES[S].prepare returns Queries[S].
    const fresh = QUERIES[subject].prepare(db) as Queries[typeof subject];
    prepared[subject] = fresh;
    return fresh;
  };
}

/** Removes the rows of tenants that were removed. The models go in their order: the search reads rows of the others. */
export const sweepOf = (db: DatabaseSync): Sweep =>
  createSweep(
    db,
    ALL.map(({ forget, tables }) => forget?.(db) ?? forgetsRows(db, tables)),
  );

/** Applies events to the rows of all models. */
export function applyToAll(db: DatabaseSync) {
  const toOpenChat = OPEN_CHATS.apply(db);
  const toVisitors = VISITORS.apply(db);
  const toMessages = MESSAGES.apply(db);
  const toOperators = OPERATORS.apply(db);
  const toChats = CHATS.apply(db);
  const toSearch = SEARCH.apply(db);
  const toStreams = STREAMS.apply(db);
  const removed = REMOVED_TENANTS.apply(db);
  const hide = ALL.map((model) => model.hide?.(db));
  const sweep = sweepOf(db);
  const changeTenant = (tenant: string, type: string): void => {
    if (type === 'TenantRemoved') {
      toStreams.write();
      for (const each of hide) each?.(tenant);
      removed.remove(tenant);
    } else if (type === 'TenantConfigured' && removed.isRemoved(tenant)) {
      sweep.all(tenant);
      removed.comeBack(tenant);
    }
  };
  const add = (event: RecordedEvent, personal: Personal): void => {
    const actor = actorOf(event.stream);
    if (actor?.kind === 'tenant') changeTenant(actor.tenant, event.type);
    toStreams.add(event);
    if (!actor || actor.kind === 'tenant' || removed.isRemoved(actor.tenant)) return;
    const { tenant, name } = actor;
    const { revision } = event;
    const { at } = event.metadata;
    if (actor.kind === 'operator') {
      const fact = openedOperatorFact(event, personal);
      if (fact) toOperators(fact, { tenant, name, revision, at });
      return;
    }
    const fact = openedVisitorFact(event, personal);
    if (!fact) return;
    const chat = toOpenChat(tenant, actor.name, fact);
    const recorded = { tenant, name, revision, at, chat };
    toSearch.before(fact, recorded);
    toVisitors(fact, recorded);
    toMessages(fact, recorded);
    toChats(fact, recorded);
    toSearch.after(fact, recorded);
  };
  return { begin: toStreams.begin, add, end: toStreams.write };
}
