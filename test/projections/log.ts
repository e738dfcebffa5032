/** A real log that real actors write to, and read models that follow it. */
import { randomUUIDv7 } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import {
  operatorRef,
  streamOf,
  TenantId,
  Username,
  VisitorKey,
  visitorRef,
} from '../../src/actors/ids.ts';
import type { Wake } from '../../src/actors/machine/decider.ts';
import type { OperatorCommand } from '../../src/actors/operator/decisions.ts';
import type { VisitorCommand } from '../../src/actors/visitor/decisions.ts';
import { hasCode, isRejected } from '../../src/errors.ts';
import { openEventStore } from '../../src/eventstore/open.ts';
import type { EventStore, Position } from '../../src/eventstore/port.ts';
import type { SnapshotStore } from '../../src/eventstore/snapshots.ts';
import { createProjections, type Projections } from '../../src/projections/projections.ts';
import { createReadModels, type ReadModels } from '../../src/projections/read-models.ts';
import { createActors } from '../../src/runtime/host/actors.ts';
import { createHost } from '../../src/runtime/host/host.ts';
import type { Actors, Dispatched, Vault } from '../../src/runtime/ports.ts';
import { deriveSecrets } from '../../src/runtime/vault/secrets.ts';
import { createVault } from '../../src/runtime/vault/vault.ts';
import { hashRows } from './hash.ts';

const ACME = TenantId.parse('acme');
/** The service secret of the log. */
export const SECRET = 'service secret of the read models';
const START = Date.parse('2026-01-01T00:00:00Z');

const noSnapshots: SnapshotStore = {
  load: () => null,
  save: () => {},
  delete: () => {},
  deleteBetween: () => {},
};

export interface Following {
  readonly projections: Projections;
  readonly readModels: ReadModels;
  stop(): Promise<void>;
}

export interface Log {
  readonly store: EventStore;
  /** The folder of its file (`events.db`) and those of read models. */
  readonly folder: string;
  readonly vault: Vault;
  readonly actors: Actors;
  /** In ms since 1970. */
  now(): number;
  passes(ms: number): void;
  visitor(
    key: string,
    command: VisitorCommand | Wake,
    tenant?: TenantId,
  ): Promise<Dispatched | null>;
  operator(name: string, command: OperatorCommand | Wake): Promise<Dispatched | null>;
  /** The state of an actor. */
  state(kind: 'visitor' | 'operator', name: string): Promise<unknown>;
  /** Read models in this file that do not follow the log yet. */
  open(file: string): Projections;
  /** Read models in this file, following the log until they are stopped. */
  follow(file: string): Following;
  /** Read models that have caught up. */
  caughtUp(file?: string): Promise<Following>;
  head(): Promise<Position>;
  /** Hashes of the rows that queries on these read models see. */
  hashes(file: string, projections: Projections): Record<string, string>;
  close(): Promise<void>;
}

/** @returns null for a refused command */
const unlessRefused = async (work: Promise<Dispatched>): Promise<Dispatched | null> => {
  try {
    return await work;
  } catch (error) {
    if (isRejected(error) || hasCode(error, 'conflict')) return null;
    throw error;
  }
};

/** @param eventStore default a SQLite file in the folder */
export async function openTestLog(eventStore?: string): Promise<Log> {
  const folder = await mkdtemp(join(tmpdir(), 'projections-'));
  const store = await openEventStore(eventStore ?? `sqlite:${join(folder, 'events.db')}`);
  let time = START;
  const now = () => time;
  const newId = () => randomUUIDv7();
  const { wrapping } = deriveSecrets([SECRET]);
  const vault = createVault({ store, wrapping, now, newId });
  const host = createHost({
    store,
    vault,
    snapshots: noSnapshots,
    now,
    newId,
    random: Math.random,
    logger: pino({ level: 'silent' }),
  });
  const actors = createActors(host, newId);
  const following = new Set<Following>();

  const log: Log = {
    store,
    folder,
    vault,
    actors,
    now,
    passes: (ms) => {
      time += ms;
    },
    visitor: async (key, command, tenant = ACME) => {
      const name = VisitorKey.parse(key);
      if (command.type === 'Wake') {
        await host.wake(streamOf(visitorRef(tenant, name)));
        return null;
      }
      return unlessRefused(actors.visitor(tenant, name).send(command));
    },
    operator: async (username, command) => {
      const name = Username.parse(username);
      if (command.type === 'Wake') {
        await host.wake(streamOf(operatorRef(ACME, name)));
        return null;
      }
      return unlessRefused(actors.operator(ACME, name).send(command));
    },
    state: async (kind, name) =>
      kind === 'visitor'
        ? host.load(visitorRef(ACME, VisitorKey.parse(name)))
        : host.load(operatorRef(ACME, Username.parse(name))),
    open: (file) => createProjections({ path: join(folder, file), store, vault, now }),
    follow: (file) => {
      const projections = log.open(file);
      const ending = new AbortController();
      const done = projections.start(ending.signal);
      const one: Following = {
        projections,
        readModels: createReadModels({ projections, store, now }),
        stop: async () => {
          if (!following.delete(one)) return;
          ending.abort();
          await done;
          projections.close();
        },
      };
      following.add(one);
      return one;
    },
    caughtUp: async (file = 'projections.db') => {
      const one = log.follow(file);
      await one.projections.waitFor(await log.head(), 10_000);
      return one;
    },
    hashes: (file, projections) => {
      const { current } = projections.builds();
      if (!current) throw new Error('there are no rows yet');
      return hashRows(join(folder, `${file}.${current.number}`));
    },
    head: async () => {
      const head = await store.head();
      if (!head) throw new Error('the log is empty');
      return head;
    },
    close: async () => {
      for (const one of following) await one.stop();
      await store.close();
      await rm(folder, { recursive: true });
    },
  };
  return log;
}
