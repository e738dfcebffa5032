/** Which transitions go by plans. That plans do what XState does is in properties.test.ts. */
import { expect, it } from 'vitest';
import { emptyCore, evolve } from '../../src/actors/machine/decider.ts';
import { plannedBy } from '../../src/actors/machine/plan.ts';
import { step } from '../../src/actors/machine/step.ts';
import { visitorDecider } from '../../src/actors/visitor/decisions.ts';
import type { VisitorFact } from '../../src/actors/visitor/facts.ts';
import { arrived, chatOffered, chatStarted, chatUnassigned } from './facts.ts';

const { machine } = visitorDecider;

/** @returns the state after these facts, and the types of facts that XState itself took */
function folded(facts: readonly VisitorFact[]) {
  const slow: string[] = [];
  const advance = plannedBy((by, snapshot, event) => {
    slow.push(event.type);
    return step(by, snapshot, event);
  });
  let core = emptyCore(visitorDecider);
  facts.forEach((fact, revision) => {
    core = evolve(machine, core, { ...fact, revision }, 1000 + revision, advance);
  });
  return { offer: core.snapshot.value.offer, slow };
}

it('has one plan for each outcome of the guards', () => {
  const offered = [arrived(), chatStarted(), chatOffered('op1', 'op2')];
  const oneLeft = [...offered, chatUnassigned('missed', ['op1'])];
  const noneLeft = [...offered, chatUnassigned('missed', ['op1', 'op2'])];
  expect([folded(oneLeft).offer, folded(noneLeft).offer]).toEqual(['open', 'none']);
  for (let round = 0; round < 2; round++) {
    expect(folded(oneLeft)).toEqual({ offer: 'open', slow: [] });
    expect(folded(noneLeft)).toEqual({ offer: 'none', slow: [] });
  }
});
