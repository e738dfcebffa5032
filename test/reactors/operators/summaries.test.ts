/** Operators' streams are cut, on both event stores, and nobody notices. */

import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { afterEach, describe, expect, it } from 'vitest';
import { operatorRef } from '../../../src/actors/ids.ts';
import { serialize } from '../../../src/actors/machine/state-json.ts';
import type { OperatorCommand } from '../../../src/actors/operator/decisions.ts';
import { openEsdbEventStore } from '../../../src/eventstore/esdb/store.ts';
import { XMPP_FILTER } from '../../../src/reactors/conversation/xmpp-lane.ts';
import { LHC_FILTER } from '../../../src/reactors/lhc/drafts.ts';
import { createOperatorSummaries } from '../../../src/reactors/operators/summaries.ts';
import { ROUTING_TABLE } from '../../../src/reactors/routing/table-queries.ts';
import { TABLES } from '../../../src/reactors/routing/table-schema.ts';
import { createCheckpoints } from '../../../src/replay/checkpoints.ts';
import { actorAt } from '../../../src/replay/points.ts';
import { createLaneLog } from '../../../src/runtime/lanes/log.ts';
import { laneTable } from '../../../src/runtime/lanes/pending-effects.ts';
import { soleOwner } from '../../../src/runtime/leases/ownership.ts';
import { createPendingWork, openWorkFile } from '../../../src/runtime/pending-work.ts';
import { createStreamCut } from '../../../src/runtime/stream-cut.ts';
import {
  askQuestion,
  changePresence,
  closeSession,
  openSession,
  register,
  release,
  reserve,
  take,
} from '../../actors/facts.ts';
import { startEventStoreDouble } from '../../support/eventstoredb/server.ts';
import { username } from '../../support/names.ts';
import { ACME, newId, openRig, type Rig, silent } from '../../support/rig.ts';
import { waitFor } from '../../support/wait.ts';

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const STREAM = 'operator-acme.olga';
const EVERY = 20;

const STORES = {
  sqlite: () => openRig(),
  async eventstoredb() {
    const server = await startEventStoreDouble();
    closing.push(() => server.close());
    const store = await openEsdbEventStore(server.url);
    closing.push(() => store.close());
    return openRig({ disturb: () => store });
  },
} as const;

const TABLES_OF_WORK = [laneTable([XMPP_FILTER, LHC_FILTER]), ROUTING_TABLE];
const rowsOf = (db: DatabaseSync) =>
  Object.fromEntries(TABLES.map((table) => [table, db.prepare(`SELECT * FROM ${table}`).all()]));

/** The tables of routing built from the log as it is now. */
async function rebuilt({ folder, store }: Rig) {
  const db = openWorkFile(join(folder, `work-${newId()}.db`));
  const ending = new AbortController();
  const work = createPendingWork({ db, store, tables: TABLES_OF_WORK, logger: silent });
  const running = work.run(ending.signal);
  const head = await store.head();
  if (head) await work.waitFor(head, 20_000);
  const rows = rowsOf(db);
  ending.abort();
  await running;
  db.close();
  return rows;
}

async function start(rig: Rig) {
  closing.push(() => rig.close());
  const { actors, store, personal, workFile: db } = rig;
  const summaries = createOperatorSummaries({
    actors,
    store,
    personal,
    cutStream: createStreamCut({ db, store }),
    ownership: soleOwner,
    logger: silent,
    every: EVERY,
  });
  const caughtUp = await rig.follow(TABLES_OF_WORK, [summaries]);
  const send = async (command: OperatorCommand, apart = 60_000) => {
    rig.clock.passes(apart);
    await rig.toOperator('olga', command);
    await caughtUp();
    await summaries.idle();
    await caughtUp();
  };
  const lane = createLaneLog({ ...rig, newId });
  /** All effects up to now are done. */
  const perform = async () => {
    const last = (await rig.facts(STREAM)).at(-1);
    for (const place of ['xmpp', 'lhc']) {
      if (last) await lane.advance(STREAM, place, last);
    }
    await caughtUp();
  };
  return { send, perform, caughtUp };
}

describe.each(Object.keys(STORES) as (keyof typeof STORES)[])('on %s', (name) => {
  it('a stream has two intervals of facts at most, and all that follows from it stays the same', async () => {
    const rig = await STORES[name]();
    const { send, perform } = await start(rig);
    await send(register());
    await send(openSession('desk'));
    await send({
      ...changePresence('available', 'desk'),
      status: 'at the desk',
    } as OperatorCommand);
    await send(reserve('r0', 'c0'));
    await send(take('r0', 'c0'));
    for (let n = 1; n <= 60; n++) {
      await send(reserve('r', `c${n}`));
      await send(release('r', `c${n}`));
      if (n % 10 === 0) {
        await send(openSession('phone', 'phone'));
        await send({
          ...changePresence('away', 'phone', 'phone'),
          status: `${n}`,
        } as OperatorCommand);
        if (n < 60) await send(closeSession('phone'));
      }
      await perform();
    }
    const facts = await rig.facts(STREAM);
    expect(facts[0]?.type).toBe('OperatorSummarised');
    expect(facts[0]?.revision).toBeGreaterThan(80);
    expect(facts.length).toBeLessThanOrEqual(2 * EVERY + 4);

    const ref = operatorRef(ACME, username('olga'));
    const live = await rig.host.load(ref);
    const cold = await rig
      .makeHost({
        snapshots: { load: () => null, save: () => {}, delete: () => {}, deleteBetween: () => {} },
      })
      .load(ref);
    expect(cold && serialize(cold)).toEqual(live && serialize(live));
    expect(await actorAt(rig.store, STREAM, {}, createCheckpoints())).toMatchObject({
      value: 'available',
    });
    const state = await rig.operator('olga').state();
    const { nameRevision, statusRevisions } = state?.context ?? expect.unreachable();
    const opened = async (revision = -1) => {
      const [event] = await rig.store.readStream(STREAM, { from: revision, limit: 1 });
      return event?.revision === revision ? rig.personal.of(event) : null;
    };
    expect(await opened(nameRevision)).toMatchObject({ name: 'Ada' });
    expect(JSON.stringify(await opened(statusRevisions.desk))).toContain('at the desk');
    expect(JSON.stringify(await opened(statusRevisions.phone))).toContain('60');
    expect(await rebuilt(rig)).toEqual(rowsOf(rig.workFile));
  });

  it('facts whose effects are not done stay', async () => {
    const rig = await STORES[name]();
    const { send, perform } = await start(rig);
    await send(register());
    await send(askQuestion('info'));
    const facts = async () => rig.facts(STREAM);
    for (let n = 0; n < 3 * EVERY; n++) await send({ type: 'RevokeLhcUser', lhcUserId: 100 + n });
    expect((await facts())[0]?.revision).toBe(0);
    expect(
      (await facts()).filter(({ type }) => type === 'OperatorSummarised').length,
    ).toBeGreaterThan(1);
    await perform();
    for (let n = 0; n < 2 * EVERY; n++) await send({ type: 'RevokeLhcUser', lhcUserId: 200 + n });
    await waitFor(async () => ((await facts())[0]?.revision ?? 0) > EVERY, { what: 'the cut' });
    expect((await facts())[0]?.type).toBe('OperatorSummarised');
  });
});
