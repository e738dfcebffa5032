/** Whatever an event holds, the batch that it is in is taken, and the events behind it have their effect. */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createInbox, type ServiceInbox } from '../../src/inbox/inbox.ts';
import { createSetAside } from '../../src/inbox/set-aside.ts';
import { register, startChat, viewPage } from '../actors/facts.ts';
import { HOST, jidOf, newId, openRig, type Rig, silent } from '../support/rig.ts';

let rig: Rig;
let inbox: ServiceInbox;
const queueId = newId();
let seq = 0;
beforeAll(async () => {
  rig = await openRig();
  for (const name of ['op1', 'op2']) await rig.toOperator(name, register(5));
  for (const key of ['1', '2']) await rig.toVisitor(key, viewPage());
  await rig.toVisitor('2', startChat('c2'));
  const { store, vault, now, actors, tenants, digestKey } = rig;
  inbox = createInbox({
    actors,
    store,
    tenants,
    digestKey,
    setAside: createSetAside({ store, vault, now, newId }),
    operatorName: async () => null,
    visitorName: async () => null,
    colleagues: async () => [],
    team: rig.team,
    canned: rig.canned,
    signals: {
      moduleStarted: async () => {},
      sessionsUnsure: () => {},
      returned: () => {},
      operatorAlive: () => {},
      operatorTyping: () => {},
      operatorWrote: () => {},
      operatorSessionEnded: () => {},
      stanzasArrived: () => {},
    },
    transfer: () => Promise.reject(new TypeError('nothing is handed on here')),
    logger: silent,
    storeWasAway: () => false,
    random: () => 0,
  });
});
afterAll(() => rig.close());

const base = () => {
  seq++;
  const at = new Date(Date.parse('2026-01-01T00:00:00Z') + seq * 1000).toISOString();
  return { queueId, seq, at, host: HOST };
};

/** Texts that break things: NUL, lone surrogates, names of Object.prototype, control characters, commands. */
const oddText = fc.constantFrom(
  '',
  '\u0000',
  '\ud800',
  'a\udc00b',
  '\uffff\ufffe\u2028\u202e',
  '__proto__',
  'constructor',
  'toString',
  '\r\n\t\u0007\u001b[2J',
  '!history 9999',
  '!transfer op2',
  '!note \u0000',
  '!'.repeat(2_000),
  '> quoted\n'.repeat(2_000),
);
const text = fc.oneof(fc.string({ unit: 'binary', maxLength: 40 }), fc.string(), oddText);
/** Texts of some 1 to 3 MiB as JSON. */
const hugeText = fc
  .tuple(
    fc.constantFrom('x', '"', '\u0001', '\ud83d\ude00', '\ud800'),
    fc.integer({ min: 1, max: 3 }),
  )
  .map(([unit, size]) => unit.repeat(size * 300_000));
const anything = fc.oneof(
  { weight: 3, arbitrary: fc.json().map((json) => JSON.parse(json)) },
  { weight: 3, arbitrary: text },
  { weight: 2, arbitrary: fc.double() },
  { weight: 2, arbitrary: fc.constantFrom(null, true, -1, 0, 1e308, 2 ** 53, [], {}, [[]]) },
  { weight: 1, arbitrary: hugeText },
);
const person = fc.constantFrom(
  `op1@${HOST}/desk`,
  `op2@${HOST}/desk`,
  `stranger@${HOST}`,
  `__proto__@${HOST}`,
  jidOf('2'),
  'nobody',
);
const addressee = fc.constantFrom(jidOf('2'), jidOf('nobody'), `op1@${HOST}`, '@', '/');
const types = fc.constantFrom(
  'module.started',
  'operator.connected',
  'operator.disconnected',
  'operator.presence',
  'operator.ping',
  'operator.ping_timeout',
  'message',
  'retraction',
  'reaction',
  'unsupported',
  'chat_state',
  'delivered',
  'displayed',
  'of.the.future',
  '__proto__',
);
const or = <T>(usual: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 4, arbitrary: usual }, { weight: 1, arbitrary: anything });
const fields = fc.record(
  {
    type: or(types),
    from: or(person),
    to: or(addressee),
    id: or(text),
    body: or(fc.dictionary(fc.oneof(text, fc.constant('')), fc.oneof(text, hugeText))),
    what: or(text),
    state: or(fc.constantFrom('composing', 'paused')),
    ids: or(fc.array(text, { maxLength: 5 })),
    by: or(fc.constantFrom('ping', 'receipt')),
    user: or(fc.constantFrom('op1', 'op2', 'stranger')),
    resource: or(text),
    session: or(text),
    show: or(fc.constantFrom('available', 'away', 'unavailable')),
    status: or(fc.oneof(text, hugeText)),
    replaces: or(text),
    replyTo: or(text),
    quote: or(fc.tuple(fc.integer(), fc.integer())),
    retracts: or(text),
    reactsTo: or(text),
    reactions: or(fc.array(text, { maxLength: 5 })),
    instance: or(text),
    receipt: or(fc.boolean()),
  },
  { requiredKeys: ['type'] },
);
/** As text, because JSON can say more than a JavaScript object: `__proto__`, a number without end, deep nesting. */
const deep = (levels: number): string => `${'[{"a":'.repeat(levels)}1${'}]'.repeat(levels)}`;
const spliced = fc.constantFrom(
  '',
  ',"__proto__":{"type":"message"}',
  ',"n":1e999999',
  `,"n":${'9'.repeat(5_000)}`,
  `,"body":${deep(5_000)}`,
  `,"extra":${deep(5_000)}`,
  ',"seq":-1',
  ',"seq":"1"',
  ',"queueId":{"toString":1}',
  ',"at":7',
  ',"host":null',
);
const odd = fc.oneof(
  { weight: 8, arbitrary: fc.tuple(fields, spliced) },
  {
    weight: 1,
    arbitrary: fc.tuple(
      fc.constant({ type: 'message', from: `op1@${HOST}/x`, to: jidOf('2'), id: 'd' }),
      spliced,
    ),
  },
  { weight: 1, arbitrary: fc.tuple(anything, fc.constant('')) },
);

it('holds for texts of any size, deep nesting, lone surrogates, NUL, huge numbers, __proto__, any type', async () => {
  let good = 0;
  const received = async () =>
    (await rig.facts('visitor-acme.1')).flatMap(({ type, data }) =>
      type === 'OperatorMessageReceived' ? [data.messageId] : [],
    );
  await fc.assert(
    fc.asyncProperty(fc.array(odd, { minLength: 1, maxLength: 3 }), async (events) => {
      const json = events.map(([event, more]) => {
        if (typeof event !== 'object' || event === null || Array.isArray(event)) {
          return JSON.stringify(event) ?? 'null';
        }
        return `${JSON.stringify({ ...base(), ...event }).slice(0, -1)}${more}}`;
      });
      const id = `good-${++good}`;
      const behind = {
        ...base(),
        type: 'message',
        from: `op1@${HOST}/desk`,
        to: jidOf('1'),
        id,
        body: { '': id },
      };
      await inbox.take(JSON.parse(`[${[...json, JSON.stringify(behind)].join(',')}]`));
      expect((await received()).at(-1)).toBe(id);
    }),
    { numRuns: 60 },
  );
  expect(inbox.counts.setAside).toBeGreaterThan(0);
  expect(inbox.counts.dropped).toBeGreaterThan(0);
}, 120_000);
