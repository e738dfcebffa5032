/** Streams step by step, over every recorded history and over random ones. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AnyMachineSnapshot } from 'xstate';
import { DECIDERS } from '../../src/actors/deciders.ts';
import type { ActorKind } from '../../src/actors/ids.ts';
import { chartOf } from '../../src/actors/machine/chart.ts';
import { type Decider, emptyState, fold, type Wake } from '../../src/actors/machine/decider.ts';
import { operatorDecider } from '../../src/actors/operator/decisions.ts';
import { visitorDecider } from '../../src/actors/visitor/decisions.ts';
import { hasCode, isRejected } from '../../src/errors.ts';
import type { JsonValue } from '../../src/kit/json.ts';
import type { Change } from '../../src/replay/changes.ts';
import { CHECKPOINT_EVERY_FACTS, createCheckpoints } from '../../src/replay/checkpoints.ts';
import { findStream, foldTo, PAGE_FACTS, type StreamReader } from '../../src/replay/fold.ts';
import { type StateView, type Step, stateView, stepsFrom } from '../../src/replay/steps.ts';
import { operatorCommand, timed, visitorCommand } from '../actors/arbitraries.ts';
import { arrived, chatAccepted, chatStarted, pageViewed } from '../actors/facts.ts';
import { MemoryStream, throughJson } from '../actors/stream.ts';
import { history, memoryLog } from './memory-log.ts';

const HISTORIES: Record<string, string> = {
  visitor: 'visitor-acme.7',
  'visitor-lhc': 'visitor-acme.7',
  'visitor-in-lhc': 'visitor-acme.7',
  'visitor-erased': 'visitor-acme.7',
  'visitor-refused': 'visitor-acme.7',
  operator: 'operator-acme.op',
  'operator-claim': 'operator-acme.op',
  'operator-presences': 'operator-acme.op',
  'operator-priorities': 'operator-acme.op',
  'operator-summaries': 'operator-acme.op',
  tenant: 'tenant-acme',
  'tenant-configuration': 'tenant-acme',
};

async function allSteps(reader: StreamReader, stream: string, limit = 500): Promise<Step[]> {
  const found = (await findStream(reader, stream)) ?? expect.unreachable();
  const checkpoints = createCheckpoints();
  const steps: Step[] = [];
  for (let from: number | null = found.first; from !== null; ) {
    const page = await stepsFrom(reader, found, { from, limit }, checkpoints);
    steps.push(...page.items);
    from = page.next;
  }
  return steps;
}

/** The value with a change carried out. */
function changed(value: JsonValue | undefined, { path, after }: Change): JsonValue | undefined {
  const [key, ...rest] = path;
  if (key === undefined) return after;
  const copy = structuredClone(value) as Record<string | number, JsonValue | undefined>; // it has the path
  const next = changed(copy[key], { path: rest, ...(after !== undefined && { after }) });
  if (next === undefined) delete copy[key];
  else copy[key] = next;
  return copy as JsonValue; // as above
}

/** Lists name an entry that went by its old place, so only what has no such entry can be carried out one by one. */
const isPlain = ({ path, after }: Change): boolean =>
  path.every((key) => typeof key === 'string') && after !== undefined;

const leaves = (id: string, value: JsonValue): string[] =>
  typeof value === 'string'
    ? [`${id}.${value}`]
    : Object.entries(value ?? {}).flatMap(([key, inner]) => leaves(`${id}.${key}`, inner));

/** Each step follows from the one before. */
function checkSteps(kind: ActorKind, steps: readonly Step[], start: StateView): void {
  const { machine } = DECIDERS[kind];
  const { regions, anywhere } = chartOf(machine);
  const known = [...regions.flatMap(({ transitions }) => transitions), ...anywhere];
  let before = start;
  for (const { state, taken, changes, timerChanges, event, unfit } of steps) {
    expect(unfit).toBeNull();
    // The transitions lead from the active states to the active states.
    let active = leaves(machine.id, before.value);
    for (const { id, from, to } of taken) {
      const transition = known.find((each) => each.id === id) ?? expect.unreachable(id);
      expect(['', event.type]).toContain(transition.event);
      expect(transition.internal).toBe(transition.to === transition.from && transition.internal);
      if (!transition.internal) expect(active).toContain(from);
      active = active.map((each) => (each === from ? to : each));
    }
    expect(taken.length).toBeGreaterThan(0);
    expect(active.sort()).toEqual(leaves(machine.id, state.value).sort());
    // The changes lead from the context to the context.
    if (changes.every(isPlain)) {
      expect(changes.reduce<JsonValue | undefined>(changed, before.context)).toEqual(state.context);
    } else {
      expect(before.context).not.toEqual(state.context);
    }
    const timers = new Map(Object.entries(before.timers));
    for (const { id, before: was, after } of timerChanges) {
      expect(timers.get(id) ?? null).toBe(was);
      if (after === null) timers.delete(id);
      else timers.set(id, after);
    }
    expect(Object.fromEntries(timers)).toEqual(state.timers);
    before = state;
  }
}

