/** A summary holds everything: a stream that is cut before it folds to the same state. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { ActorState } from '../../../src/actors/machine/decider.ts';
import { serialize } from '../../../src/actors/machine/state-json.ts';
import { nextDue } from '../../../src/actors/machine/timers.ts';
import {
  MAX_SUMMARY_BYTES,
  operatorDecider,
  operatorState,
} from '../../../src/actors/operator/decisions.ts';
import { isRejected } from '../../../src/errors.ts';
import { MAX_APPEND_BYTES } from '../../../src/eventstore/port.ts';
import { visitorKey } from '../../support/names.ts';
import { operatorCommand, timed } from '../arbitraries.ts';
import {
  changePresence,
  closeSession,
  HOUR,
  openSession,
  register,
  reserve,
  setAvailability,
  take,
} from '../facts.ts';
import { MemoryStream } from '../stream.ts';

const textOf = (state: ActorState): string => JSON.stringify(serialize(state));

const summarise = ({ state }: { readonly state: ActorState }) => ({
  type: 'Summarise' as const,
  seenRevision: state.core.revision,
  name: 'Ada',
  statuses: { s1: 'here' },
});

it('a stream that is cut before any of its summaries folds to the same state, and goes on as before', () => {
  fc.assert(
    fc.property(timed(operatorCommand), fc.integer({ min: 1, max: 8 }), (asked, every) => {
      const stream = new MemoryStream(operatorDecider);
      let now = 1_000_000;
      for (const [i, { command, passes }] of asked.entries()) {
        now += passes;
        const hook = i % 3 === 1 ? { queueId: `q${i % 2}`, seq: i } : undefined;
        try {
          stream.send(command, now, i % 3 === 2 ? `command-${i}` : 'auto:', hook);
        } catch (error) {
          if (!isRejected(error)) throw error;
        }
        if (i % every === 0) stream.send(summarise(stream), now);
      }
      const summaries = stream.facts.filter(({ type }) => type === 'OperatorSummarised');
      for (const { revision } of summaries) {
        const cut = stream.refold(revision);
        expect(textOf(cut)).toBe(textOf(stream.state));
        expect(nextDue(cut.core)).toBe(nextDue(stream.state.core));
      }
      // Each summary names the one before: the stream may be cut there.
      expect(summaries.map(({ data }) => data.cut)).toEqual([
        ...(summaries.length > 0 ? [null] : []),
        ...summaries.slice(0, -1).map(({ revision }) => revision),
      ]);
    }),
  );
});

it('what is personal is in the summary from then on', () => {
  const stream = new MemoryStream(operatorDecider);
  stream.send(register(), 0);
  stream.send(openSession('s1'), 0);
  stream.send(changePresence('away'), 0);
  stream.send(openSession('s2', 'phone'), 0);
  const [fact] = stream.send(summarise(stream), 0);
  expect(fact?.personal).toEqual({ name: 'Ada', statuses: { s1: 'here' } });
  expect(operatorState(stream.state.core).context).toMatchObject({
    nameRevision: 4,
    statusRevisions: { s1: 4 },
    summaryRevision: 4,
  });
});

it('is not written while a timer runs, or if the stream has moved', () => {
  const stream = new MemoryStream(operatorDecider);
  expect(stream.send({ ...summarise(stream), seenRevision: -1 }, 0)).toEqual([]);
  stream.send(register(), 0);
  const old = summarise(stream);
  stream.send(openSession(), 0);
  expect(stream.send(old, 0)).toEqual([]);
  stream.send(changePresence('available'), 0);
  stream.send(reserve(), 0);
  stream.send(take(), 0);
  stream.send(closeSession(), 0);
  expect(stream.send(summarise(stream), 0)).toEqual([]); // `ownerGrace` runs
  stream.send({ type: 'Wake' }, HOUR);
  expect(stream.send(summarise(stream), HOUR)).toHaveLength(1);
  stream.send(setAvailability(true), HOUR);
  expect(stream.send(summarise(stream), HOUR)).toEqual([]);
});

it('is bounded in bytes', () => {
  const stream = new MemoryStream(operatorDecider);
  stream.send(register(1_000), 0);
  stream.send(openSession(), 0);
  stream.send(changePresence('available'), 0);
  for (let n = 0; n < 4_200; n++) {
    stream.send({ type: 'RevokeLhcUser', lhcUserId: 1_000 + n }, n, `${n}`.padEnd(1024, 'x'));
  }
  const confirm = (n: number) => {
    const id = `${n}-`.padEnd(64, 'x');
    const terms = { department: 'd'.repeat(64), ownerGrace: 60_000 };
    const chat = { reservation: null, visitor: visitorKey(id), chatId: id, ...terms };
    stream.send({ type: 'ConfirmChat', ...chat }, 5_000);
  };
  for (let n = 0; n < 1_000; n++) confirm(n);
  const [fact] = stream.send(summarise(stream), 5_000);
  expect(fact?.type).toBe('OperatorSummarised');
  expect(JSON.stringify(fact).length).toBeLessThan(MAX_APPEND_BYTES / 2);
  const statuses = { s1: 'x'.repeat(MAX_SUMMARY_BYTES) };
  expect(stream.send({ ...summarise(stream), statuses }, 5_000)).toEqual([]);
  for (let n = 1_000; n < 1_600; n++) confirm(n);
  expect(stream.send(summarise(stream), 5_000)).toEqual([]);
});
