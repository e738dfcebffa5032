/** What lanes and ended letters leave in the log is bounded, and what somebody needs still stays (docs/adr/0050). */
import { afterEach, expect, it } from 'vitest';
import { laneStream } from '../../../src/actors/ids.ts';
import { DEAD_LETTERS_TABLE } from '../../../src/runtime/lanes/dead-letter-table.ts';
import { createDeadLetters } from '../../../src/runtime/lanes/dead-letters.ts';
import { createLetterFacts, LETTER_FACTS_TABLE } from '../../../src/runtime/lanes/letter-facts.ts';
import { createLaneLog, LANE_CUT_FACTS } from '../../../src/runtime/lanes/log.ts';
import { laneTable } from '../../../src/runtime/lanes/pending-effects.ts';
import { soleOwner } from '../../../src/runtime/leases/ownership.ts';
import { newId, openRig, type Rig, silent } from '../../support/rig.ts';
import { lettersOf, place, speak, upTo } from './rig.ts';

const rigs: Rig[] = [];
afterEach(async () => {
  for (const rig of rigs.splice(0)) await rig.close();
});

const STREAM = 'visitor-acme.a';
const LANE = laneStream(STREAM, 'lhc');

/** A lane of effects that are reported by hand, with everything that follows it in the service. */
async function start(rig: Rig) {
  rigs.push(rig);
  const { store, workFile: db, now, vault } = rig;
  const destinations = [place('lhc').destination];
  if ((await rig.facts(STREAM)).length === 0) await speak(rig, 'a', [0, 1]);
  const again = async () => {};
  const common = { db, store, destinations, now, newId, vault, again, logger: silent };
  const letters = createDeadLetters(common);
  const tables = [laneTable(destinations), DEAD_LETTERS_TABLE, LETTER_FACTS_TABLE];
  const caughtUp = await rig.follow(tables, [letters]);
  const hasLetter = (stream: string): boolean =>
    db.prepare('SELECT 1 FROM dead_letters WHERE stream = ?').get(stream) !== undefined;
  // Nobody else appends: a patient append would wait in vain.
  const append: typeof store.append = (stream, events, at) => store.append(stream, events, at);
  const lane = createLaneLog({ store: { ...store, append }, now, newId, hasLetter });
  const letterFacts = createLetterFacts({ ...common, ownership: soleOwner });
  const said = await rig.facts(STREAM);
  /** An effect of the `n`th fact was performed, or given up. */
  const next = (dead?: string, n = 0) =>
    lane.advance(STREAM, 'lhc', said[n] ?? expect.unreachable(), dead);
  const revisions = async () => (await rig.facts(LANE)).map(({ revision }) => revision);
  const look = async (): Promise<void> => {
    await caughtUp();
    await letterFacts.look();
  };
  return { next, revisions, look, letters, caughtUp };
}

it('a lane leaves its last facts alone', async () => {
  const { next, revisions } = await start(await openRig());
  for (const _ of upTo(LANE_CUT_FACTS)) await next();
  expect(await revisions()).toEqual(upTo(LANE_CUT_FACTS));
  await next();
  expect(await revisions()).toEqual([LANE_CUT_FACTS]);
  for (const _ of upTo(LANE_CUT_FACTS)) await next();
  expect(await revisions()).toEqual([2 * LANE_CUT_FACTS]);
});

it('a lane with a dead letter is not cut, not even by the next process', async () => {
  const rig = await openRig();
  const before = await start(rig);
  await before.next('never');
  for (const _ of upTo(LANE_CUT_FACTS)) await before.next();
  expect((await before.revisions())[0]).toBe(0);
  const after = await start(await rig.restart({ withoutWork: true }));
  await after.caughtUp();
  for (const _ of upTo(LANE_CUT_FACTS)) await after.next();
  expect((await after.revisions())[0]).toBe(0);
  expect(await lettersOf(after.letters)).toHaveLength(1);
});

it('the facts of a letter go when it has ended and the lane has gone on', async () => {
  const rig = await openRig();
  const { next, revisions, look, letters, caughtUp } = await start(rig);
  await next();
  await next('first');
  await next('second', 1);
  await caughtUp();
  const [second, first] = await lettersOf(letters);
  if (!first || !second) throw new Error('there are no letters');
  await look();
  expect(await revisions()).toEqual([0, 1, 2]);

  await letters.discard(second.id);
  await look();
  await next();
  await look();
  // The first one waits, and stands before it.
  expect(await revisions()).toEqual([0, 1, 2, 3]);
  expect(await rig.types(`letter-${second.id}`)).toEqual(['DeadLetterDiscarded']);
  await letters.discard(first.id);
  await look();
  expect(await revisions()).toEqual([3]);
  for (const { id } of [first, second]) expect(await rig.types(`letter-${id}`)).toEqual([]);
  expect(rig.workFile.prepare('SELECT * FROM letter_facts').all()).toEqual([]);

  const anew = await start(await rig.restart({ withoutWork: true }));
  await anew.caughtUp();
  expect(await lettersOf(anew.letters)).toEqual([]);
});

it('a letter that has ended is not there again if the process ends between its cuts', async () => {
  let killed = true;
  const rig = await openRig({
    disturb: (store) => ({
      ...store,
      deleteStream: (stream) =>
        killed ? Promise.reject(new Error('the process ended')) : store.deleteStream(stream),
    }),
  });
  const { next, look, letters, revisions, caughtUp } = await start(rig);
  await next('never');
  await next();
  await caughtUp();
  const [letter] = await lettersOf(letters);
  await letters.discard(letter?.id ?? '');
  await look();
  expect(await revisions()).toEqual([1]);
  killed = false;
  const second = await rig.restart({ withoutWork: true });
  const anew = await start(second);
  await anew.look();
  expect(await lettersOf(anew.letters)).toEqual([]);
  expect(await second.types(`letter-${letter?.id}`)).toEqual([]);
});
