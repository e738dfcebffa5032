/** The runtime on a real event store in a folder of its own. The test moves the clock. */
import { createHash, randomUUIDv7 } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import { operatorRef, TenantId, visitorRef } from '../../src/actors/ids.ts';
import type { OperatorCommand } from '../../src/actors/operator/decisions.ts';
import { createTenantDirectory } from '../../src/actors/tenant/directory.ts';
import type { VisitorCommand } from '../../src/actors/visitor/decisions.ts';
import { openEventStore } from '../../src/eventstore/open.ts';
import type { EventStore, RecordedEvent } from '../../src/eventstore/port.ts';
import { createSnapshotStore, openSnapshotFile } from '../../src/eventstore/snapshots.ts';
import { createCannedTexts } from '../../src/reactors/desk/canned-texts.ts';
import { createOperatorNames } from '../../src/reactors/operator-names.ts';
import { openPersonalData } from '../../src/reactors/personal-data.ts';
import { createActors } from '../../src/runtime/host/actors.ts';
import { type ActorHost, createHost, type HostOptions } from '../../src/runtime/host/host.ts';
import {
  type CommitListener,
  createPendingWork,
  openWorkFile,
  type WorkTable,
} from '../../src/runtime/pending-work.ts';
import type { Dispatched, Origin } from '../../src/runtime/ports.ts';
import { deriveSecrets } from '../../src/runtime/vault/secrets.ts';
import { createVault } from '../../src/runtime/vault/vault.ts';
import { temporaryFolder } from './folder.ts';
import { username, visitorKey } from './names.ts';
import { teamOf } from './team.ts';
import { tenantWith } from './tenant.ts';

export const ACME = TenantId.parse('acme');
export const HOST = 'xmpp.test';
const START = Date.parse('2026-01-01T00:00:00Z');
export const silent = pino({ level: 'silent' });
export const newId = (): string => randomUUIDv7();
/** Makes 32 bytes from a word. */
export const secret = (word: string): Buffer => createHash('sha256').update(word).digest();
export const jidOf = (key: string): string => `visitor.${key}@${HOST}`;

export const tenantsWith = (more: Record<string, unknown> = {}) =>
  createTenantDirectory([
    tenantWith({ id: 'acme', host: HOST, apiKey: 'key-of-acme-0123456789', ...more }),
  ]);

export interface Clock {
  now(): number;
  monotonic(): number;
  age(at: number): number;
  passes(ms: number): void;
  /** The clock is set. No time passes. */
  isSet(byMs: number): void;
}

function clockAt(start = START): Clock {
  let passed = 0;
  let setBy = 0;
  const now = (): number => start + passed + setBy;
  return {
    now,
    age: (at) => now() - at,
    monotonic: () => passed,
    passes: (ms) => {
      passed += ms;
    },
    isSet: (byMs) => {
      setBy += byMs;
    },
  };
}

export type Rig = Awaited<ReturnType<typeof openRig>>;

export async function openRig(
  options: {
    folder?: string;
    /** The event store; default a SQLite file in the folder. */
    eventStore?: string;
    clock?: Clock;
    settings?: Record<string, unknown>;
    host?: Partial<HostOptions>;
    /** Wraps the real store. The parts get the result. */
    disturb?: (store: EventStore) => EventStore;
  } = {},
) {
  const folder = options.folder ?? temporaryFolder('runtime');
  const clock = options.clock ?? clockAt();
  const opened = await openEventStore(options.eventStore ?? `sqlite:${join(folder, 'events.db')}`);
  const store = options.disturb?.(opened) ?? opened;
  const tenants = tenantsWith(options.settings);
  const { now, monotonic } = clock;
  const vault = createVault({ store, wrapping: deriveSecrets(['wrapping']).wrapping, now, newId });
  const snapshotFile = openSnapshotFile(join(folder, 'snapshots.db'));
  const snapshots = createSnapshotStore(snapshotFile, { storeId: store.id });
  const workFile = openWorkFile(join(folder, 'work.db'));
  const base: HostOptions = {
    store,
    vault,
    snapshots,
    now,
    newId,
    logger: silent,
    random: Math.random,
  };
  const makeHost = (more: Partial<HostOptions> = {}): ActorHost => createHost({ ...base, ...more });
  const host = makeHost(options.host);
  const actors = createActors(host, newId);
  const personal = openPersonalData(store, vault);
  // Nobody has a name here: texts have usernames. A test about names makes its own.
  const names = createOperatorNames({ actors, store, personal, operatorsOf: () => [] });
  const ending = new AbortController();
  const folds: Promise<void>[] = [];
  let closed = false;

  async function close(): Promise<void> {
    if (closed) return;
    closed = true;
    ending.abort();
    await Promise.all(folds);
    await opened.close();
    workFile.close();
    snapshotFile.close();
  }

  const auto = (): Origin => ({ commandId: `auto:${newId()}` });
  return {
    folder,
    clock,
    now,
    monotonic,
    store,
    tenants,
    vault,
    snapshots,
    workFile,
    host,
    actors,
    /** Actors of the tenant `acme`. */
    visitor: (key: string) => actors.visitor(ACME, visitorKey(key)),
    operator: (name: string) => actors.operator(ACME, username(name)),
    personal,
    names,
    canned: createCannedTexts({ actors, store, personal, digestKey: secret('digest') }),
    team: teamOf(),
    makeHost,
    digestKey: secret('digest'),
    toVisitor: (key: string, command: VisitorCommand, origin = auto(), by = host) =>
      by.dispatch(visitorRef(ACME, visitorKey(key)), command, origin),
    toOperator: (
      name: string,
      command: OperatorCommand,
      origin = auto(),
      by = host,
    ): Promise<Dispatched> => by.dispatch(operatorRef(ACME, username(name)), command, origin),
    facts: async (stream: string): Promise<readonly RecordedEvent[]> => store.readStream(stream),
    types: async (stream: string): Promise<string[]> =>
      (await store.readStream(stream)).map(({ type }) => type),
    /** Folds the log into these tables. Resolves when they are at its end. */
    follow: async (tables: readonly WorkTable[], listeners: readonly CommitListener[] = []) => {
      const work = createPendingWork({ db: workFile, store, tables, logger: silent });
      for (const listener of listeners) work.subscribe(listener);
      folds.push(work.run(ending.signal));
      const caughtUp = async (): Promise<void> => {
        const head = await store.head();
        if (!head) return;
        try {
          await work.waitFor(head, 10_000);
        } catch (error) {
          throw new Error(`the fold does not advance: ${JSON.stringify(work.state())}`, {
            cause: error,
          });
        }
      };
      await caughtUp();
      return caughtUp;
    },
    close,
    /** Closes everything and opens the same folder again, as a restart does. */
    restart: async (more: { host?: Partial<HostOptions>; withoutWork?: boolean } = {}) => {
      await close();
      if (more.withoutWork) {
        for (const end of ['', '-wal', '-shm']) {
          rmSync(join(folder, `work.db${end}`), { force: true });
        }
      }
      return openRig({ ...options, ...more, folder, clock });
    },
  };
}
