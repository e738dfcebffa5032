/** Each history has to end, because `retention` cuts before a clean-up alone (docs/adr/0050). */
import { describe, expect, it } from 'vitest';
import { type Core, decide, emptyState, fold } from '../../../src/actors/machine/decider.ts';
import { nextDue } from '../../../src/actors/machine/timers.ts';
import {
  type VisitorCommand,
  visitorDecider,
  visitorState,
} from '../../../src/actors/visitor/decisions.ts';
import {
  HISTORY_MOST_FACTS,
  HISTORY_MOST_MS,
  LONG_HISTORY_CLEANUP_MS,
  LONG_HISTORY_FACTS,
  LONG_HISTORY_MS,
  OPEN_MESSAGE_HOLDS_MS,
} from '../../../src/actors/visitor/history.ts';
import type { VisitorSnapshot } from '../../../src/actors/visitor/machine.ts';
import { DELAYS, SECOND, sendMessage, startChat, viewPage } from '../facts.ts';
import { MemoryStream, throughJson } from '../stream.ts';

const START = Date.UTC(2026, 0);
/** Nobody times out between two page views that are so far apart. */
const PATIENT = { ...DELAYS, hardTimeout: 60 * 86_400 * SECOND };

type Facts = readonly { readonly type: string; readonly data?: object }[];

/** The state after these facts, the first one at the start and the others at `at`, the last one at this revision. */
function folded(facts: Facts, { revision, at }: { revision: number; at: number }) {
  const gap = revision - (facts.length - 1);
  const history = facts.map(({ type, data = {} }, i) => ({
    type,
    data: throughJson(data) as Record<string, never>,
    revision: i === 0 ? 0 : i + gap,
    metadata: { at: i === 0 ? START : at, commandId: 'auto:' },
  }));
  return fold(visitorDecider, emptyState(visitorDecider), history);
}
const arrived = (delays = PATIENT) => ({
  type: 'VisitorArrived',
  data: { digest: 'home', department: null, delays },
});
const viewed = { type: 'PageViewed', data: arrived().data };
const contextOf = (core: Core<VisitorSnapshot>) => visitorState(core).context;

describe('a history that is long', () => {
  /** How long after the time-out the clean-up is due. */
  const cleanedUpAfter = (revision: number, ms: number, delays = DELAYS): number => {
    const at = START + ms;
    const timedOut = { type: 'TimedOut', data: { lastSeen: START } };
    return Number(nextDue(folded([arrived(delays), timedOut], { revision, at }).core)) - at;
  };

  it.each([
    ['of many facts', LONG_HISTORY_FACTS, 1],
    ['of a high age', 1, LONG_HISTORY_MS],
  ])('%s ends soon after the time-out', (_what, revision, ms) => {
    expect(cleanedUpAfter(revision, ms)).toBe(LONG_HISTORY_CLEANUP_MS);
    // Never later than the tenant wants.
    expect(cleanedUpAfter(revision, ms, { ...DELAYS, cleanupAfter: SECOND })).toBe(SECOND);
  });

  it('is none a fact and a moment before', () => {
    expect(cleanedUpAfter(LONG_HISTORY_FACTS - 1, LONG_HISTORY_MS - 1)).toBe(DELAYS.cleanupAfter);
  });
});

describe('a history that is too long', () => {
  const types = (facts: Facts, place: { revision: number; at: number }) =>
    decide(visitorDecider, folded(facts, place), viewPage('next', PATIENT), place.at).facts.map(
      ({ type }) => type,
    );
  const ends = ['CleanedUp', 'VisitorArrived'];

  it.each([
    ['of too many facts', HISTORY_MOST_FACTS, START + 1],
    ['of too high an age', 1, START + HISTORY_MOST_MS],
  ])('%s ends with a page view, and not during a conversation', (_what, revision, at) => {
    const place = { revision, at };
    expect(types([arrived(), viewed], place)).toEqual(ends);
    const { facts } = decide(
      visitorDecider,
      folded([arrived()], { revision: 0, at: START }),
      startChat('c1'),
      START,
    );
    expect(types([arrived(), ...facts], place)).toEqual(['PageViewed']);
  });

  it('is none a fact and a moment before', () => {
    const place = { revision: HISTORY_MOST_FACTS - 1, at: START + HISTORY_MOST_MS - 1 };
    expect(types([arrived(), viewed], place)).toEqual(['PageViewed']);
  });

  it('leaves account and session, and the next one is counted from its beginning', () => {
    const place = { revision: HISTORY_MOST_FACTS, at: START + 1 };
    const before = folded([arrived(), { type: 'LoggedIn' }, viewed], place);
    const { facts, core } = decide(visitorDecider, before, viewPage('next', PATIENT), place.at);
    expect(facts[0]?.data).toMatchObject({ silent: { account: true, loggedIn: true } });
    expect(contextOf(core)).toMatchObject({
      account: true,
      loggedIn: true,
      history: { revision: HISTORY_MOST_FACTS + 2, at: place.at },
    });
    // A clean-up that others hear of ends both.
    const state = { core, seen: before.seen };
    const cleanedUp = decide(visitorDecider, state, { type: 'CleanUp' }, place.at);
    expect(cleanedUp.facts[0]?.data).not.toHaveProperty('silent');
    expect(contextOf(cleanedUp.core)).toMatchObject({ account: false, loggedIn: false });
  });
});

