/** The replay of the whole log, and that nothing of src/replay has hands. */
import { expect, it } from 'vitest';
import { emptyState, fold } from '../../src/actors/machine/decider.ts';
import { serialize } from '../../src/actors/machine/state-json.ts';
import { visitorDecider } from '../../src/actors/visitor/decisions.ts';
import {
  PORTION_EVENTS,
  type ReplayOptions,
  type Report,
  replayLog,
} from '../../src/replay/whole-log.ts';
import { arrived, chatAccepted, chatStarted, pageViewed } from '../actors/facts.ts';
import { throughJson } from '../actors/stream.ts';
import { history, interleaved, type MemoryLog, memoryLog, recorded } from './memory-log.ts';

async function reports(log: MemoryLog, options: ReplayOptions = {}): Promise<Report[]> {
  return Array.fromAsync(replayLog(log, options));
}
const without = (all: readonly Report[], key: string) => all.filter((each) => !(key in each));
const totals = (all: readonly Report[]) => {
  const [last] = all.slice(-1).flatMap((each) => ('done' in each ? each.done : []));
  const { ms: _, ...rest } = last ?? expect.unreachable();
  return rest;
};

const log = memoryLog({
  'visitor-acme.7': history('visitor'),
  'operator-acme.op': history('operator'),
  'tenant-acme': history('tenant'),
  'tenant-acme2': history('tenant'),
  'lane-visitor-acme.7.lhc': [{ type: 'LaneAdvanced', data: {} }],
});

it('folds every actor, and says what came of it', async () => {
  const all = await reports(log);
  const events = log.events.length - 1;
  expect(totals(all)).toEqual({ events, streams: 4, unfit: 0, snapshots: 0 });
  expect(without(without(all, 'progress'), 'done')).toEqual([]);
  const acme = totals(await reports(log, { tenant: 'acme' }));
  expect(acme).toMatchObject({ streams: 3, events: events - history('tenant').length });
});

it('names each fact that does not fit', async () => {
  const all = await reports(
    memoryLog({ 'visitor-acme.7': [arrived(), chatAccepted(), chatStarted(), chatAccepted()] }),
  );
  expect(without(without(all, 'progress'), 'done')).toEqual([
    {
      unfit: {
        stream: 'visitor-acme.7',
        revision: 1,
        type: 'ChatAccepted',
        reason: 'ChatAccepted does not fit the state at revision 0',
      },
    },
  ]);
});

it('names each stored snapshot that differs', async () => {
  const facts = log.events.filter(({ stream }) => stream === 'visitor-acme.7').slice(0, 10);
  const state = throughJson(serialize(fold(visitorDecider, emptyState(visitorDecider), facts)));
  const with1 = (changed: object) =>
    reports(log, {
      snapshotOf: (stream) =>
        stream === 'visitor-acme.7' ? { revision: 9, state: { ...state, ...changed } } : null,
    });
  expect(totals(await with1({})).snapshots).toBe(0);
  const all = await with1({ context: { ...(state.context as object), chats: 99 } });
  expect(totals(all).snapshots).toBe(1);
  expect(all.find((each) => 'snapshot' in each)).toMatchObject({
    snapshot: { revision: 9, changes: [{ path: ['context', 'chats'], after: 99 }] },
  });
});

it('goes on from a position, and leaves out facts that a cut has hidden', async () => {
  const views = Array.from({ length: PORTION_EVENTS }, (_, n) => pageViewed(`p${n}`));
  const facts = [arrived(), ...views].map((fact, n) => recorded('visitor-acme.7', fact, n, n));
  const whole = interleaved(facts);
  const from = facts[400]?.position ?? expect.unreachable();
  expect(totals(await reports(whole, { from }))).toMatchObject({ events: 100, unfit: 0 });
  // $all of EventStoreDB has what a stream has lost.
  const hidden: MemoryLog = { ...whole, readStream: async () => facts.slice(500, 501) };
  expect(totals(await reports(hidden, { from }))).toMatchObject({ events: 1 });
});
