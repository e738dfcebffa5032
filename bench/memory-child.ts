/** The service without HTTP and XMPP. Visitors come through the host, as page views do. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { type TenantId, VisitorKey } from '../src/actors/ids.ts';
import type { VisitorDelays } from '../src/actors/visitor/facts.ts';
import { createSnapshotStore, openSnapshotFile } from '../src/eventstore/snapshots.ts';
import { openSqliteEventStore } from '../src/eventstore/sqlite/store.ts';
import { newId } from '../src/kit/id.ts';
import { createProjections } from '../src/projections/projections.ts';
import { DESIRED_VISITORS_TABLE } from '../src/reactors/visitors/desired.ts';
import { createDeadlines, DEADLINES_TABLE } from '../src/runtime/deadlines.ts';
import { createActors } from '../src/runtime/host/actors.ts';
import { createHost } from '../src/runtime/host/host.ts';
import { soleOwner } from '../src/runtime/leases/ownership.ts';
import { createPendingWork, openWorkFile } from '../src/runtime/pending-work.ts';
import { deriveSecrets } from '../src/runtime/vault/secrets.ts';
import { createVault } from '../src/runtime/vault/vault.ts';
import { answerParent } from './processes.ts';

const TENANT = 'bench' as TenantId; // The benchmark uses a valid id.
const AT_ONCE = 250;
/** Visitors before the first measurement, so that the code is compiled and its buffers are full. */
const WARM_UP = 2_000;
const FOLD_DEADLINE_MS = 60_000;
const DELAYS: VisitorDelays = {
  hardTimeout: 3_600_000,
  cleanupAfter: 86_400_000,
  invitationTimeout: 120_000,
  offerTimeout: 60_000,
  chatIdle: 86_400_000,
};

export interface Memory {
  /** Resident bytes after a garbage collection. */
  readonly before: number;
  readonly after: number;
  /** Deadlines of the visitors that came between, and their facts in the read models. */
  readonly deadlines: number;
  readonly applied: number;
}

async function measure({ visitors }: { readonly visitors: number }): Promise<Memory> {
  const dir = mkdtempSync(join(tmpdir(), 'bench-memory-'));
  const now = Date.now;
  const logger = pino({ level: 'silent' });
  const store = await openSqliteEventStore(join(dir, 'events.db'));
  const vault = createVault({ store, wrapping: deriveSecrets(['bench']).wrapping, now, newId });
  const snapshotFile = openSnapshotFile(join(dir, 'snapshots.db'));
  const snapshots = createSnapshotStore(snapshotFile, { storeId: store.id });
  const host = createHost({ store, vault, snapshots, now, newId, random: Math.random, logger });
  const actors = createActors(host, newId);
  const workFile = openWorkFile(join(dir, 'work.db'));
  const deadlines = createDeadlines({
    db: workFile,
    host,
    ownership: soleOwner,
    now,
    random: Math.random,
    logger,
  });
  const tables = [DEADLINES_TABLE, DESIRED_VISITORS_TABLE];
  const work = createPendingWork({ db: workFile, store, tables, logger });
  work.subscribe(deadlines);
  const projections = createProjections({ path: join(dir, 'projections.db'), store, vault });
  const following = new AbortController();
  const folds = Promise.all([work.run(following.signal), projections.start(following.signal)]);
  deadlines.start(30_000);

  const arrive = async (n: number): Promise<void> => {
    const page = `https://shop.example/catalogue/page-${n}`;
    const profile = { page, title: 'Shoes', nick: `Visitor ${n}`, country: 'Germany', visits: 3 };
    const digest = String(n).padEnd(22, 'x');
    const command = {
      type: 'ViewPage',
      digest,
      department: null,
      delays: DELAYS,
      profile,
    } as const;
    await actors.visitor(TENANT, VisitorKey.parse(`v-${n}`)).send(command);
  };
  const come = async (from: number, to: number): Promise<void> => {
    for (let n = from; n < to; n += AT_ONCE) {
      const batch = Math.min(AT_ONCE, to - n);
      await Promise.all(Array.from({ length: batch }, (_, i) => arrive(n + i)));
    }
    const head = await store.head();
    if (head === null) return;
    await work.waitFor(head, FOLD_DEADLINE_MS);
    await projections.waitFor(head, FOLD_DEADLINE_MS);
  };

  await come(0, WARM_UP);
  const before = await resident();
  const earlier = deadlines.pending();
  await come(WARM_UP, WARM_UP + visitors);
  const after = await resident();
  const result = {
    before,
    after,
    deadlines: deadlines.pending() - earlier,
    // Each visitor has a data key and a fact.
    applied: projections.state().eventsApplied / 2 - WARM_UP,
  };

  await deadlines.stop();
  following.abort();
  await folds;
  await store.close();
  projections.close();
  workFile.close();
  snapshotFile.close();
  rmSync(dir, { recursive: true, force: true });
  return result;
}

/** Several garbage collections: the last ones return pages to the system. */
async function resident(): Promise<number> {
  for (let i = 0; i < 5; i++) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return process.memoryUsage.rss();
}

answerParent(measure);
