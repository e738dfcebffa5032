/**
 * Each command in each state: the facts or the reason of the refusal, and the result of an immediate repeat.
 * The tables are golden/matrix-*.json; to change them: `UPDATE_GOLDEN=1 npx vitest run test/actors`, and read the diff.
 */
import { describe, expect, it } from 'vitest';
import type { AnyMachineSnapshot } from 'xstate';
import {
  type ActorState,
  type Decider,
  decide,
  emptyState,
  type Fact,
  fold,
  type Wake,
} from '../../src/actors/machine/decider.ts';
import { operatorDecider } from '../../src/actors/operator/decisions.ts';
import { tenantDecider } from '../../src/actors/tenant/machine.ts';
import { visitorDecider } from '../../src/actors/visitor/decisions.ts';
import { hasCode, isRejected, messageOf } from '../../src/errors.ts';
import { HOUR } from './facts.ts';
import { linesOf, readGolden, updating, writeGolden } from './golden.ts';
import {
  OPERATOR_COMMANDS,
  OPERATOR_STATES,
  TENANT_COMMANDS,
  TENANT_STATES,
  VISITOR_COMMANDS,
  VISITOR_STATES,
} from './states.ts';
import { stored } from './stream.ts';

/** Commands that cause a new fact each time. Only the command id shows a repeat. */
const NEW_EACH_TIME = [
  'ReceiveOperatorMessage',
  'ReactToMessage',
  'ReactToOperatorMessage',
  'RefuseMessage',
  'AskQuestion',
  'SetAvailability',
  'RevokeLhcUser',
  'ClaimAccount',
  'AddNote',
  // It asks them in again.
  'OpenRoom',
  'Whisper',
  'SendOperatorCommand',
  'WriteInLhc',
  'AnswerOperator',
  'ReportLhcRefusal',
  'ReportOperatorMessageAccepted',
];

interface Kind<C extends { readonly type: string }, S extends AnyMachineSnapshot> {
  readonly decider: Decider<C, S>;
  readonly states: Record<string, readonly Fact[]>;
  readonly commands: Record<string, C | Wake>;
}

/** A fact without delays and summaries, which are the same everywhere. */
function told({ type, data }: Fact): string {
  const shown = Object.entries(data).filter(
    ([name]) => !['delays', 'summary', 'kept', 'digest'].includes(name),
  );
  const value = (item: unknown) => (typeof item === 'string' ? item : JSON.stringify(item));
  return `${type}(${shown.map(([name, item]) => `${name}: ${value(item)}`).join(', ')})`;
}

interface Answer<S extends AnyMachineSnapshot> {
  readonly text: string;
  readonly after: ActorState<S>;
  readonly facts: number;
}

function ask<C extends { readonly type: string }, S extends AnyMachineSnapshot>(
  { decider }: Kind<C, S>,
  state: ActorState<S>,
  command: C | Wake,
): Answer<S> {
  const now = command.type === 'Wake' ? 1000 * HOUR : state.core.at;
  try {
    const { facts, core } = decide(decider, state, command, now);
    const text = facts.length === 0 ? 'nothing' : facts.map(told).join(' + ');
    return { text, after: { ...state, core }, facts: facts.length };
  } catch (error) {
    // A refusal is a result. A fact that the machine does not accept is a defect.
    if (!isRejected(error) && !hasCode(error, 'conflict')) throw error;
    return { text: `${error.code}: ${messageOf(error)}`, after: state, facts: 0 };
  }
}

function stateAfter<C extends { readonly type: string }, S extends AnyMachineSnapshot>(
  { decider }: Kind<C, S>,
  facts: readonly Fact[],
): ActorState<S> {
  const history = facts.map((fact, i) => stored(fact, i, { at: 0, commandId: 'auto:' }));
  return fold(decider, emptyState(decider), history);
}

/** The state of an actor without times, revisions and counts, which always grow. */
const placeOf = (state: ActorState): string => JSON.stringify(state.core.snapshot.value);

function table<C extends { readonly type: string }, S extends AnyMachineSnapshot>(
  kind: Kind<C, S>,
): Record<string, Record<string, string>> {
  const rows: Record<string, Record<string, string>> = {};
  for (const [name, facts] of Object.entries(kind.states)) {
    const state = stateAfter(kind, facts);
    const row: Record<string, string> = {
      '': `${placeOf(state)} after ${facts.map((fact) => fact.type).join(', ') || 'nothing'}`,
    };
    for (const [wish, command] of Object.entries(kind.commands)) {
      const first = ask(kind, state, command);
      const again = ask(kind, first.after, command);
      const repeated = first.facts === 0 || again.facts === 0 ? '' : ' | AGAIN ';
      row[wish] =
        first.facts === 0
          ? first.text
          : `${first.text}${again.text === 'nothing' ? '' : ` | again: ${again.text}`}`;
      if (repeated && command.type !== 'Wake' && !NEW_EACH_TIME.includes(command.type)) {
        throw new Error(`${wish} twice in "${name}" causes facts twice: ${again.text}`);
      }
    }
    rows[name] = row;
  }
  return rows;
}

/** All states that commands can reach from an empty stream. */
function reachable<C extends { readonly type: string }, S extends AnyMachineSnapshot>(
  kind: Kind<C, S>,
): Set<string> {
  const values = new Set<string>();
  const known = new Set<string>();
  const open: ActorState<S>[] = [emptyState(kind.decider)];
  for (let state = open.pop(); state; state = open.pop()) {
    const { snapshot, timers } = state.core;
    const { profileRevision: _p, told: _t, lastChatAt: _l, ...context } = snapshot.context;
    const key = JSON.stringify([
      snapshot.value,
      context.chat,
      context.chats,
      timers.size,
      context.sessions,
    ]);
    if (known.has(key) || known.size > 3000) continue;
    known.add(key);
    values.add(placeOf(state));
    for (const command of Object.values(kind.commands)) {
      // Only wakes move the time, so that there are few states.
      const { after, facts } = ask(kind, state, command);
      if (facts > 0) open.push({ ...after, core: { ...after.core, at: 0 } });
    }
  }
  return values;
}

function holds<C extends { readonly type: string }, S extends AnyMachineSnapshot>(
  name: string,
  kind: Kind<C, S>,
): void {
  describe(`every command in every state of a ${name}`, () => {
    const golden = `matrix-${name}`;
    const now = { version: kind.decider.version, states: table(kind) };
    if (updating()) writeGolden(golden, `${linesOf(now, 3)}\n`);

    it('has the recorded result', () => {
      expect(now).toEqual(readGolden(golden));
    });

    it('includes each reachable state', () => {
      const listed = Object.values(kind.states).map((facts) => placeOf(stateAfter(kind, facts)));
      expect([...reachable(kind)].filter((value) => !listed.includes(value))).toEqual([]);
    });
  });
}

holds('visitor', { decider: visitorDecider, states: VISITOR_STATES, commands: VISITOR_COMMANDS });
holds('operator', {
  decider: operatorDecider,
  states: OPERATOR_STATES,
  commands: OPERATOR_COMMANDS,
});
holds('tenant', { decider: tenantDecider, states: TENANT_STATES, commands: TENANT_COMMANDS });
