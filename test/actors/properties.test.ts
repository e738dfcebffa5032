/** Properties of visitors and operators, for random commands in any order and at any time. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AnyMachineSnapshot } from 'xstate';
import {
  type ActorState,
  type Decider,
  decide,
  emptyCore,
  evolve,
  fold,
  type Wake,
  wake,
} from '../../src/actors/machine/decider.ts';
import { deserialize, serialize } from '../../src/actors/machine/state-json.ts';
import { referenceStep } from '../../src/actors/machine/step.ts';
import { AHEAD_MOST_MS, nextDue } from '../../src/actors/machine/timers.ts';
import { availabilityOf } from '../../src/actors/operator/availability.ts';
import { load, operatorDecider, operatorState } from '../../src/actors/operator/decisions.ts';
import { tenantDecider } from '../../src/actors/tenant/machine.ts';
import { visitorDecider, visitorState } from '../../src/actors/visitor/decisions.ts';
import { hasCode, isRejected } from '../../src/errors.ts';
import { operatorCommand, timed, visitorCommand } from './arbitraries.ts';
import { DELAYS } from './facts.ts';
import { TENANT_COMMANDS } from './states.ts';
import { MemoryStream, throughJson } from './stream.ts';

/** Of all timers in these histories. */
const LONGEST_DELAY_MS = Math.max(3_600_000, ...Object.values(DELAYS));

/** As text, so that the order of keys, sessions and commands counts, too: it decides what is dropped first. */
const textOf = (state: ActorState): string => JSON.stringify(serialize(state));

/** Runs a command that may be refused. Every other error is a defect. */
function tried<T>(run: () => T): T | null {
  try {
    return run();
  } catch (error) {
    if (isRejected(error) || hasCode(error, 'conflict')) return null;
    throw error;
  }
}

function played<C extends { readonly type: string }, S extends AnyMachineSnapshot>(
  decider: Decider<C, S>,
  asked: readonly { command: C | Wake; passes: number }[],
  each: (stream: MemoryStream<C, S>, now: number) => void = () => {},
): MemoryStream<C, S> {
  const stream = new MemoryStream(decider);
  let now = 1_000_000;
  for (const [i, { command, passes }] of asked.entries()) {
    now += passes;
    // One third comes by webhooks, one third by requests, one third from the service itself.
    const hook = i % 3 === 1 ? { queueId: `q${i % 2}`, seq: i } : undefined;
    tried(() => stream.send(command, now, i % 3 === 2 ? `command-${i}` : 'auto:', hook));
    each(stream, now);
  }
  return stream;
}

/**
 * Wakes an actor as the runtime does, until no timer is left: first overdue timers, then those after the last wake. A timer
 * whose guard was false counts as fired. Returns the time of the last wake.
 */
function runOut<C extends { readonly type: string }, S extends AnyMachineSnapshot>(
  stream: MemoryStream<C, S>,
  each: (now: number) => void = () => {},
): number {
  let now = stream.state.core.at;
  let woken = 0;
  for (
    let due = nextDue(stream.state.core);
    due !== undefined;
    due = nextDue(stream.state.core, now)
  ) {
    now = Math.max(now, due);
    stream.send({ type: 'Wake' }, now);
    each(now);
    woken += 1;
    expect(woken).toBeLessThan(10);
  }
  return now;
}

