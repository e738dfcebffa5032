/** What is sent to mod_lhc, and when, without a server. */
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { AppError } from '../../../src/errors.ts';
import {
  CONTACT_IQS_AT_ONCE,
  CONTACTS_DELAY_MS,
  CONTACTS_IQ_BYTES,
  CONTACTS_PER_IQ,
  Contacts,
} from '../../../src/xmpp/component/contacts.ts';

const DOMAIN = 'visitors.xmpp.test';
const jidOf = (n: number): string => `visitor.${n}@${DOMAIN}`;
const look = (status: string, nick = 'N') => ({ status, nick });
const lost = new AppError('unavailable', 'the stream is lost');
const wrong = new AppError('refused', 'bad-request', { returned: true, mayBeOne: true });

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** mod_lhc as a map, whose answers come when the test wants them. */
function world({ refuses = (_entry: string): AppError | null => null } = {}) {
  const there = new Map<string, string>();
  const shown: string[] = [];
  const iqs: { readonly entries: readonly string[]; answer(): void }[] = [];
  let open = 0;
  let mostOpen = 0;
  const contacts = new Contacts({
    send(entries) {
      open += 1;
      mostOpen = Math.max(open, mostOpen);
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      iqs.push({
        entries,
        answer() {
          open -= 1;
          const error = entries.map(refuses).find((each) => each !== null);
          if (error) return reject(error);
          for (const entry of entries) {
            const jid = /jid="([^"]+)"/.exec(entry)?.[1] ?? '';
            const status = /<status>(.*)<\/status>/.exec(entry)?.[1] ?? '';
            if (entry.startsWith('<gone')) there.delete(jid);
            else there.set(jid, status);
          }
          resolve();
        },
      });
      return promise;
    },
    photoOf: () => 'photo',
    onShown: (jid) => void shown.push(jid),
  });
  const turn = () => vi.advanceTimersByTimeAsync(CONTACTS_DELAY_MS);
  return {
    contacts,
    there,
    shown,
    iqs,
    mostOpen: () => mostOpen,
    turn,
    /** Answers everything, until nothing more is sent. */
    async settle() {
      await turn();
      for (let n = 0; n < iqs.length; n++) {
        iqs[n]?.answer();
        await turn();
      }
      iqs.splice(0);
    },
  };
}
const outcome = (promise: Promise<unknown>) =>
  promise.then(
    (value) => value,
    (error: AppError) => error.message,
  );

test('changes that come together are one IQ, with the latest of each visitor', async () => {
  const { contacts, iqs, turn, settle, there } = world();
  contacts.attach();
  const done = [1, 2, 1, 3, 1].map((n, index) => contacts.show(jidOf(n), look(`${index}`)));
  await turn();
  expect(iqs.map(({ entries }) => entries.length)).toEqual([3]);
  await settle();
  expect(await Promise.all(done)).toEqual(Array(5).fill(true));
  expect([...there.values()].toSorted()).toEqual(['1', '3', '4']);
});

test('IQs are bounded in entries, in bytes and in number, and who leaves goes first', async () => {
  const { contacts, iqs, turn, settle, mostOpen, there } = world();
  contacts.attach();
  const crowd = Array.from({ length: 1_000 }, (_, n) => contacts.show(jidOf(n), look('x')));
  await turn();
  expect(iqs.map(({ entries }) => entries.length)).toEqual(
    Array(CONTACT_IQS_AT_ONCE).fill(CONTACTS_PER_IQ),
  );
  await settle();
  await Promise.all(crowd);
  expect(mostOpen()).toBe(CONTACT_IQS_AT_ONCE);
  expect(there.size).toBe(1_000);

  void contacts.show(jidOf(2_000), look('new'));
  void contacts.hide(jidOf(1));
  await turn();
  expect(iqs[0]?.entries[0]).toContain('<gone');
  await settle();

  const long = 'ü'.repeat(2_000);
  for (let n = 0; n < 100; n++) void contacts.show(jidOf(n), look(long));
  await turn();
  for (const { entries } of iqs) {
    expect(Buffer.byteLength(entries.join(''))).toBeLessThan(CONTACTS_IQ_BYTES);
  }
  await settle();
  expect(there.get(jidOf(99))).toBe(long);
});