describe('the steps of a stream', () => {
  it.each(Object.entries(HISTORIES))('lead from state to state: %s', async (name, stream) => {
    const facts = history(name);
    const steps = await allSteps(memoryLog({ [stream]: facts }), stream, 7);
    const kind = stream.split('-', 1)[0] as ActorKind; // of the names above
    const decider = DECIDERS[kind];
    const start = stateView(decider.machine, emptyState(decider));
    checkSteps(kind, steps, start);
    expect(steps.map(({ revision }) => revision)).toEqual(facts.map(({ revision }) => revision));
    expect(steps.at(-1)?.state).toEqual(
      stateView(decider.machine, fold(decider, emptyState(decider), facts)),
    );
  });

  const everyActor = <C extends { readonly type: string }, S extends AnyMachineSnapshot>(
    kind: ActorKind,
    decider: Decider<C, S>,
    command: fc.Arbitrary<C | Wake>,
  ): void =>
    it(`lead from state to state: a random ${kind}`, async () => {
      await fc.assert(
        fc.asyncProperty(timed(command), async (asked) => {
          const memory = new MemoryStream(decider);
          let now = 1_000_000;
          for (const { command: next, passes } of asked) {
            now += passes;
            try {
              memory.send(next, now);
            } catch (error) {
              if (!isRejected(error) && !hasCode(error, 'conflict')) throw error;
            }
          }
          const stream = `${kind}-acme.x`;
          if (memory.facts.length === 0) return;
          const steps = await allSteps(memoryLog({ [stream]: memory.facts }), stream);
          checkSteps(kind, steps, stateView(decider.machine, emptyState(decider)));
          expect(steps.at(-1)?.state).toEqual(
            throughJson(stateView(decider.machine, memory.state)),
          );
        }),
        { numRuns: 40 },
      );
    });
  everyActor('visitor', visitorDecider, visitorCommand);
  everyActor('operator', operatorDecider, operatorCommand);

  it('name the transition, the changed part and the timer of a fact', async () => {
    const log = memoryLog({ 'visitor-acme.7': [arrived(), chatStarted()] });
    const [, step = expect.unreachable()] = await allSteps(log, 'visitor-acme.7');
    expect(step.taken).toEqual([
      {
        id: 'visitor.presence.online ChatStarted',
        from: 'visitor.presence.online',
        to: 'visitor.presence.online',
      },
      {
        id: 'visitor.conversation.none ChatStarted',
        from: 'visitor.conversation.none',
        to: 'visitor.conversation.waiting',
      },
    ]);
    expect(step.changes).toContainEqual({ path: ['lastChatId'], before: null, after: 'c1' });
    expect(step.timerChanges).toContainEqual({
      id: 'xstate.after.chatIdle.visitor.conversation.waiting',
      before: null,
      after: step.state.at + 24 * 3600 * 1000,
    });
  });

  it('leave out a fact that does not fit, and go on', async () => {
    const log = memoryLog({
      'visitor-acme.7': [arrived(), chatAccepted(), pageViewed('prices'), chatAccepted()],
    });
    const steps = await allSteps(log, 'visitor-acme.7');
    expect(steps.map(({ unfit }) => unfit?.reason ?? null)).toEqual([
      null,
      'ChatAccepted does not fit the state at revision 0',
      null,
      'ChatAccepted does not fit the state at revision 2',
    ]);
    expect(steps[1]).toMatchObject({ taken: [], changes: [], state: steps[0]?.state });
    expect(steps[2]?.state.context.digest).toBe('prices');
    const found = (await findStream(log, 'visitor-acme.7')) ?? expect.unreachable();
    const { unfit } = await foldTo(log, found, {}, createCheckpoints());
    expect(unfit).toMatchObject({ revision: 1, type: 'ChatAccepted' });
  });
});

describe('a long stream', () => {
  const views = Array.from({ length: 3_000 }, (_, n) => pageViewed(`page-${n}`));
  const log = memoryLog({ 'visitor-acme.7': [arrived(), ...views] });

  it('is read from the nearest kept state', async () => {
    const found = (await findStream(log, 'visitor-acme.7')) ?? expect.unreachable();
    const checkpoints = createCheckpoints();
    const whole = await allSteps(log, 'visitor-acme.7');
    await foldTo(log, found, {}, checkpoints);
    log.read = 0;
    const { items, next } = await stepsFrom(log, found, { from: 2_600, limit: 10 }, checkpoints);
    expect(items).toEqual(whole.slice(2_600, 2_610));
    expect(next).toBe(2_610);
    expect(log.read).toBeLessThanOrEqual(CHECKPOINT_EVERY_FACTS + 2 * PAGE_FACTS);
    // By time as by revision.
    log.read = 0;
    const at = whole[1_234]?.event.metadata.at;
    expect((await foldTo(log, found, { at }, checkpoints)).through).toBe(1_234);
    expect(log.read).toBeLessThanOrEqual(CHECKPOINT_EVERY_FACTS + PAGE_FACTS);
  });

  it('that was cut begins at its first fact, whatever was kept before', async () => {
    const checkpoints = createCheckpoints();
    const found = (await findStream(log, 'visitor-acme.7')) ?? expect.unreachable();
    await foldTo(log, found, {}, checkpoints);
    const facts = log.events
      .slice(2_000)
      .map((event, n) => (n === 0 ? { ...event, ...arrived() } : event));
    const cut = memoryLog({ 'visitor-acme.7': facts });
    const now = (await findStream(cut, 'visitor-acme.7')) ?? expect.unreachable();
    expect(now.first).toBe(2_000);
    const { items } = await stepsFrom(cut, now, { from: 0, limit: 2 }, checkpoints);
    expect(items.map(({ revision }) => revision)).toEqual([2_000, 2_001]);
    const { state } = await foldTo(cut, now, {}, checkpoints);
    expect(state.core.snapshot.context).toMatchObject({ chats: 0, profileRevision: 3_000 });
  });
});
