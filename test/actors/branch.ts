/** A branch of a history, for tests that the debugger writes (src/replay/test-file.ts). */
import { DECIDERS } from '../../src/actors/deciders.ts';
import type { ActorKind } from '../../src/actors/ids.ts';
import { deserialize } from '../../src/actors/machine/state-json.ts';
import type { JsonObject, JsonValue } from '../../src/kit/json.ts';
import { type Action, act, branchAt } from '../../src/replay/branch.ts';
import { type Change, changesBetween } from '../../src/replay/changes.ts';
import { beforeAll, type Folded, foldOne } from '../../src/replay/fold.ts';
import { stateView } from '../../src/replay/steps.ts';
import { timersLeft, withoutMemory } from '../../src/replay/test-file.ts';

/** Facts as `[type, data]`. */
type Facts = readonly (readonly [type: string, data: JsonObject])[];

/** A branch. What is refused is thrown. */
export interface TestBranch {
  command(command: { readonly type: string } & JsonObject): Facts;
  fact(type: string, data: JsonObject): Facts;
  /** Lets time pass, in ms. Due timers fire. */
  wait(ms: number): Facts;
  value(): JsonValue;
  /** How long the timers still have, in ms, by the names of their delays. */
  timers(): Readonly<Record<string, number>>;
  /** Of the context, since the branch began. */
  changes(): readonly Change[];
}

function branchFrom(base: Folded, now = base.state.core.at): TestBranch {
  const { context } = stateView(base.decider.machine, base.state);
  let branch = branchAt(base, now);
  const carryOut = (action: Action): Facts => {
    const outcome = act(branch, action);
    if (outcome.refused) throw new Error(outcome.refused.reason);
    branch = outcome.branch;
    return outcome.steps.map(({ step: { event } }) => [event.type, withoutMemory(event.data)]);
  };
  const state = () => branch.folded.state;
  return {
    command: (command) => carryOut({ command }),
    fact: (type, data) => carryOut({ fact: { type, data } }),
    wait: (ms) => carryOut({ wait: ms }),
    value: () => stateView(base.decider.machine, state()).value,
    timers: () => timersLeft(base.decider, state().core.timers, branch.now),
    changes: () => changesBetween(context, stateView(base.decider.machine, state()).context),
  };
}

/**
 * A branch after these facts.
 * @param first the revision of the first fact
 * @param facts each with its time: ms since the fact before, of the first one ms since 1970
 * @param now when the branch begins, in ms since 1970; default the time of the last fact
 */
export function given(
  kind: ActorKind,
  first: number,
  facts: readonly (readonly [ms: number, type: string, data: JsonObject])[],
  now?: number,
): TestBranch {
  let at = 0;
  let folded = beforeAll(DECIDERS[kind]);
  for (const [n, [ms, type, data]] of facts.entries()) {
    at += ms;
    const metadata = { at, commandId: 'auto:given' };
    folded = foldOne(folded, { type, data, revision: first + n, metadata });
  }
  return branchFrom(folded, now);
}

/**
 * A branch at a state that was recorded.
 * @public tests of long histories that are not kept here use it
 * @throws {Error} if the machine has another version now: record it anew
 */
export function givenState(
  version: string,
  state: {
    readonly revision: number;
    readonly at: number;
    readonly value: JsonValue;
    readonly timers: Readonly<Record<string, number>>;
    readonly context: JsonObject;
  },
  now?: number,
): TestBranch {
  const kind = version.split('/', 1)[0] as ActorKind; // a version begins with it
  const decider = DECIDERS[kind];
  if (decider.version !== version) {
    throw new Error(`the state is of ${version}, and the machine is ${decider.version} now`);
  }
  const seen = { commandHashes: [], queueHashes: [] };
  const folded = {
    ...beforeAll(decider),
    state: deserialize(decider, { ...state, timers: { ...state.timers }, seen }),
    through: state.revision,
    latest: state.at,
  };
  return branchFrom(folded, now);
}
