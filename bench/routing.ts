/** Chats assigned by the routing reactor on the SQLite store, compared with bare appends of as many facts. */
import { randomUUIDv7 } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { TenantId, Username, VisitorKey } from '../src/actors/ids.ts';
import type { OperatorCommand } from '../src/actors/operator/decisions.ts';
import { createTenantDirectory } from '../src/actors/tenant/directory.ts';
import type { VisitorCommand } from '../src/actors/visitor/decisions.ts';
import { createSnapshotStore, openSnapshotFile } from '../src/eventstore/snapshots.ts';
import { openSqliteEventStore } from '../src/eventstore/sqlite/store.ts';
import { ASSIGNMENTS_AT_ONCE } from '../src/reactors/routing/pass.ts';
import { createRouting } from '../src/reactors/routing/routing.ts';
import { ROUTING_TABLE } from '../src/reactors/routing/table-queries.ts';
import { namesOf } from '../src/reactors/texts/names.ts';
import { createActors } from '../src/runtime/host/actors.ts';
import { createHost } from '../src/runtime/host/host.ts';
import { soleOwner } from '../src/runtime/leases/ownership.ts';
import {
  type CommitListener,
  createPendingWork,
  openWorkFile,
} from '../src/runtime/pending-work.ts';
import { deriveSecrets } from '../src/runtime/vault/secrets.ts';
import { createVault } from '../src/runtime/vault/vault.ts';
import { tenantWith } from '../test/support/tenant.ts';
import { pageView } from './eventstore.ts';
import { mediansOf, type Round, type Row } from './row.ts';

const OPERATORS = 1_000;
const DEPARTMENTS = 10;
const CAPACITY = 5;
/** Chats in a wave, which starts at once. They end before the next wave. */
const CHATS = 1_000;
const ROUNDS = 5;
/** Facts of one assignment: ChatReserved, ChatAssigned, ChatConfirmed. */
const FACTS = 3;
/** Chats that start one by one, after the waves. */
const SINGLE_CHATS = 60;
const DELAYS = {
  hardTimeout: 3_600_000,
  cleanupAfter: 86_400_000,
  invitationTimeout: 120_000,
  offerTimeout: 3_600_000,
  chatIdle: 86_400_000,
};
const TENANT = TenantId.parse('bench');

interface Numbers {
  /** Chats a second in a wave. */
  readonly waves: readonly Round[];
  /** From the command that starts a chat to its ChatConfirmed, in ms. */
  readonly alone: readonly Round[];
}

