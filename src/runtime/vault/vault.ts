/**
 * Personal data in the log, encrypted from the first day. Each visitor has a data key of their own, wrapped with a key
 * that is derived from the service secret, in a stream of its own. Destroying it erases the person (docs/adr/0049).
 *
 * {@link createVault} is the entry point, for src/service. secrets.ts derives the keys. rotation.ts wraps the data keys
 * again after a change of the secret. secret-check.ts tells whether secrets belong to a log; src/doctor and src/backup use
 * it too.
 */
import { randomBytes } from 'node:crypto';
import { generationOf, keyOfGeneration } from '../../actors/ids.ts';
import { AppError, hasCode } from '../../errors.ts';
import {
  type EventStore,
  type RecordedEvent,
  WrongExpectedRevision,
} from '../../eventstore/port.ts';
import { lastEvent } from '../../eventstore/reading.ts';
import type { JsonObject } from '../../kit/json.ts';
import { Lru } from '../../kit/lru.ts';
import type { SealedIn, Vault } from '../ports.ts';
import { createServiceFacts, type ServiceFacts } from '../service-facts.ts';
import { decrypt, encrypt } from './box.ts';
import {
  isDestroyed,
  isErased,
  KEY_DESTROYED,
  KEY_ERASED,
  KEY_STREAMS,
  keyOfStream,
  keyStream,
  tenantOf,
  unwrap,
  wrap,
} from './data-key.ts';
import type { WrappingKey } from './secrets.ts';
import { readSecretsInUse } from './secrets-in-use.ts';

const DATA_KEY_BYTES = 32;
/** Data keys in memory at most. */
export const KEYS_IN_MEMORY = 20_000;
/** How long a data key is trusted in memory when other processes, which may delete it, write to the log too. */
export const SHARED_KEY_MS = 60_000;

/** Persons of whom it is remembered that they were erased. Later the key's stream says so. */
export const ERASURES_IN_MEMORY = 10_000;
/** Data keys of one person that are looked for in memory after an erasure. Earlier erasures took the others. */
const GENERATIONS_IN_MEMORY = 8;

/** Personal data that this process has sealed, kept for its own effects: at most this many parts, */
export const OPENED_IN_MEMORY = 2_000;
/** for this long, */
export const OPENED_MS = 60_000;
/** and none with more characters of JSON. Together they take 8 MB at most. */
export const OPENED_CHARACTERS = 2_000;

/** The present `v` of {@link Sealed}. Boxes of version 0.1.0 have none, and were bound to their key alone. */
const BOUND_TO_FACT = 2;

/** A box that is moved to another fact, or whose fact got another type, does not open. */
const contextOf = (key: string, { stream, type, id }: SealedIn): string =>
  JSON.stringify([key, stream, type, id]);

interface VaultOptions {
  readonly store: Pick<EventStore, 'readStream' | 'append' | 'deleteStream' | 'truncateBefore'>;
  /** Derived from the service secrets. */
  readonly wrapping: readonly WrappingKey[];
  readonly now: () => number;
  readonly newId: () => string;
  /** Whether other processes write to the same log. Default false. */
  readonly shared?: boolean;
}

interface State extends VaultOptions {
  readonly facts: ServiceFacts;
  /** Searches for data keys, running or done. A search that finds no key is dropped. */
  readonly keys: Lru<{ readonly found: Promise<Buffer | null>; readonly at: number }>;
  /** What was sealed a moment ago, by its box. */
  readonly opened: Lru<{
    readonly key: string;
    readonly context: string;
    readonly text: string;
    readonly at: number;
  }>;
  /** By person: keys of all generations before this one are erased. */
  readonly erased: Lru<number>;
}

/** For whoever reads the whole log in order: it need not read the stream of each key. */
export interface KeyLearner {
  /** Remembers the data key that a fact of the log carries. Facts of other streams are ignored. */
  learn(event: RecordedEvent): void;
}

