import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { operatorRef, visitorRef } from '../../../src/actors/ids.ts';
import { AHEAD_MOST_MS } from '../../../src/actors/machine/timers.ts';
import { operatorState } from '../../../src/actors/operator/decisions.ts';
import { visitorState } from '../../../src/actors/visitor/decisions.ts';
import { VISITOR_VERSION } from '../../../src/actors/visitor/machine.ts';
import { AppError } from '../../../src/errors.ts';
import type { EventStore } from '../../../src/eventstore/port.ts';
import {
  changePresence,
  closeChat,
  openSession,
  register,
  release,
  reserve,
  sendMessage,
  startChat,
  take,
  viewPage,
} from '../../actors/facts.ts';
import { username, visitorKey } from '../../support/names.ts';
import { ACME, newId, openRig, type Rig } from '../../support/rig.ts';

const open: Rig[] = [];
async function rigWith(options: Parameters<typeof openRig>[0] = {}): Promise<Rig> {
  const rig = await openRig(options);
  open.push(rig);
  return rig;
}
afterEach(async () => {
  for (const rig of open.splice(0)) await rig.close();
});
const V1 = visitorRef(ACME, visitorKey('1'));
const named = (commandId: string) => ({ commandId });

describe('a command', () => {
  it('is decided on the stored facts and answered when its own facts are durable', async () => {
    const rig = await rigWith();
    const done = await rig.toVisitor('1', viewPage());
    expect(done).toMatchObject({
      actor: V1,
      revision: 0,
      facts: 1,
      state: { presence: 'online', conversation: 'none' },
    });
    const [fact] = await rig.facts('visitor-acme.1');
    expect(done.position).toBe(fact?.position);
    expect(fact?.metadata).toMatchObject({
      tenant: 'acme',
      at: rig.now(),
      machine: VISITOR_VERSION,
    });
    expect(fact?.metadata.wakeAt).toBe(rig.now() + 300_000);
  });

  it('that nobody waits for is a patient append, and hurries nobody', async () => {
    const patient: unknown[] = [];
    let hurried = 0;
    const rig = await rigWith({
      host: { hurry: () => hurried++ },
      disturb: (store) => ({
        ...store,
        append: (stream, events, expected, options) => {
          patient.push(options?.patient);
          return store.append(stream, events, expected, options);
        },
      }),
    });
    await rig.toVisitor('1', startChat('c1', 'm1'));
    const before = hurried;
    patient.length = 0;
    await rig.toVisitor('1', viewPage('other'));
    expect([patient, hurried]).toEqual([[true], before]);
    await rig.toVisitor('1', sendMessage('m2'));
    expect([patient, hurried]).toEqual([[true, false], before + 1]);
  });

  it('that is refused appends nothing', async () => {
    const rig = await rigWith();
    await rig.toVisitor('1', viewPage());
    await expect(rig.toVisitor('1', closeChat('c9'))).rejects.toMatchObject({ code: 'refused' });
    await expect(rig.toVisitor('2', closeChat())).rejects.toMatchObject({ code: 'not-found' });
    expect(await rig.types('visitor-acme.1')).toEqual(['VisitorArrived']);
  });

  it('takes the time from the clock, and time does not run backwards in a stream', async () => {
    const rig = await rigWith();
    await rig.toVisitor('1', viewPage('a'));
    rig.clock.passes(1000 - AHEAD_MOST_MS);
    await rig.toVisitor('1', viewPage('b'));
    const again = await rig.restart();
    open.push(again);
    again.clock.passes(-1000);
    await again.toVisitor('1', viewPage('c'));
    // A fact from far ahead has the time of a wrong clock (docs/adr/0024).
    again.clock.passes(-1000);
    await again.toVisitor('1', viewPage('d'));
    const times = (await again.facts('visitor-acme.1')).map(({ metadata }) => metadata.at);
    expect(times).toEqual([times[0], times[0], times[0], again.now()]);
  });

  it('an actor without facts has no state, however often it is loaded', async () => {
    const rig = await rigWith();
    expect(await rig.host.load(V1)).toBeNull();
    expect(await rig.host.load(V1)).toBeNull();
  });
});

