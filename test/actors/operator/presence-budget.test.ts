/** Presences that come too fast: few facts, and the availability in the end is what the clients show. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { serialize } from '../../../src/actors/machine/state-json.ts';
import { nextDue } from '../../../src/actors/machine/timers.ts';
import {
  type OperatorCommand,
  operatorDecider,
  operatorState,
} from '../../../src/actors/operator/decisions.ts';
import type { Availability, Show } from '../../../src/actors/operator/facts.ts';
import {
  PRESENCE_BURST,
  PRESENCE_EVERY_MS,
  PRESENCE_PAUSE_MS,
} from '../../../src/actors/operator/presence-budget.ts';
import { changePresence, closeSession, compare, openSession, register, SECOND } from '../facts.ts';
import { MemoryStream } from '../stream.ts';

const WAKE = { type: 'Wake' } as const;

/** An operator with what ejabberd knows of their clients. mod_lhc reports each change to the actor. */
function operatorIn() {
  const actor = new MemoryStream(operatorDecider);
  const truth = new Map<string, Show>();
  let now = 1_000_000;
  const send = (command: OperatorCommand | typeof WAKE) => {
    const facts = actor.send(command, now);
    // The lane asks ejabberd (src/reactors/conversation/xmpp-lane.ts).
    if (facts.some(({ type }) => type === 'PresenceResumed')) {
      const sessions = [...truth].map(([resource, show]) => ({ resource, show, status: '' }));
      actor.send(compare(sessions), now);
    }
    return facts;
  };
  const passes = (ms: number): void => {
    const end = now + ms;
    for (;;) {
      const due = nextDue(actor.state.core, now);
      if (due === undefined || due > end) break;
      now = due;
      send(WAKE);
    }
    now = end;
  };
  send(register());
  return {
    actor,
    passes,
    open: (session: string) => {
      truth.set(session, null);
      return send(openSession(session, session));
    },
    show: (session: string, show: Show) => {
      truth.set(session, show);
      return send(changePresence(show, session, session));
    },
    close: (session: string) => {
      truth.delete(session);
      return send(closeSession(session, session));
    },
    availability: (): Availability => operatorState(actor.state.core).availability,
    truth: (): Availability => {
      const shows = [...truth.values()];
      if (shows.some((show) => show === 'available' || show === 'chat')) return 'available';
      if (shows.includes('dnd')) return 'busy';
      return shows.some((show) => show !== null) ? 'away' : 'offline';
    },
  };
}

it.each([
  ['a client that changes its presence', (n: number) => (n % 2 ? 'away' : 'available')],
  ['a client that hides and shows itself', (n: number) => (n % 2 ? null : 'available')],
] as const)('%s 20 times a second for ten minutes causes few facts', (_who, showOf) => {
  const { actor, passes, open, show } = operatorIn();
  open('s1');
  for (let n = 0; n < 12_000; n++) {
    passes(50);
    show('s1', showOf(n));
  }
  const seconds = 600;
  const byRate = PRESENCE_BURST + (seconds * SECOND) / PRESENCE_EVERY_MS;
  const pauses = (seconds * SECOND) / PRESENCE_PAUSE_MS + 1;
  expect(actor.facts.length).toBeLessThan(byRate + pauses * 5);
});

it('logins and logouts that come too fast cause few facts', () => {
  const { actor, passes, open, show, close } = operatorIn();
  for (let n = 0; n < 3_000; n++) {
    passes(200);
    open(`s${n}`);
    show(`s${n}`, 'available');
    close(`s${n}`);
  }
  expect(actor.facts.length).toBeLessThan(500);
});