test('what mod_lhc has is not sent, whether it was sent or found', async () => {
  const one = world();
  one.contacts.attach();
  const sent = one.contacts.show(jidOf(1), look('a'));
  await one.turn();
  const hash = /hash="([^"]+)"/.exec(one.iqs[0]?.entries[0] ?? '')?.[1] ?? '';
  await one.settle();
  expect(await sent).toBe(true);
  expect(await one.contacts.show(jidOf(1), look('a'))).toBe(false);

  const { contacts, shown, iqs, settle } = world();
  contacts.attach();
  contacts.found(jidOf(1), hash);
  expect(contacts.isShown(jidOf(1))).toBe(false);
  expect(await contacts.show(jidOf(1), look('a'))).toBe(false);
  expect(contacts.isShown(jidOf(1))).toBe(true);
  expect(shown).toEqual([jidOf(1)]);
  expect(iqs).toEqual([]);
  // ejabberd was restarted.
  contacts.found(jidOf(1), null);
  expect(contacts.isShown(jidOf(1))).toBe(false);
  await settle();
  expect(contacts.isShown(jidOf(1))).toBe(true);
  expect(shown).toEqual([jidOf(1), jidOf(1)]);
});

test('who is shown is named in this moment, once, and again when nobody knows what mod_lhc has', async () => {
  const { contacts, shown, iqs, turn, settle } = world();
  contacts.attach();
  contacts.found(jidOf(1), 'of another process');
  void contacts.show(jidOf(1), look('newer'));
  void contacts.show(jidOf(2), look('new'));
  expect(contacts.isShown(jidOf(1))).toBe(true);
  expect(shown).toEqual([jidOf(1)]);
  await settle();
  expect(shown).toEqual([jidOf(1), jidOf(2)]);
  const lostOnItsWay = outcome(contacts.show(jidOf(2), look('newest')));
  await turn();
  expect(iqs).toHaveLength(1);
  contacts.detach(lost);
  expect(await lostOnItsWay).toBe('the stream is lost');
  expect(contacts.isShown(jidOf(2))).toBe(false);
  contacts.attach();
  await settle();
  expect(shown).toEqual([jidOf(1), jidOf(2), jidOf(2)]);
});

test('who is nobody is hidden by nothing, and who was found by one IQ', async () => {
  const { contacts, iqs, turn, settle } = world();
  contacts.attach();
  await contacts.hide(jidOf(1));
  contacts.found(jidOf(2), null);
  await contacts.hide(jidOf(2));
  await turn();
  expect(iqs).toEqual([]);
  contacts.found(jidOf(3), 'hash');
  const hidden = contacts.hide(jidOf(3));
  await settle();
  await hidden;
  expect(contacts.isSettled).toBe(true);
});

test('a change while the older one is on its way is sent behind it', async () => {
  const { contacts, iqs, turn, settle, there } = world();
  contacts.attach();
  const first = contacts.show(jidOf(1), look('a'));
  await turn();
  const hidden = contacts.hide(jidOf(1));
  const last = contacts.show(jidOf(1), look('b'));
  await turn();
  expect(iqs).toHaveLength(1);
  await settle();
  expect(await Promise.all([first, hidden, last])).toEqual([true, undefined, true]);
  expect(there.get(jidOf(1))).toBe('b');
});

test('one that mod_lhc does not take is found, and it alone fails', async () => {
  const bad = new Set([jidOf(17), jidOf(18), jidOf(99)]);
  const { contacts, settle, there, iqs } = world({
    refuses: (entry) => ([...bad].some((jid) => entry.includes(`"${jid}"`)) ? wrong : null),
  });
  contacts.attach();
  const all = Array.from({ length: 100 }, (_, n) => outcome(contacts.show(jidOf(n), look('x'))));
  await settle();
  const failed = (await Promise.all(all)).flatMap((each, n) => (each === true ? [] : [jidOf(n)]));
  expect(failed).toEqual([...bad]);
  expect(there.size).toBe(97);
  expect(iqs).toEqual([]);
  expect(contacts.isSettled).toBe(true);
});