function everyActor<C extends { readonly type: string }, S extends AnyMachineSnapshot>(
  name: string,
  decider: Decider<C, S>,
  command: fc.Arbitrary<C | Wake>,
): void {
  describe(`a ${name}`, () => {
    it('folds its facts to its state, and `at` never runs backwards', () => {
      fc.assert(
        fc.property(timed(command), (asked) => {
          const stream = played(decider, asked);
          expect(textOf(stream.refold())).toBe(textOf(stream.state));
          expect(nextDue(stream.refold().core)).toBe(nextDue(stream.state.core));
          const times = stream.facts.map((fact) => fact.metadata.at);
          expect(times).toEqual(times.toSorted((a, b) => a - b));
        }),
      );
    });

    it('has the right time again after the clock was set back, and no timer waits longer than its delay', () => {
      fc.assert(
        fc.property(timed(command), timed(command), (wrong, right) => {
          const stream = played(decider, wrong);
          const { revision } = stream.state.core;
          let now = stream.state.core.at - 10 * LONGEST_DELAY_MS;
          for (const { command: next, passes } of right) {
            tried(() => stream.send(next, now));
            const { core } = stream.state;
            if (core.revision > revision) {
              expect(core.at - now).toBeLessThanOrEqual(AHEAD_MOST_MS);
              const latest = Math.max(...core.timers.values(), core.at);
              expect(latest - core.at).toBeLessThanOrEqual(LONGEST_DELAY_MS);
            }
            now += passes;
          }
          expect(textOf(stream.refold())).toBe(textOf(stream.state));
        }),
      );
    });

    it('continues from any snapshot as from its facts', () => {
      fc.assert(
        fc.property(timed(command), fc.nat(), (asked, cut) => {
          const { facts, state } = played(decider, asked);
          const at = facts.length === 0 ? 0 : cut % facts.length;
          const before = fold(decider, new MemoryStream(decider).state, facts.slice(0, at));
          const restored = deserialize(decider, throughJson(serialize(before)));
          expect(textOf(fold(decider, restored, facts.slice(at)))).toBe(textOf(state));
        }),
      );
    });

    it('has the same transitions as XState’s public transition()', () => {
      fc.assert(
        fc.property(timed(command), (asked) => {
          const { facts, state } = played(decider, asked);
          let core = emptyCore(decider);
          for (const fact of facts) {
            core = evolve(decider.machine, core, fact, fact.metadata.at, referenceStep);
          }
          expect(core.snapshot.value).toEqual(state.core.snapshot.value);
          expect(core.snapshot.context).toEqual(state.core.snapshot.context);
          expect([...core.timers]).toEqual([...state.core.timers]);
        }),
      );
    });

    it('does not change by a refused or idle command', () => {
      fc.assert(
        fc.property(timed(command), command, (asked, last) => {
          const { state } = played(decider, asked);
          const before = textOf(state);
          tried(() => decide(decider, state, last, state.core.at + 1000));
          expect(textOf(state)).toBe(before);
        }),
      );
    });

    it('comes to rest if each due timer wakes it', () => {
      fc.assert(
        fc.property(timed(command), (asked) => {
          const stream = played(decider, asked);
          const now = runOut(stream, (at) => {
            // Late and repeated wakes do no harm.
            expect(wake(decider.machine, stream.state.core, at)).toEqual([]);
          });
          expect(wake(decider.machine, stream.state.core, now + 1e12)).toEqual([]);
        }),
      );
    });

    it('causes facts once for each command id and webhook number', () => {
      fc.assert(
        fc.property(timed(command), command, (asked, last) => {
          const stream = played(decider, asked);
          const now = stream.state.core.at;
          tried(() => stream.send(last, now, 'once', { queueId: 'q', seq: 5 }));
          const { length } = stream.facts;
          stream.state = stream.refold();
          if (length > 0 && stream.facts.at(-1)?.metadata.commandId === 'once') {
            expect(stream.send(last, now, 'once')).toEqual([]);
            expect(stream.send(last, now, 'auto:', { queueId: 'q', seq: 4 })).toEqual([]);
          }
        }),
      );
    });
  });
}

everyActor('visitor', visitorDecider, visitorCommand);
everyActor('operator', operatorDecider, operatorCommand);
everyActor('tenant', tenantDecider, fc.constantFrom(...Object.values(TENANT_COMMANDS)));