it('a person at work meets no bound', () => {
  const { actor, passes, open, show, close } = operatorIn();
  for (let day = 0; day < 3; day++) {
    for (const session of ['desk', 'phone', 'web']) {
      expect(open(session)).toHaveLength(1);
      expect(show(session, 'available')).toHaveLength(1);
    }
    for (let n = 0; n < 50; n++) {
      passes(20 * SECOND);
      expect(show('desk', n % 2 ? 'available' : 'away')).toHaveLength(1);
    }
    for (const session of ['desk', 'phone', 'web']) expect(close(session)).toHaveLength(1);
  }
  expect(actor.facts.map(({ type }) => type)).not.toContain('PresencePaused');
});

it('a clock that is set back by hours spends no budget', () => {
  const actor = new MemoryStream(operatorDecider);
  const hours = 5 * 3600 * SECOND;
  actor.send(register(), hours);
  for (let n = 0; n < 15; n++) actor.send(changePresence(n % 2 ? 'away' : 'available'), hours);
  for (let n = 0; n < 15; n++) {
    expect(actor.send(changePresence(n % 2 ? 'dnd' : 'xa'), 1_000)).toHaveLength(1);
  }
  expect(actor.facts.map(({ type }) => type)).not.toContain('PresencePaused');
});

it('in a pause an operator who leaves is offline at once, and who comes back is there after the pause', () => {
  const { passes, open, show, close, availability } = operatorIn();
  open('s1');
  open('s2');
  for (let n = 0; n < 60; n++) show('s1', n % 2 ? 'away' : 'available');
  show('s1', 'available');
  passes(PRESENCE_PAUSE_MS);
  expect(availability()).toBe('available');
  for (let n = 0; n < 60; n++) show('s1', n % 2 ? 'dnd' : 'available');
  expect(availability()).toBe('busy');
  close('s1');
  expect(availability()).toBe('offline');
  expect(show('s2', 'available')).toEqual([]);
  expect(availability()).toBe('offline');
  passes(PRESENCE_PAUSE_MS);
  expect(availability()).toBe('available');
});

it('in a pause an operator who becomes less available is so at once', () => {
  const { passes, open, show, availability } = operatorIn();
  open('s1');
  for (let n = 0; n < 60; n++) show('s1', n % 2 ? 'chat' : 'available');
  expect(show('s1', 'available')).toEqual([]);
  expect(availability()).toBe('available');
  show('s1', 'away');
  expect(availability()).toBe('away');
  show('s1', 'available');
  expect(availability()).toBe('away');
  show('s1', null);
  expect(availability()).toBe('offline');
  show('s1', 'available');
  passes(PRESENCE_PAUSE_MS);
  expect(availability()).toBe('available');
});

it('after any storm the availability is the true one, and a restart does not change that', () => {
  const session = fc.constantFrom('s1', 's2', 's3');
  const step = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant('show' as const),
        session,
        show: fc.constantFrom<Show>('available', 'chat', 'away', 'xa', 'dnd', null),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constantFrom('open' as const, 'close' as const),
        session,
        show: fc.constant<Show>(null),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('restart' as const),
        session,
        show: fc.constant<Show>(null),
      }),
    },
  );
  const steps = fc.array(fc.record({ step, passes: fc.constantFrom(0, 0, 10, 500, 6_000) }), {
    minLength: 30,
    maxLength: 150,
    size: 'max',
  });
  fc.assert(
    fc.property(steps, (all) => {
      const operator = operatorIn();
      const known = new Set<string>();
      for (const { step: each, passes } of all) {
        operator.passes(passes);
        if (each.kind === 'restart') operator.actor.state = operator.actor.refold();
        else if (each.kind === 'close') {
          if (known.delete(each.session)) operator.close(each.session);
        } else {
          if (!known.has(each.session)) operator.open(each.session);
          known.add(each.session);
          if (each.kind === 'show') operator.show(each.session, each.show);
        }
      }
      operator.passes(2 * PRESENCE_PAUSE_MS);
      expect(operator.availability()).toBe(operator.truth());
      expect(serialize(operator.actor.refold())).toEqual(serialize(operator.actor.state));
    }),
    { numRuns: 300 },
  );
});