describe('a repeat', () => {
  it('of a command id does nothing, across restarts and snapshots', async () => {
    let rig = await rigWith();
    await rig.toVisitor('1', viewPage('first'), named('once'));
    expect((await rig.toVisitor('1', viewPage('other'), named('once'))).facts).toBe(0);
    for (let i = 0; i < 70; i++) await rig.toVisitor('1', viewPage(`p${i}`), named(`c${i}`));
    rig.host.passivate(-1);
    expect(rig.snapshots.load('visitor-acme.1', VISITOR_VERSION)?.revision).toBeGreaterThan(60);
    for (const id of ['once', 'c0', 'c69']) {
      expect((await rig.toVisitor('1', viewPage('other'), named(id))).facts).toBe(0);
    }
    rig = await rig.restart();
    open.push(rig);
    for (const id of ['once', 'c0', 'c69']) {
      const done = await rig.toVisitor('1', viewPage('other'), named(id));
      expect(done).toMatchObject({ facts: 0, revision: 70 });
      expect(done.position).toBe((await rig.facts('visitor-acme.1')).at(-1)?.position);
    }
    expect(await rig.facts('visitor-acme.1')).toHaveLength(71);
  });

  it('of a webhook number does nothing, nor does a lower number of the same queue', async () => {
    let rig = await rigWith();
    await rig.toOperator('op1', register());
    const queueId = newId();
    const hooked = (seq: number, queue = queueId) => ({
      commandId: `auto:${newId()}`,
      hook: { queueId: queue, seq },
    });
    expect((await rig.toOperator('op1', openSession('s1'), hooked(5))).facts).toBe(1);
    expect((await rig.toOperator('op1', openSession('s2'), hooked(5))).facts).toBe(0);
    rig = await rig.restart();
    open.push(rig);
    expect((await rig.toOperator('op1', openSession('s3'), hooked(4))).facts).toBe(0);
    expect((await rig.toOperator('op1', openSession('s4'), hooked(6))).facts).toBe(1);
    expect((await rig.toOperator('op1', openSession('s5'), hooked(1, newId()))).facts).toBe(1);
  });

  it('at the same time counts once', async () => {
    const rig = await rigWith();
    const all = await Promise.all(
      Array.from({ length: 10 }, (_, i) => rig.toVisitor('1', viewPage(`p${i}`), named('once'))),
    );
    expect(all.filter(({ facts }) => facts > 0)).toHaveLength(1);
    expect(await rig.facts('visitor-acme.1')).toHaveLength(1);
  });
});

describe('two writers on one store', () => {
  it('after a conflict the host reads the facts and decides again', async () => {
    const rig = await rigWith();
    const other = rig.makeHost();
    await rig.toVisitor('1', viewPage());
    await rig.toVisitor('1', startChat('c1'), undefined, other);
    // This host has not seen the chat. The stored facts refuse its own command for another chat.
    await expect(rig.toVisitor('1', startChat('c2'))).rejects.toMatchObject({
      code: 'refused',
      message: expect.stringContaining('c1'),
    });
    const state = await rig.host.load(V1);
    expect(state && visitorState(state.core).context.chat?.id).toBe('c1');
  });

  it('interleaved at random they keep the capacity, lose nothing and agree', async () => {
    const rig = await rigWith();
    let run = 0;
    const step = fc.record({
      host: fc.constantFrom(0, 1),
      chat: fc.integer({ min: 0, max: 5 }),
      deed: fc.constantFrom('reserve', 'take', 'release'),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 16 }), async (steps) => {
        const name = `op${run++}`;
        const hosts = [rig.makeHost(), rig.makeHost()];
        await rig.toOperator(name, register(2), undefined, hosts[0]);
        await rig.toOperator(name, openSession(), undefined, hosts[1]);
        await rig.toOperator(name, changePresence('available'), undefined, hosts[0]);
        const outcomes = await Promise.all(
          steps.map(({ host, chat, deed }) => {
            const args = [`r${chat}`, `c${chat}`] as const;
            const command = { reserve, take, release }[deed](...args);
            return rig.toOperator(name, command, undefined, hosts[host]).then(
              ({ facts }) => facts,
              (error) => {
                expect(error).toMatchObject({ code: 'refused' });
                return 0;
              },
            );
          }),
        );
        const facts = await rig.facts(`operator-acme.${name}`);
        expect(facts).toHaveLength(outcomes.reduce((sum, n) => sum + n, 3));
        let reserved = new Set<unknown>();
        for (const { type, data } of facts) {
          if (type === 'ChatReserved') reserved.add(data.chatId);
          if (type === 'ChatReleased')
            reserved = new Set([...reserved].filter((id) => id !== data.chatId));
          expect(reserved.size).toBeLessThanOrEqual(2);
        }
        const fresh = await rig.makeHost().load(operatorRef(ACME, username(name)));
        expect(Object.keys(fresh ? operatorState(fresh.core).context.chats : {}).sort()).toEqual(
          [...reserved].sort(),
        );
      }),
      { numRuns: 30 },
    );
  });
});