/** @throws {AppError} `unavailable` from its methods when the store is away */
export function createVault(options: VaultOptions): Vault & KeyLearner {
  const keys: State['keys'] = new Lru(KEYS_IN_MEMORY);
  const opened: State['opened'] = new Lru(OPENED_IN_MEMORY);
  const erased: State['erased'] = new Lru(ERASURES_IN_MEMORY);
  const vault: State = { ...options, facts: createServiceFacts(options), keys, opened, erased };
  const forgetKey = (key: string): void => {
    keys.delete(key);
    for (const [box, own] of [...opened.entries()]) if (own.key === key) opened.delete(box);
  };
  return {
    async seal(key, personal, fact, isFirst = false) {
      if (wasErased(vault, key)) throw destroyed(key);
      if (isFirst && vault.shared) keys.delete(key);
      const dataKey =
        (await (cachedKey(vault, key) ?? search(vault, key, getOrCreateKey))) ??
        // A search by `open`, which creates no key, was running.
        (await search(vault, key, getOrCreateKey));
      if (!dataKey) throw new AppError('unavailable', `no data key for ${key} could be made`);
      const text = JSON.stringify(personal);
      const context = contextOf(key, fact);
      const box = encrypt(dataKey, context, Buffer.from(text)).toString('base64');
      if (wasErased(vault, key)) throw destroyed(key); // meanwhile
      if (text.length <= OPENED_CHARACTERS) {
        opened.set(box, { key, context, text, at: vault.now() });
      }
      return { key, box, v: BOUND_TO_FACT };
    },
    async open({ personal, ...fact }) {
      if (!personal) return null;
      const { key, box, v } = personal;
      if (wasErased(vault, key)) return null;
      const cached = cachedKey(vault, key);
      const dataKey = await (cached ?? search(vault, key, readKey));
      if (!dataKey) return null;
      const context = v === BOUND_TO_FACT ? contextOf(key, fact) : key;
      const own = opened.peek(box);
      const openBy = (by: Buffer) => decrypt(by, context, Buffer.from(box, 'base64'))?.toString();
      let text =
        own?.context === context && vault.now() - own.at <= OPENED_MS ? own.text : openBy(dataKey);
      if (text === undefined && cached && vault.shared) {
        // Another process has deleted the key, and its name is used again.
        const fresh = await search(vault, key, readKey);
        if (fresh) text = openBy(fresh);
      }
      // `seal` wrote an object, and the tag proves that this is what it wrote.
      return text ? (JSON.parse(text) as JsonObject) : null;
    },
    learn(event) {
      if (!event.stream.startsWith(KEY_STREAMS)) return;
      const key = keyOfStream(event.stream);
      const opened =
        isErased(event) || wasErased(vault, key) ? null : unwrap(vault.wrapping, key, event.data);
      if (opened) keys.set(key, { found: Promise.resolve(opened.dataKey), at: vault.now() });
      else keys.delete(key); // whoever needs it reads why it does not open
    },
    async exists(key) {
      const last = await lastEvent(vault.store, keyStream(key));
      return last !== null && !isErased(last);
    },
    async erase(key) {
      forgetKey(key);
      await erase(vault, key);
      forgetKey(key); // a search may have ended meanwhile
    },
    async destroy(key) {
      forgetKey(key);
      await destroy(vault, key);
      forgetKey(key);
    },
    async retire(key, isOver) {
      const last = await lastEvent(vault.store, keyStream(key));
      if (!last || !(await isOver())) return;
      forgetKey(key);
      await deleteKey(vault, key, last);
      forgetKey(key);
    },
    forget(person, generation, all = false) {
      if (all) erased.delete(person);
      else erased.set(person, Math.max(generation, erased.get(person) ?? 0));
      const first = Math.max(0, generation - GENERATIONS_IN_MEMORY);
      for (let each = first; each < generation; each++) forgetKey(keyOfGeneration(person, each));
    },
  };
}

function wasErased({ erased }: State, key: string): boolean {
  const { person, generation } = generationOf(key);
  return generation < (erased.peek(person) ?? 0);
}

const destroyed = (key: string): AppError =>
  new AppError('conflict', `the data key ${key} was destroyed`, { reason: 'destroyed' });

/** True for the error of `seal` about a key that was destroyed. */
export const isKeyDestroyed = (error: unknown): boolean =>
  hasCode(error, 'conflict') && error.details.reason === 'destroyed';

