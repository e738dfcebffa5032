/**
 * Erases visitors (docs/adr/0049). The fact `PersonalDataErased` erases; what stands here follows from it. The data keys
 * of the visitor are destroyed, in the process that owns the visitor, and tried again until the log says that it is done.
 * Every process forgets at the fact what it has in memory, and makes its files free of it.
 */
import type { DatabaseSync } from 'node:sqlite';
import type { Logger } from 'pino';
import { erasedIn, visitorFact } from '../../actors/facts.ts';
import {
  actorOf,
  keyOfGeneration,
  sealingKeyOf,
  type TenantId,
  type VisitorKey,
  visitorRef,
} from '../../actors/ids.ts';
import { hasCode, messageOf } from '../../errors.ts';
import { backoff, type RetryPolicy } from '../../kit/backoff.ts';
import { type Ownership, partitionOf } from '../../runtime/leases/ownership.ts';
import type { CommitListener, WorkTable } from '../../runtime/pending-work.ts';
import type { Actors, EraseVisitor, Vault } from '../../runtime/ports.ts';
import { forgetsByTenant } from '../../runtime/removed-tenant.ts';

/** Waits between the tries to destroy data keys, while the event store is away. */
export const ERASURE_RETRY: RetryPolicy = { firstMs: 500, mostMs: 30_000 };
/** Erasures that are looked at in one go. */
const PAGE_ERASURES = 100;

/** Erasures whose data keys may exist still. */
export const ERASURES_TABLE: WorkTable = {
  name: 'erasures',
  version: 1,
  // The data keys of the generations from `first` on and before `generation` have to be destroyed.
  schema: `
    CREATE TABLE erasures (
      tenant TEXT NOT NULL,
      visitor TEXT NOT NULL,
      first INTEGER NOT NULL,
      generation INTEGER NOT NULL,
      PRIMARY KEY (tenant, visitor)
    ) STRICT, WITHOUT ROWID;
  `,
  tables: ['erasures'],
  apply: (file) => {
    const add = file.prepare(
      `INSERT INTO erasures VALUES (?1, ?2, ?3 - 1, ?3)
       ON CONFLICT DO UPDATE SET generation = excluded.generation`,
    );
    const done = file.prepare(
      'DELETE FROM erasures WHERE tenant = ? AND visitor = ? AND generation <= ?',
    );
    const some = file.prepare(
      'UPDATE erasures SET first = max(first, ?3) WHERE tenant = ?1 AND visitor = ?2',
    );
    return (event) => {
      const erased = erasedIn(event);
      if (erased && !erased.all) {
        add.run(erased.tenant, erased.visitor, erased.generation);
        return;
      }
      if (event.type !== 'DataKeyDestroyed') return;
      const fact = visitorFact(event);
      const actor = actorOf(event.stream);
      if (fact?.type !== 'DataKeyDestroyed' || actor?.kind !== 'visitor') return;
      done.run(actor.tenant, actor.name, fact.data.generation);
      some.run(actor.tenant, actor.name, fact.data.generation);
    };
  },
  forget: (file) => forgetsByTenant(file, ['erasures']),
};

interface Pending {
  readonly tenant: TenantId;
  readonly visitor: VisitorKey;
  readonly first: number;
  readonly generation: number;
}

interface ErasureOptions {
  readonly db: DatabaseSync;
  readonly actors: Pick<Actors, 'visitor'>;
  readonly vault: Pick<Vault, 'exists' | 'destroy' | 'forget'>;
  readonly ownership: Ownership;
  readonly random: () => number;
  readonly logger: Logger;
  /** Makes the files of this process free of what was deleted. */
  readonly tidy: () => void;
  /** A failpoint of tests, between the destruction of the keys and the fact about it. */
  readonly afterDestroyed?: () => void;
  /** Default {@link ERASURE_RETRY}. */
  readonly retry?: RetryPolicy;
}

export interface Erasures extends CommitListener {
  readonly erase: EraseVisitor;
  /** Erasures whose data keys may exist still. */
  pending(): number;
  /** Begins. Erasures that were interrupted go on. */
  start(): void;
  stop(): void;
  /** Resolves when no data key is being destroyed. */
  idle(): Promise<void>;
}