test('an error that is about no single one fails all at once', async () => {
  const forbidden = new AppError('refused', 'forbidden', { returned: true, mayBeOne: false });
  const { contacts, turn, iqs } = world({ refuses: () => forbidden });
  contacts.attach();
  const all = Array.from({ length: 100 }, (_, n) => outcome(contacts.show(jidOf(n), look('x'))));
  await turn();
  iqs[0]?.answer();
  await turn();
  expect(iqs).toHaveLength(1);
  expect(new Set(await Promise.all(all))).toEqual(new Set(['forbidden']));
});

test('what has no answer when the stream is lost goes again on the next one, and no more', async () => {
  const { contacts, iqs, turn, settle, there } = world();
  contacts.attach();
  const taken = Array.from({ length: 50 }, (_, n) => contacts.show(jidOf(n), look('a')));
  await settle();
  await Promise.all(taken);
  const flying = outcome(contacts.show(jidOf(1), look('b')));
  const hidden = outcome(contacts.hide(jidOf(2)));
  await turn();
  contacts.detach(lost);
  const meanwhile = outcome(contacts.show(jidOf(3), look('c')));
  contacts.detach(lost); // a connection failed
  expect(await Promise.all([flying, hidden, meanwhile])).toEqual(Array(3).fill(lost.message));
  await turn();
  expect(iqs).toHaveLength(1);
  iqs.splice(0);
  contacts.attach();
  await turn();
  expect(iqs.map(({ entries }) => entries.length)).toEqual([3]);
  await settle();
  expect([there.get(jidOf(1)), there.has(jidOf(2)), there.get(jidOf(3))]).toEqual([
    'b',
    false,
    'c',
  ]);
});

test('what mod_lhc has is not known when its answer was lost', async () => {
  const { contacts, iqs, turn, settle, there } = world();
  contacts.attach();
  void contacts.show(jidOf(1), look('a'));
  await settle();
  void outcome(contacts.show(jidOf(1), look('b')));
  await turn();
  const [done] = iqs.splice(0);
  contacts.detach(lost);
  done?.answer(); // mod_lhc took it, and nobody heard that
  const back = contacts.show(jidOf(1), look('a'));
  contacts.attach();
  await settle();
  expect(await back).toBe(true);
  expect(there.get(jidOf(1))).toBe('a');
});

test('a list that is older than what is on its way changes nothing', async () => {
  const { contacts, iqs, turn, settle } = world();
  contacts.attach();
  void contacts.show(jidOf(1), look('a'));
  await turn();
  contacts.found(jidOf(1), null);
  contacts.found(jidOf(1), 'an older hash');
  await turn();
  expect(iqs).toHaveLength(1);
  await settle();
  expect(contacts.isShown(jidOf(1))).toBe(true);
});

test('a late answer of an older stream changes nothing', async () => {
  const { contacts, iqs, turn, settle } = world();
  contacts.attach();
  void outcome(contacts.show(jidOf(1), look('a')));
  await turn();
  const [old] = iqs.splice(0);
  contacts.detach(lost);
  contacts.attach();
  await turn();
  old?.answer();
  await turn();
  expect(contacts.isShown(jidOf(1))).toBe(false);
  await settle();
  expect(contacts.isShown(jidOf(1))).toBe(true);
});

describe('a visitor who is released', () => {
  test('keeps the contact, is sent no more, and is forgotten in the end', async () => {
    const { contacts, iqs, turn, settle, there } = world();
    contacts.attach();
    void contacts.show(jidOf(1), look('a'));
    await settle();
    const late = outcome(contacts.show(jidOf(1), look('b')));
    contacts.release(jidOf(1), 1_000, 0);
    expect(await late).toMatch(/another process/);
    await turn();
    expect([iqs.length, contacts.jids(), contacts.isShown(jidOf(1))]).toEqual([0, [], false]);
    contacts.sweep(999);
    expect(contacts.presenceOf(jidOf(1))).not.toBeNull();
    contacts.sweep(1_000);
    expect(contacts.presenceOf(jidOf(1))).toBeNull();
    expect(there.get(jidOf(1))).toBe('a');
  });

  test('is sent again when they come back, because another process may have changed them', async () => {
    const { contacts, shown, settle } = world();
    contacts.attach();
    void contacts.show(jidOf(1), look('a'));
    await settle();
    contacts.release(jidOf(1), 1_000, 0);
    const back = contacts.show(jidOf(1), look('a'));
    await settle();
    expect(await back).toBe(true);
    expect(shown).toEqual([jidOf(1), jidOf(1)]);
    contacts.sweep(5_000);
    expect(contacts.isShown(jidOf(1))).toBe(true);
  });
});