function cachedKey({ keys, shared, now }: State, key: string): Promise<Buffer | null> | undefined {
  const cached = keys.get(key);
  return cached && shared && Math.abs(now() - cached.at) > SHARED_KEY_MS
    ? undefined
    : cached?.found;
}

/** One search at a time for each key. */
function search(
  vault: State,
  key: string,
  find: (vault: State, key: string) => Promise<Buffer | null>,
): Promise<Buffer | null> {
  const { keys, now } = vault;
  const found = find(vault, key);
  keys.set(key, { found, at: now() });
  found.then(
    (dataKey) => dataKey ?? keys.delete(key),
    () => keys.delete(key),
  );
  return found;
}

const readKey = async (vault: State, key: string): Promise<Buffer | null> =>
  openKey(vault, key, await lastEvent(vault.store, keyStream(key)));

/** @param last fact of the key's stream. @returns null if there is no key */
function openKey({ wrapping }: State, key: string, last: RecordedEvent | null): Buffer | null {
  if (!last || isErased(last)) return null;
  const opened = unwrap(wrapping, key, last.data);
  if (opened) return opened.dataKey;
  throw new AppError(
    'unavailable',
    `the data key of ${key} does not open: SERVICE_SECRET lacks the secret that it is wrapped with`,
    { reason: 'secret' },
  );
}

/**
 * Deletes the stream of a data key, behind a fact that moves its revision: EventStoreDB would let an append that expects
 * the old revision bring the stream back.
 */
async function erase({ store, facts }: State, key: string): Promise<void> {
  const stream = keyStream(key);
  if (await lastEvent(store, stream)) {
    await facts.append(stream, [{ type: KEY_ERASED, data: {}, tenant: tenantOf(key) }], 'any');
  }
  await store.deleteStream(stream);
}

/** @throws {WrongExpectedRevision} if `last` is not the last fact of the key any more */
async function deleteKey({ store, facts }: State, key: string, last: RecordedEvent): Promise<void> {
  const stream = keyStream(key);
  const fact = { type: KEY_ERASED, data: {}, tenant: tenantOf(key) };
  const { revision } = isErased(last) ? last : await facts.append(stream, [fact], last.revision);
  await store.deleteStream(stream, { expected: revision });
}

/** Leaves nothing in the stream of a data key but the fact that it was destroyed. */
async function destroy({ store, facts }: State, key: string): Promise<void> {
  const stream = keyStream(key);
  const last = await lastEvent(store, stream);
  const fact = { type: KEY_DESTROYED, data: {}, tenant: tenantOf(key) };
  // Another process may make the key, or wrap it again, just now.
  const revision =
    last && isDestroyed(last)
      ? last.revision
      : (await facts.append(stream, [fact], 'any')).revision;
  await store.truncateBefore(stream, revision);
}

/**
 * During a rotation the log says which secret wraps: a process that still has the old one first must not add keys that
 * nobody wraps again.
 */
async function wrappingNow({ store, wrapping }: State): Promise<WrappingKey> {
  const [first] = wrapping;
  if (!first) throw new AppError('unavailable', 'there is no service secret');
  if (wrapping.length === 1) return first;
  const inUse = await readSecretsInUse(store);
  return wrapping.find(({ id }) => id === inUse?.current) ?? first;
}

async function getOrCreateKey(vault: State, key: string): Promise<Buffer | null> {
  const stream = keyStream(key);
  const last = await lastEvent(vault.store, stream);
  if (last && isDestroyed(last)) throw destroyed(key);
  const existing = openKey(vault, key, last);
  if (existing) return existing;
  // An erasure was interrupted. What it should have deleted must not stay behind the new key.
  if (last) await vault.store.truncateBefore(stream, last.revision);
  const dataKey = randomBytes(DATA_KEY_BYTES);
  const fact = {
    type: 'DataKeyCreated',
    data: wrap(await wrappingNow(vault), key, dataKey),
    tenant: tenantOf(key),
  };
  try {
    await vault.facts.append(stream, [fact], last?.revision ?? 'no-stream');
    return dataKey;
  } catch (error) {
    if (error instanceof WrongExpectedRevision) return readKey(vault, key); // another process was first
    throw error;
  }
}
