/**
 * Recorded histories fold to the recorded states. If a change of a machine breaks this, its version has to be raised.
 * Snapshots of another version are dropped, and snapshots of the same version are used as they are.
 */
import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import type { AnyMachineSnapshot } from 'xstate';
import {
  type Decider,
  emptyState,
  fold,
  type StoredFact,
  type Wake,
} from '../../src/actors/machine/decider.ts';
import { serialize } from '../../src/actors/machine/state-json.ts';
import { nextDue } from '../../src/actors/machine/timers.ts';
import { operatorDecider } from '../../src/actors/operator/decisions.ts';
import { tenantDecider } from '../../src/actors/tenant/machine.ts';
import { visitorDecider } from '../../src/actors/visitor/decisions.ts';
import type { JsonObject } from '../../src/kit/json.ts';
import { goldenNames, linesOf, readGolden, updating, writeGolden } from './golden.ts';
import {
  OPERATOR_AT_DESK,
  OPERATOR_CLAIM_HISTORY,
  OPERATOR_HISTORY,
  OPERATOR_PRESENCES,
  OPERATOR_PRIORITIES,
  OPERATOR_SKILLS,
  OPERATOR_SUMMARIES,
  TENANT_CANNED_TEXTS,
  TENANT_CONFIGURATION,
  TENANT_HISTORY,
  VISITOR_ABOUT_HISTORY,
  VISITOR_ERASED_HISTORY,
  VISITOR_HISTORY,
  VISITOR_IN_LHC_HISTORY,
  VISITOR_LHC_HISTORY,
  VISITOR_OVERFLOW_HISTORY,
  VISITOR_REFUSED_HISTORY,
  VISITOR_RETENTION_HISTORY,
  VISITOR_ROOM_HISTORY,
} from './histories.ts';
import { MemoryStream, throughJson } from './stream.ts';

interface History {
  readonly version: string;
  readonly facts: readonly StoredFact[];
  /** After each fact: the machine's state, the next timer, and a fingerprint of everything else. */
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
    // Operators' actions come by webhooks, all others by requests and from the service itself.
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
    // The cast: this test writes the file itself.
    const known = readGolden(golden) as History | null;
    const { version } = decider;
    if (updating() && known?.version !== version) {
      // Recorded facts stay: decisions of today are not history.
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

/** Each type of fact is recorded, so that no type can be changed unnoticed. */
function recordsAll(name: string, { machine }: Pick<Decider<never>, 'machine'>): void {
  it(`histories of a ${name} have each type of fact`, () => {
    const names = goldenNames().filter((each) => each.startsWith(`history-${name}`));
    // The cast: the test above writes the file.
    const facts = names.flatMap((each) => (readGolden(each) as History).facts);
    const isTimer = (type: string) => type.startsWith('xstate.') || type === 'presencePause';
    const kinds = machine.events.filter((type) => !isTimer(type));
    expect([...new Set(facts.map(({ type }) => type))].sort()).toEqual(kinds.sort());
  });
}

holds('visitor', visitorDecider, VISITOR_HISTORY);
holds('visitor-lhc', visitorDecider, VISITOR_LHC_HISTORY);
holds('visitor-in-lhc', visitorDecider, VISITOR_IN_LHC_HISTORY);
holds('visitor-erased', visitorDecider, VISITOR_ERASED_HISTORY);
holds('visitor-retention', visitorDecider, VISITOR_RETENTION_HISTORY);
holds('visitor-overflow', visitorDecider, VISITOR_OVERFLOW_HISTORY);
holds('visitor-refused', visitorDecider, VISITOR_REFUSED_HISTORY);
holds('visitor-about', visitorDecider, VISITOR_ABOUT_HISTORY);
holds('visitor-room', visitorDecider, VISITOR_ROOM_HISTORY);
holds('operator', operatorDecider, OPERATOR_HISTORY);
holds('operator-claim', operatorDecider, OPERATOR_CLAIM_HISTORY);
holds('operator-presences', operatorDecider, OPERATOR_PRESENCES);
holds('operator-priorities', operatorDecider, OPERATOR_PRIORITIES);
holds('operator-skills', operatorDecider, OPERATOR_SKILLS);
holds('operator-summaries', operatorDecider, OPERATOR_SUMMARIES);
holds('tenant', tenantDecider, TENANT_HISTORY);
holds('tenant-configuration', tenantDecider, TENANT_CONFIGURATION);
holds('tenant-canned-texts', tenantDecider, TENANT_CANNED_TEXTS);
holds('operator-at-desk', operatorDecider, OPERATOR_AT_DESK);
recordsAll('visitor', visitorDecider);
recordsAll('operator', operatorDecider);
recordsAll('tenant', tenantDecider);