export function createErasures(options: ErasureOptions): Erasures {
  const { db, actors, vault, ownership, random, logger, tidy, retry = ERASURE_RETRY } = options;
  const select = db.prepare(
    `SELECT tenant, visitor, first, generation FROM erasures
     WHERE (tenant, visitor) > (?, ?) ORDER BY tenant, visitor LIMIT ${PAGE_ERASURES}`,
  );
  const count = db.prepare('SELECT count(*) AS n FROM erasures');
  const drop = db.prepare('DELETE FROM erasures WHERE tenant = ? AND visitor = ?');
  let timer: NodeJS.Timeout | undefined;
  let failures = 0;
  let isStarted = false;
  let stopped = false;
  let running: Promise<void> | null = null;
  let again = false;

  function* all(): Generator<Pending> {
    for (let after = ['', '']; ; ) {
      // The columns of the statement; only facts of visitors made the rows.
      const page = select.all(...after) as unknown as Pending[];
      yield* page;
      const last = page.at(-1);
      if (!last || page.length < PAGE_ERASURES) return;
      after = [last.tenant, last.visitor];
    }
  }

  const personOf = ({ tenant, visitor }: Pick<Pending, 'tenant' | 'visitor'>): string =>
    sealingKeyOf(visitorRef(tenant, visitor));
  const owns = (pending: Pending): boolean => ownership.owns(partitionOf(personOf(pending)));

  async function destroyKeys(pending: Pending): Promise<void> {
    const { tenant, visitor, first, generation } = pending;
    for (let each = first; each < generation; each++) {
      await vault.destroy(keyOfGeneration(personOf(pending), each));
    }
    options.afterDestroyed?.();
    try {
      await actors.visitor(tenant, visitor).send({ type: 'ReportDataKeyDestroyed', generation });
    } catch (error) {
      if (!hasCode(error, 'not-found', 'unfit')) throw error;
      drop.run(tenant, visitor); // their history is gone, and nothing can be said there
    }
  }

  async function pass(): Promise<void> {
    const due = [...all()].filter(owns);
    let failed: unknown = null;
    for (const pending of due) {
      if (stopped) return;
      try {
        if (owns(pending)) await destroyKeys(pending);
      } catch (error) {
        failed = error;
      }
    }
    if (failed === null) {
      failures = 0;
      return;
    }
    failures += 1;
    const level = failures === 1 ? 'warn' : 'debug';
    logger[level]({ reason: messageOf(failed) }, 'data keys not destroyed yet; trying again');
    timer = setTimeout(look, backoff(failures, retry, random)).unref();
  }

  function look(): void {
    if (!isStarted || stopped) return;
    if (running) {
      again = true;
      return;
    }
    clearTimeout(timer);
    running = pass()
      .catch((error) => logger.error({ err: error }, 'erasures could not be looked at'))
      .finally(() => {
        running = null;
        if (again) {
          again = false;
          look();
        }
      });
  }

  ownership.onChange((_partition, owned) => {
    if (owned) look();
  });

  return {
    async erase(tenant, visitor, origin) {
      const actor = actors.visitor(tenant, visitor);
      const before = await actor.latest();
      const was = before?.context.erasure;
      // What was set aside after an erasure is in a stream of its own, of which the visitor's state knows nothing.
      const current = sealingKeyOf(visitorRef(tenant, visitor), was?.generation);
      const alsoElsewhere = was?.clean === true && (await vault.exists(current));
      const done = await actor.send({ type: 'ErasePersonalData', alsoElsewhere }, origin);
      const { erasure } = (await actor.state())?.context ?? {};
      if (!erasure) return { ...done, generation: 0, keysDestroyed: true };
      const { generation, destroyed } = erasure;
      vault.forget(personOf({ tenant, visitor }), generation);
      if (destroyed >= generation) return { ...done, generation, keysDestroyed: true };
      try {
        const first = was?.destroyed ?? destroyed;
        await destroyKeys({ tenant, visitor, first, generation });
        return { ...done, generation, keysDestroyed: true };
      } catch (error) {
        // The fact is there, and the owner of the visitor goes on.
        logger.warn({ reason: messageOf(error) }, 'data keys not destroyed yet; trying again');
        return { ...done, generation, keysDestroyed: false };
      }
    },
    pending: () => Number(count.get()?.n),
    onCommit(events) {
      const erased = events.flatMap((event) => {
        const each = erasedIn(event);
        return each && !each.all ? [each] : [];
      });
      if (erased.length === 0) return;
      for (const { person, generation } of erased) vault.forget(person, generation);
      tidy();
      look();
    },
    start() {
      for (const pending of all()) vault.forget(personOf(pending), pending.generation);
      isStarted = true;
      tidy(); // a process that was killed may have left words in the files
      look();
    },
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
    async idle() {
      while (running) await running;
    },
  };
}