test('whatever happens, mod_lhc has what was wanted last, when all is answered', async () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('show' as const), n: fc.nat(4), status: fc.nat(2) }),
    fc.record({ kind: fc.constant('hide' as const), n: fc.nat(4) }),
    fc.record({ kind: fc.constant('found' as const), n: fc.nat(4), known: fc.boolean() }),
    fc.constant({ kind: 'turn' as const }),
    fc.constant({ kind: 'answer' as const }),
    fc.record({ kind: fc.constant('lose' as const), taken: fc.boolean() }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const { contacts, iqs, turn, settle, there } = world();
      const wanted = new Map<string, string>();
      contacts.attach();
      for (const each of steps) {
        if (each.kind === 'show') {
          wanted.set(jidOf(each.n), `${each.status}`);
          contacts.show(jidOf(each.n), look(`${each.status}`)).catch(() => undefined);
        } else if (each.kind === 'hide') {
          wanted.delete(jidOf(each.n));
          contacts.hide(jidOf(each.n)).catch(() => undefined);
        } else if (each.kind === 'found') {
          // What somebody read some time ago may be old, in one direction only: it is never newer.
          if (!each.known) contacts.found(jidOf(each.n), null);
          if (!each.known) there.delete(jidOf(each.n));
        } else if (each.kind === 'answer') iqs.shift()?.answer();
        else if (each.kind === 'lose') {
          contacts.detach(lost);
          // mod_lhc may have taken what has no answer.
          for (const { answer } of iqs.splice(0)) if (each.taken) answer();
          contacts.attach();
        }
        if (each.kind !== 'show' && each.kind !== 'hide') await turn();
      }
      await settle();
      expect(new Map([...there].toSorted())).toEqual(new Map([...wanted].toSorted()));
      expect(contacts.isSettled).toBe(true);
      expect(contacts.jids().toSorted()).toEqual([...wanted.keys()].toSorted());
    }),
    { numRuns: 300 },
  );
});

describe('a contact that goes for good', () => {
  const gone = `<gone jid="${jidOf(1)}" forget="true"/>`;
  const sent = (iqs: readonly { readonly entries: readonly string[] }[]) =>
    iqs.flatMap(({ entries }) => entries.filter((entry) => entry.startsWith('<gone')));

  test('is told so, whether mod_lhc has it or not', async () => {
    const { contacts, iqs, turn, settle } = world();
    contacts.attach();
    const done = contacts.hide(jidOf(1), true);
    await turn();
    expect(sent(iqs)).toEqual([gone]);
    await settle();
    await done;
    contacts.found(jidOf(1), null);
    expect(contacts.isSettled).toBe(true);
  });

  test('is told so after it has gone, and while an answer is on its way', async () => {
    const { contacts, iqs, turn, settle } = world();
    contacts.attach();
    void contacts.show(jidOf(1), look('here'));
    await settle();
    const hidden = contacts.hide(jidOf(1));
    await turn();
    const done = contacts.hide(jidOf(1), true);
    contacts.found(jidOf(1), null);
    iqs[0]?.answer();
    await turn();
    expect(sent(iqs)).toEqual([`<gone jid="${jidOf(1)}"/>`, gone]);
    await settle();
    await Promise.all([hidden, done]);
  });

  test('and comes back has nothing forgotten', async () => {
    const { contacts, iqs, settle, there } = world();
    contacts.attach();
    const done = outcome(contacts.hide(jidOf(1), true));
    void contacts.show(jidOf(1), look('back'));
    await settle();
    expect(await done).toBeUndefined();
    expect(sent(iqs)).toEqual([]);
    expect(there.get(jidOf(1))).toBe('back');
  });

  test('is told so, if mod_lhc never had it', async () => {
    const { contacts, iqs, turn, settle } = world();
    const shown = outcome(contacts.show(jidOf(1), look('here')));
    contacts.found(jidOf(1), null);
    const done = contacts.hide(jidOf(1), true);
    contacts.attach();
    await turn();
    expect(sent(iqs)).toEqual([gone]);
    await settle();
    await Promise.all([shown, done]);
  });
});
