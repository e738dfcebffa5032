/** Which read models there are: their tables, the versions of their rows, and the queries on them. */
import type { DatabaseSync } from 'node:sqlite';
import { actorOf } from '../actors/ids.ts';
import { VISITOR_FOLD } from '../actors/visitor/chat.ts';
import type { RecordedEvent } from '../eventstore/port.ts';
import { chatQueries } from './chat-queries.ts';
import { applyToChats, CHATS_SCHEMA, CHATS_TABLES, CHATS_VERSION } from './chats.ts';
import { departmentQueries } from './department-queries.ts';
import { openedOperatorFact, openedVisitorFact, type Personal } from './facts.ts';
import {
  applyToMessages,
  MESSAGES_SCHEMA,
  MESSAGES_TABLES,
  MESSAGES_VERSION,
  messageQueries,
} from './messages.ts';
import { applyToOpenChats, OPEN_CHATS_SCHEMA, OPEN_CHATS_TABLES } from './open-chats.ts';
import { operatorQueries } from './operator-queries.ts';
import {
  applyToOperators,
  OPERATORS_SCHEMA,
  OPERATORS_TABLES,
  OPERATORS_VERSION,
} from './operators.ts';
import { queueQueries } from './queue-queries.ts';
import { statsQueries } from './stats-queries.ts';
import { visitorQueries } from './visitor-queries.ts';
import { applyToVisitors, VISITORS_SCHEMA, VISITORS_TABLES, VISITORS_VERSION } from './visitors.ts';

interface Model {
  /** What its rows mean; raised when the schema or what is folded into it changes. */
  readonly version: number;
  readonly schema: string;
  readonly tables: readonly string[];
}

const MODELS = {
  openChats: {
    version: VISITOR_FOLD,
    schema: OPEN_CHATS_SCHEMA,
    tables: OPEN_CHATS_TABLES,
  },
  visitors: {
    version: VISITORS_VERSION,
    schema: VISITORS_SCHEMA,
    tables: VISITORS_TABLES,
  },
  messages: {
    version: MESSAGES_VERSION,
    schema: MESSAGES_SCHEMA,
    tables: MESSAGES_TABLES,
  },
  operators: {
    version: OPERATORS_VERSION,
    schema: OPERATORS_SCHEMA,
    tables: OPERATORS_TABLES,
  },
  chats: {
    version: CHATS_VERSION,
    schema: CHATS_SCHEMA,
    tables: CHATS_TABLES,
  },
} as const satisfies Record<string, Model>;

export type ModelName = keyof typeof MODELS;
/** By model, what the rows of a build mean. */
export type Versions = Readonly<Record<string, number>>;

const NAMES: readonly ModelName[] = ['openChats', 'visitors', 'messages', 'operators', 'chats'];

/** What this program builds. */
export const VERSIONS: Versions = Object.fromEntries(
  NAMES.map((name) => [name, MODELS[name].version]),
);

export const SCHEMA = NAMES.map((name) => MODELS[name].schema).join('');
export const TABLES = NAMES.flatMap((name): readonly string[] => MODELS[name].tables);

/** One name for a set of versions, the same for the same versions only. */
export const nameOf = (versions: Versions): string =>
  Object.keys(versions)
    .sort()
    .map((model) => `${model}/${versions[model]}`)
    .join(' ');

/** Questions by subject: of which models they read, and how they are made on a file. */
const QUERIES = {
  visitors: { of: ['visitors'], make: visitorQueries },
  messages: { of: ['messages'], make: messageQueries },
  operators: { of: ['operators'], make: operatorQueries },
  chats: { of: ['chats'], make: chatQueries },
  queue: { of: ['chats', 'operators'], make: queueQueries },
  stats: { of: ['chats'], make: statsQueries },
  departments: { of: ['chats', 'operators'], make: departmentQueries },
} as const satisfies Record<
  string,
  { of: readonly ModelName[]; make: (db: DatabaseSync) => unknown }
>;

/** All questions, by subject. */
export type Queries = {
  readonly [Subject in keyof typeof QUERIES]: ReturnType<(typeof QUERIES)[Subject]['make']>;
};
export type Subject = keyof Queries;

/** Whether rows of these versions answer questions about this subject. */
export const answersAbout = (subject: Subject, versions: Versions): boolean =>
  QUERIES[subject].of.every((name) => versions[name] === MODELS[name].version);

/** The questions on this file; each is made when it is first asked for, since it may not fit older rows. */
export function queriesOf(db: DatabaseSync): <S extends Subject>(subject: S) => Queries[S] {
  const made: { -readonly [S in Subject]?: Queries[S] } = {};
  return (subject) => {
    const known = made[subject];
    if (known) return known;
    // QUERIES[subject].make makes what Queries says of the subject; the types of a map are not followed so far.
    const fresh = QUERIES[subject].make(db) as Queries[typeof subject];
    made[subject] = fresh;
    return fresh;
  };
}

/** Moves the rows of all models by one event. */
export function applyToAll(db: DatabaseSync) {
  const toOpenChats = applyToOpenChats(db);
  const toVisitors = applyToVisitors(db);
  const toMessages = applyToMessages(db);
  const toOperators = applyToOperators(db);
  const toChats = applyToChats(db);
  return (event: RecordedEvent, personal: Personal) => {
    const actor = actorOf(event.stream);
    if (!actor || actor.kind === 'tenant') return;
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
    const chat = toOpenChats(tenant, actor.name, fact);
    const recorded = { tenant, name, revision, at, chat };
    toVisitors(fact, recorded);
    toMessages(fact, recorded);
    toChats(fact, recorded);
  };
}