describe('a visitor', () => {
  it('has chats with one owner each, and messages with one final outcome each', () => {
    fc.assert(
      fc.property(timed(visitorCommand), (asked) => {
        const { facts } = played(visitorDecider, asked);
        let owner: string | null = null;
        let accepted = false;
        let isPicked = false;
        let inLhc = false;
        const outcomes = new Set<string>();
        const sent = new Set<string>();
        for (const { type, data } of facts) {
          if (type === 'ChatStarted' || type === 'ChatClosed') {
            [owner, isPicked, inLhc] = [null, false, false];
          }
          isPicked ||= data.byLhc === true || data.to !== undefined || data.reason === 'lhc';
          if (type === 'ChatAssigned') {
            // An operator may take a chat that its owner has not answered, and the owner is told. An answered chat stays,
            // unless LHC has picked somebody else.
            if (owner !== null && !isPicked) {
              expect(data.reason).toBe('taken');
              expect(data.withdrawnFrom).toEqual([owner]);
            }
            expect(accepted && !isPicked && !inLhc).toBe(false);
            if (inLhc && !isPicked) expect(data.reason).toBe('taken');
            [owner, inLhc] = [String(data.operator), false];
          }
          if (type === 'ChatTransferred') {
            expect(data.from).toBe(owner);
            [owner, inLhc] = [data.operator === null ? null : String(data.operator), false];
          }
          if (type === 'ChatTakenInLhc') {
            expect(data.from).toBe(owner);
            [owner, inLhc] = [null, true];
          }
          if (type === 'ChatUnassigned') {
            if (owner !== null) expect(data.operators).toEqual([owner]);
            if (data.reason === 'offline') expect(accepted).toBe(false);
            owner = null;
          }
          if (type === 'ChatAccepted') expect(data.operator).toBe(owner);
          if (type.startsWith('Chat')) accepted = type === 'ChatAccepted' || data.accepted === true;
          // In a room the others write too.
          const isInRoom = data.room === true || data.toRoom === true;
          if (type === 'OperatorMessageReceived' && data.chatId !== null && !isInRoom) {
            expect(data.operator).toBe(owner);
          }
          if (type === 'VisitorMessageSent') {
            expect(sent.has(String(data.messageId))).toBe(false);
            sent.add(String(data.messageId));
          }
          const settled =
            type === 'MessageDelivered'
              ? (data.messageIds as string[]) // as the fact's type says
              : type === 'MessageFailed'
                ? [String(data.messageId)]
                : [];
          for (const id of settled) {
            expect(sent.has(id)).toBe(true);
            expect(outcomes.has(id)).toBe(false);
            outcomes.add(id);
          }
        }
      }),
    );
  });

  it('is online while a chat is open, unless they left before an answer, and finally timed out and cleaned up', () => {
    fc.assert(
      fc.property(timed(visitorCommand), (asked) => {
        const stream = played(visitorDecider, asked, ({ state }) => {
          const { presence, conversation, context } = visitorState(state.core);
          const open = conversation === 'waiting' || conversation === 'chatting';
          expect(context.chat !== null).toBe(open);
          if (conversation === 'invited') expect(presence).toBe('online');
          if (context.chat) expect(presence).toBe(context.chat.left ? 'timedOut' : 'online');
          expect(context.chat?.accepted ?? false).toBe(conversation === 'chatting');
          if (conversation === 'invited') expect(context.inviter).not.toBeNull();
          if (open) expect(context.inviter).toBeNull();
        });
        if (visitorState(stream.state.core).presence === 'unknown') return;
        runOut(stream);
        expect(visitorState(stream.state.core)).toMatchObject({
          presence: 'cleanedUp',
          conversation: 'none',
        });
      }),
    );
  });

  it('has no whisper that becomes a message, no message that becomes a whisper, and neither without a chat', () => {
    fc.assert(
      fc.property(timed(visitorCommand), (asked) => {
        const kinds = new Map<number, string>();
        let room = false;
        let chatId: unknown = null;
        for (const { type, data, revision } of played(visitorDecider, asked).facts) {
          if (type === 'ChatStarted') chatId = data.chatId;
          if (type === 'RoomOpened') room = true;
          if (type === 'RoomClosed' || type === 'ChatClosed') room = false;
          if (type === 'ChatClosed') chatId = null;
          if (type !== 'Whispered' && type !== 'OperatorMessageReceived') continue;
          kinds.set(revision, type);
          if (typeof data.corrects === 'number') expect(kinds.get(data.corrects)).toBe(type);
          if (data.room === true || data.toRoom === true) expect(room).toBe(true);
          if (type === 'Whispered') {
            expect(data.chatId).toBe(chatId);
            // Somebody reads it.
            expect(room || (data.to !== undefined && data.to !== data.operator)).toBe(true);
          }
        }
      }),
    );
  });

  it('folds to the same state if its stream is truncated before a clean-up', () => {
    fc.assert(
      fc.property(timed(visitorCommand), (asked) => {
        const stream = played(visitorDecider, asked);
        const cut = stream.facts.findLastIndex((fact) => fact.type === 'CleanedUp');
        if (cut >= 0) expect(textOf(stream.refold(cut))).toBe(textOf(stream.state));
      }),
    );
  });
});

describe('an operator', () => {
  it('is as available as its sessions, and each fact says so', () => {
    fc.assert(
      fc.property(timed(operatorCommand), (asked) => {
        let said = 'offline';
        const { facts } = played(operatorDecider, asked, ({ state }) => {
          const { availability, context } = operatorState(state.core);
          expect(availability).toBe(availabilityOf(context));
        });
        for (const { data } of facts) {
          if (!data.availability) continue;
          const { from, to } = data.availability as { from: string; to: string }; // as its type says
          expect(from).toBe(said);
          said = to;
        }
      }),
    );
  });

  it('is there only by the clients that ejabberd routes messages to', () => {
    fc.assert(
      fc.property(timed(operatorCommand), (asked) => {
        played(operatorDecider, asked, ({ state }) => {
          const { sessions, away } = operatorState(state.core).context;
          const priorities = Object.values(sessions).flatMap(({ show, priority = 0 }) =>
            show === null ? [] : [priority],
          );
          const highest = Math.max(...priorities);
          // Others may be left out, and nothing changes.
          const chosen = Object.entries(sessions).filter(
            ([, { show, priority = 0 }]) => show !== null && priority === highest && highest >= 0,
          );
          const availability = availabilityOf({ sessions, away });
          expect(availabilityOf({ sessions: Object.fromEntries(chosen), away })).toBe(availability);
          expect(availability === 'offline').toBe(chosen.length === 0);
        });
      }),
    );
  });

  it('never reserves more than its capacity', () => {
    fc.assert(
      fc.property(timed(operatorCommand), (asked) => {
        const stream = new MemoryStream(operatorDecider);
        for (const { command } of asked) {
          const facts = tried(() => stream.send(command, 0)) ?? [];
          const { context } = operatorState(stream.state.core);
          if (facts.some((fact) => fact.type === 'ChatReserved')) {
            expect(load(context)).toBeLessThanOrEqual(context.capacity);
          }
        }
      }),
    );
  });
});