async function measure(departments: number): Promise<Numbers> {
  const dir = mkdtempSync(join(tmpdir(), 'bench-routing-'));
  const store = await openSqliteEventStore(join(dir, 'events.db'));
  const now = Date.now;
  const newId = (): string => randomUUIDv7();
  const logger = pino({ level: 'silent' });
  const tenants = createTenantDirectory([
    tenantWith({ id: TENANT, host: 'bench.test', apiKey: 'a-key-of-the-benchmark' }),
  ]);
  const snapshotFile = openSnapshotFile(join(dir, 'snapshots.db'));
  const snapshots = createSnapshotStore(snapshotFile, { storeId: store.id });
  const vault = createVault({ store, wrapping: deriveSecrets(['bench']).wrapping, now, newId });
  const random = Math.random;
  const host = createHost({ store, vault, snapshots, now, newId, random, logger });
  const actors = createActors(host, newId);
  const db = openWorkFile(join(dir, 'work.db'));
  const routing = createRouting({
    isOnline: async () => true,
    db,
    actors,
    tenants,
    names: { of: async () => namesOf(new Map()) },
    ownership: soleOwner,
    now,
    newId,
    random,
    logger,
  });
  const waiting = new Map<string, { more: number; resolve: () => void }>();
  const watch: CommitListener = {
    onCommit(events) {
      for (const { type } of events) {
        const waiter = waiting.get(type);
        if (waiter && --waiter.more === 0) waiter.resolve();
      }
    },
  };
  const work = createPendingWork({ db, store, tables: [ROUTING_TABLE], logger });
  for (const listener of [host, routing, watch]) work.subscribe(listener);
  const ending = new AbortController();
  const following = work.run(ending.signal);
  const ofVisitor = (key: string, command: VisitorCommand) =>
    actors.visitor(TENANT, VisitorKey.parse(key)).send(command);
  const ofOperator = (name: string, command: OperatorCommand) =>
    actors.operator(TENANT, Username.parse(name)).send(command);
  const department = (n: number) => `department-${n % departments}`;
  const caughtUp = async (): Promise<void> => {
    const head = await store.head();
    if (head) await work.waitFor(head, 60_000);
  };
  /** Resolves when the fold has seen this many more facts of a type. */
  const factsOf = (type: string, more: number): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    waiting.set(type, { more, resolve });
    return promise;
  };
  const begin = (key: string, n: number) =>
    ofVisitor(key, {
      type: 'StartChat',
      chatId: key,
      department: department(n),
      delays: DELAYS,
    });
  const end = (key: string) =>
    ofVisitor(key, { type: 'CloseChat', chatId: null, by: 'visitor', reason: null });
  let streams = 0;
  /** Appends facts with several writers at once. @returns how long that took, in ms */
  async function appendFacts(facts: number, atOnce: number): Promise<number> {
    const start = performance.now();
    await Promise.all(
      Array.from({ length: atOnce }, async () => {
        const stream = `visitor-bare.${++streams}`;
        for (let n = 0; n < facts / atOnce; n++) {
          await store.append(stream, [pageView(n)], n === 0 ? 'no-stream' : n - 1);
        }
      }),
    );
    return performance.now() - start;
  }

  try {
    for (let n = 0; n < OPERATORS; n++) {
      const session = { session: `s${n}`, resource: 'bench' };
      await ofOperator(`op${n}`, {
        type: 'Register',
        lhcUserId: n + 1,
        departments: [department(n)],
        capacity: CAPACITY,
        name: null,
        nameChanged: false,
      });
      await ofOperator(`op${n}`, { type: 'OpenSession', ...session });
      const show = { show: 'available', status: '' } as const;
      await ofOperator(`op${n}`, { type: 'ChangePresence', ...session, ...show });
    }
    await caughtUp();
    const waves: Round[] = [];
    for (let round = 0; round <= ROUNDS; round++) {
      const keys = Array.from({ length: CHATS }, (_, n) => `w${round}-${n}`);
      await Promise.all(keys.map(begin));
      await caughtUp();
      const taken = factsOf('ChatConfirmed', CHATS);
      const start = performance.now();
      routing.start();
      await taken;
      const value = (CHATS / (performance.now() - start)) * 1000;
      const released = factsOf('ChatReleased', CHATS);
      await Promise.all(keys.map(end));
      await released;
      await routing.stop();
      const reference = (CHATS / (await appendFacts(CHATS * FACTS, ASSIGNMENTS_AT_ONCE))) * 1000;
      if (round > 0) waves.push({ value, reference });
    }
    routing.start();
    const alone: Round[] = [];
    for (let n = 0; n < SINGLE_CHATS; n++) {
      const taken = factsOf('ChatConfirmed', 1);
      const start = performance.now();
      await begin(`a${n}`, n);
      await taken;
      const value = performance.now() - start;
      alone.push({ value, reference: await appendFacts(FACTS + 2, 1) });
    }
    return { waves, alone };
  } finally {
    await routing.stop();
    ending.abort();
    await following;
    await store.close();
    db.close();
    snapshotFile.close();
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Waves of chats and single chats, for departments of 10, 100 and 1,000 operators. */
export async function benchRouting(): Promise<Row[]> {
  const rows: Row[] = [];
  for (const departments of [100, DEPARTMENTS, 1]) {
    const { waves, alone } = await measure(departments);
    const size = OPERATORS / departments;
    rows.push(
      {
        name: `chats routed at once, ${size} operators each`,
        unit: 'chats/s',
        ...mediansOf(waves),
        aim: 0.2,
        better: 'higher',
      },
      {
        name: `a chat routed alone, ${size} operators`,
        unit: 'ms',
        ...mediansOf(alone),
        aim: 5,
        better: 'lower',
      },
    );
  }
  return rows;
}
