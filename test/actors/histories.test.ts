/**
 * Recorded histories fold to the state that was recorded with them, or the machine's version has to be raised: a
 * snapshot of another version is thrown away, one of the same is believed.
 */
import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import type { AnyMachineSnapshot } from 'xstate';
import {
  type Decider,
  emptyState,
  fold,
  nextDue,
  type StoredFact,
  serialize,
  type Wake,
} from '../../src/actors/machine/decider.ts';
import { operatorDecider } from '../../src/actors/operator/decisions.ts';
import { tenantDecider } from '../../src/actors/tenant/machine.ts';
import { visitorDecider } from '../../src/actors/visitor/decisions.ts';
import type { JsonObject } from '../../src/kit/json.ts';
import { goldenNames, linesOf, readGolden, updating, writeGolden } from './golden.ts';
import { OPERATOR_HISTORY, TENANT_HISTORY, VISITOR_HISTORY } from './histories.ts';
import { MemoryStream, throughJson } from './stream.ts';

interface History {
  readonly version: string;
  readonly facts: readonly StoredFact[];
  /** After each fact: where the machine is, when it wakes next, and a fingerprint of all the rest. */
  readonly trail: readonly string[];
  readonly state: JsonObject;
}

type Script<C> = readonly (readonly [number, C | Wake])[];

/** 22 November 2026, 09:00 UTC */
const START = Date.UTC(2026, 10, 22, 9);

function recorded<C extends { readonly type: string }, S extends AnyMachineSnapshot>(
  decider: Decider<C, S>,
  script: Script<C>,
): readonly StoredFact[] {
  const stream = new MemoryStream(decider);
  let now = START;
  for (const [i, [passes, command]] of script.entries()) {
    now += passes;
    // Operators' doings come by webhooks, the rest by requests and from within.
    const hook =
      i % 3 === 0 ? { queueId: '0b51c2de-6c2f-4d0c-9a52-3f4b8a1f6c11', seq: i } : undefined;
    stream.send(command, now, i % 3 === 1 ? `request-${i}` : 'auto:', hook);
  }
  return stream.facts;
}

function holds<C extends { readonly type: string }, S extends AnyMachineSnapshot>(
  name: string,
  decider: Decider<C, S>,
  script: Script<C>,
): void {
  const golden = `history-${name}`;
  const folded = (facts: readonly StoredFact[]): Pick<History, 'trail' | 'state'> => {
    let state = emptyState(decider);
    const trail = facts.map((fact) => {
      state = fold(decider, state, [fact]);
      const { value, ...rest } = serialize(state);
      const due = nextDue(state.core);
      const wakes = due === undefined ? 'never' : `in ${(due - state.core.at) / 1000} s`;
      const hash = createHash('sha256').update(JSON.stringify(rest)).digest('hex');
      return `${JSON.stringify(value)} wakes ${wakes} ${hash.slice(0, 8)}`;
    });
    return { trail, state: throughJson(serialize(state)) };
  };

  it(`the recorded history of a ${name} folds to the recorded state`, () => {
    // Written below and nowhere else.
    const known = readGolden(golden) as History | null;
    const { version } = decider;
    if (updating() && known?.version !== version) {
      // What was recorded stays: decisions of today are no history.
      const facts = known?.facts ?? recorded(decider, script);
      const history: History = { version, facts, ...folded(facts) };
      writeGolden(golden, `${linesOf(history, 2)}\n`);
      return;
    }
    if (!known) throw new Error(`no ${golden}.json: record it with UPDATE_GOLDEN=1`);
    if (known.version !== version) {
      throw new Error(`${golden}.json is of ${known.version}: fold it anew with UPDATE_GOLDEN=1`);
    }
    const { trail, state } = known;
    expect(folded(known.facts), `it folds differently: raise ${version}`).toEqual({ trail, state });
  });
}

/** Facts of every kind are recorded, so that no kind can be changed unnoticed. */
function recordsAll(name: string, { machine }: Pick<Decider<never>, 'machine'>): void {
  it(`histories of a ${name} record facts of every kind`, () => {
    const names = goldenNames().filter((each) => each.startsWith(`history-${name}`));
    // Written above and nowhere else.
    const facts = names.flatMap((each) => (readGolden(each) as History).facts);
    const kinds = machine.events.filter((type) => !type.startsWith('xstate.'));
    expect([...new Set(facts.map(({ type }) => type))].sort()).toEqual(kinds.sort());
  });
}

holds('visitor', visitorDecider, VISITOR_HISTORY);
holds('operator', operatorDecider, OPERATOR_HISTORY);
holds('tenant', tenantDecider, TENANT_HISTORY);
recordsAll('visitor', visitorDecider);
recordsAll('operator', operatorDecider);
recordsAll('tenant', tenantDecider);