describe('the time of a history is over', () => {
  const cleanedUp = { type: 'CleanedUp', data: { lastSeen: START } };
  const erased = { type: 'PersonalDataErased', data: { generation: 1 } };
  const LATER = START + 180 * DELAYS.cleanupAfter;
  const decided = (facts: Facts, command: VisitorCommand, at = LATER) =>
    decide(
      visitorDecider,
      folded(facts, { revision: facts.length - 1, at: START }),
      command,
      at,
    ).facts.map(({ type, data }) => ({ type, data }));
  const forgets = (before: number, generation: number) => [
    { type: 'RetentionApplied', data: { before, generation } },
  ];

  it('of a visitor who is gone, if they have no later fact', () => {
    const facts = [arrived(), cleanedUp];
    expect(decided(facts, { type: 'Forget', revision: 1 })).toEqual(forgets(2, 1));
    expect(decided(facts, { type: 'Forget', revision: 0 })).toEqual([]);
    expect(decided([...facts, arrived()], { type: 'Forget', revision: 2 })).toEqual([]);
  });

  it('waits for the data keys of an erasure', () => {
    const facts = [arrived(), cleanedUp, erased];
    expect(decided(facts, { type: 'Forget', revision: 2 })).toEqual([]);
    const destroyed = { type: 'DataKeyDestroyed', data: { generation: 1 } };
    expect(decided([...facts, destroyed], { type: 'Forget', revision: 3 })).toEqual(forgets(4, 2));
  });

  it('of a visitor who is back, once, and never behind their last fact', () => {
    const facts = [arrived(), cleanedUp, arrived()];
    const applied = { type: 'RetentionApplied', data: { before: 1 } };
    expect(decided(facts, { type: 'ApplyRetention', before: 1 })).toEqual([applied]);
    expect(decided([...facts, applied], { type: 'ApplyRetention', before: 1 })).toEqual([]);
    expect(decided(facts, { type: 'ApplyRetention', before: 3 })).toEqual([]);
  });

  it('is held for a day by a message that nobody has taken', () => {
    const actor = new MemoryStream(visitorDecider);
    actor.send(viewPage('home', PATIENT), START);
    actor.send(startChat('c1', 'm1'), START);
    actor.send({ type: 'CleanUp' }, START);
    const end = actor.facts.length - 1;
    actor.send(viewPage('home', PATIENT), START + 1);
    const cut = { type: 'ApplyRetention', before: end } as const;
    const at = START + 1 + OPEN_MESSAGE_HOLDS_MS;
    expect(actor.send(cut, at - 1)).toEqual([]);
    expect(actor.send(cut, at)).toMatchObject([{ type: 'RetentionApplied' }]);
  });
});

it('an erasure leaves no fingerprint of a message, and nothing to send', () => {
  const actor = new MemoryStream(visitorDecider);
  const digest = 'fingerprint';
  const says = (id: string) => ({ ...sendMessage(id), digest }) as VisitorCommand;
  actor.send(startChat('c1'), START);
  actor.send(says('m1'), START);
  actor.send({ type: 'ReportMessageDelivered', messageIds: ['m1'], by: 'ping' }, START);
  actor.send(says('m2'), START);
  const context = () => contextOf(actor.state.core);
  expect(JSON.stringify([context().settledMessages, context().openMessages])).toContain(digest);
  actor.send({ type: 'ErasePersonalData' }, START);
  expect(context().openMessages).toEqual([]);
  expect(context().settledMessages).toHaveLength(2);
  expect(JSON.stringify(context())).not.toContain(digest);
});