describe('memory', () => {
  it('a full mailbox refuses more commands; other actors go on', async () => {
    let go = (): void => {};
    const gate = new Promise<void>((resolve) => {
      go = resolve;
    });
    const rig = await rigWith({ host: { mailbox: 3, beforeAppend: () => gate } });
    const waiting = ['a', 'b', 'c'].map((page) => rig.toVisitor('1', viewPage(page)));
    await expect(rig.toVisitor('1', viewPage('d'))).rejects.toMatchObject({ code: 'overloaded' });
    expect(rig.host.stats().waiting).toBe(3);
    const other = rig.toVisitor('2', viewPage());
    go();
    await Promise.all([...waiting, other]);
    expect(await rig.types('visitor-acme.1')).toHaveLength(3);
    await rig.host.drain();
    expect(rig.host.stats().waiting).toBe(0);
    expect((await rig.toVisitor('1', viewPage('d'))).facts).toBe(1);
  });

  it('an actor that left the memory comes back with the same state', async () => {
    const rig = await rigWith({ host: { actorsInMemory: 4 } });
    for (let i = 0; i < 12; i++) {
      await rig.toVisitor(`${i}`, viewPage());
      await rig.toVisitor(`${i}`, startChat(`c${i}`, 'm1'));
    }
    expect(rig.host.stats().inMemory).toBe(4);
    const before = await rig.makeHost().load(V1);
    const after = await rig.host.load(V1);
    expect(after?.core.snapshot.context).toEqual(before?.core.snapshot.context);
    expect(after?.core.timers).toEqual(before?.core.timers);
    rig.clock.passes(1000);
    rig.host.passivate(500);
    expect(rig.host.stats().inMemory).toBe(0);
    expect((await rig.toVisitor('1', sendMessage('m2', 'c1'))).revision).toBe(3);
  });

  it('a snapshot of another version is ignored: the stream is folded again', async () => {
    const rig = await rigWith();
    for (let i = 0; i < 70; i++) await rig.toVisitor('1', viewPage(`p${i}`));
    rig.host.passivate(-1);
    const saved = rig.snapshots.load('visitor-acme.1', VISITOR_VERSION);
    if (!saved) throw new Error('there is no snapshot');
    rig.snapshots.save('visitor-acme.1', 'visitor/0', saved.revision, { broken: true });
    const state = await rig.makeHost().load(V1);
    expect(state?.core.revision).toBe(69);
    // The same holds for a damaged snapshot of this version.
    rig.snapshots.save('visitor-acme.1', VISITOR_VERSION, saved.revision, { broken: true });
    expect((await rig.makeHost().load(V1))?.core.revision).toBe(69);
  });

  it('a snapshot that cannot be saved fails no command', async () => {
    const rig = await rigWith();
    const full = () => {
      throw new Error('disk full');
    };
    const host = rig.makeHost({ snapshots: { ...rig.snapshots, save: full } });
    for (let i = 0; i < 70; i++) await rig.toVisitor('1', viewPage(`p${i}`), undefined, host);
    expect(await rig.facts('visitor-acme.1')).toHaveLength(70);
  });
});

describe('a failure', () => {
  it('a history that does not fit is listed, and only that actor refuses commands', async () => {
    const rig = await rigWith();
    await rig.toVisitor('2', viewPage());
    const [good] = await rig.facts('visitor-acme.2');
    if (!good) throw new Error('there is no fact');
    const { stream: _s, revision: _r, position: _p, ...envelope } = good;
    const odd = { ...envelope, id: newId(), type: 'TakenByAliens' };
    await rig.store.append('visitor-acme.1', [odd], 'no-stream');
    await expect(rig.toVisitor('1', viewPage())).rejects.toMatchObject({ code: 'unfit' });
    await expect(rig.host.load(V1)).rejects.toMatchObject({ code: 'unfit' });
    expect([...rig.host.unfit().keys()]).toEqual(['visitor-acme.1']);
    expect((await rig.toVisitor('2', startChat())).facts).toBe(1);
    await rig.store.deleteStream('visitor-acme.1'); // the other way out is a repaired machine
    expect((await rig.toVisitor('1', viewPage())).facts).toBe(1);
    expect(rig.host.unfit().size).toBe(0);
  });

  it('after an append without an answer the host drops the state and reads the stream', async () => {
    let lose = false;
    const disturb = (store: EventStore): EventStore => ({
      ...store,
      append: async (...args) => {
        const result = await store.append(...args);
        if (lose && args[0].startsWith('visitor-')) {
          throw new AppError('unavailable', 'no answer to the append');
        }
        return result;
      },
    });
    const rig = await rigWith({ disturb });
    await rig.toVisitor('1', viewPage());
    lose = true;
    const wish = () => rig.toVisitor('1', startChat('c1'), named('start'));
    await expect(wish()).rejects.toMatchObject({ code: 'unavailable' });
    lose = false;
    expect((await wish()).facts).toBe(0); // the facts were stored: the repeat finds them
    expect(await rig.types('visitor-acme.1')).toEqual(['VisitorArrived', 'ChatStarted']);
  });

  it('a command that meets a conflict each time ends in an error, not in a loop', async () => {
    const rig = await rigWith();
    await rig.toVisitor('1', viewPage('a'));
    const rival = rig.makeHost();
    let n = 0;
    const host = rig.makeHost({
      beforeAppend: async () => {
        await rig.toVisitor('1', viewPage(`r${n++}`), undefined, rival);
      },
      random: () => 0,
    });
    await expect(rig.toVisitor('1', viewPage('b'), undefined, host)).rejects.toMatchObject({
      code: 'overloaded',
    });
  });
});
