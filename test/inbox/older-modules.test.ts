/** What the older modules say, as events for the inbox; and which module is believed. */
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { createTenantDirectory } from '../../src/actors/tenant/directory.ts';
import {
  createOlderModules,
  createReporters,
  MOD_LHC_SILENT_MS,
} from '../../src/inbox/older-modules.ts';
import { tenantId, username } from '../support/names.ts';
import { tenantWith } from '../support/tenant.ts';

const HOST = 'xmpp.test';
const SHARED = 'shared.test';
const keyed = (id: string, more: object) =>
  tenantWith({ id, apiKey: `key-of-the-tenant-${id}`, ...more });
const tenants = createTenantDirectory([
  keyed('alone', { host: HOST }),
  keyed('acme', { host: SHARED, instance: 'acme-shop' }),
  keyed('short', { host: SHARED, instance: 'acme' }),
  keyed('zeta', { host: SHARED, instance: 'zeta' }),
]);
const STAND_IN = { 'resource:gajim': { resource: 'gajim', show: 'available', responsive: true } };
const REPORTED = { 'id-1': { resource: 'gajim', show: 'available', responsive: true } };

function modules({ sessions = STAND_IN as object, isAllowed = true } = {}) {
  let clock = 0;
  const events: Record<string, unknown>[] = [];
  const compared: unknown[][] = [];
  const base = {
    tenants,
    monotonic: () => clock,
    actors: {
      // Of an operator's state only this is read.
      operator: () =>
        ({ state: async () => ({ context: { registered: true, sessions } }) }) as never,
    },
  };
  const reporters = createReporters(base, isAllowed);
  const older = createOlderModules({
    ...base,
    reporters,
    inbox: { take: async (some) => void events.push(...(some as Record<string, unknown>[])) },
    compareSessions: (...args) => void compared.push(args),
    now: () => 0,
    logger: pino({ level: 'silent' }),
  });
  const say = (body: string, { host = HOST, operator = 'olga', calledAs = '' } = {}) =>
    older.take({ type: 'message', host, operator, receiver: 'visitor.7', body }, calledAs);
  return {
    older,
    reporters,
    events,
    compared,
    say,
    pass: (ms: number) => {
      clock += ms;
    },
  };
}

it('messages become events of a queue of their sender, each with an id of its own', async () => {
  const { say, events } = modules();
  await Promise.all([say('one'), say('one'), say('two', { operator: 'Oskar' })]);
  expect(events.map(({ seq, from, to, body }) => [seq, from, to, body])).toEqual([
    [1, `olga@${HOST}`, `visitor.7@${HOST}`, { '': 'one' }],
    [1, `oskar@${HOST}`, `visitor.7@${HOST}`, { '': 'two' }],
    [2, `olga@${HOST}`, `visitor.7@${HOST}`, { '': 'one' }],
  ]);
  expect(new Set(events.map(({ id }) => id)).size).toBe(3);
  expect(new Set(events.map(({ queueId }) => queueId)).size).toBe(2);
});

it('sessions are asked of ejabberd, and what mod_lhc had reported is not believed any more', async () => {
  const { older, compared, reporters, pass } = modules({ sessions: REPORTED });
  const session = { type: 'session', host: HOST, operator: 'olga' } as const;
  await older.take(session, '');
  reporters.noteSigned([{ host: HOST }]);
  await older.take(session, '');
  pass(MOD_LHC_SILENT_MS);
  await older.take({ ...session, operator: 'visitor.7' }, '');
  expect(compared).toEqual([
    ['alone', 'olga', ['id-1']],
    ['alone', 'olga', []],
  ]);
});

it('a sign of life of a session that is not known has ejabberd asked, too', async () => {
  const { older, compared, events } = modules();
  const ping = { type: 'ping', host: HOST, operator: 'olga' } as const;
  await older.take({ ...ping, resource: 'gajim' }, '');
  await older.take({ ...ping, resource: 'other' }, '');
  expect(events).toMatchObject([{ type: 'operator.ping', user: 'olga', resource: 'gajim' }]);
  expect(compared).toEqual([['alone', 'olga', []]]);
});

it('where our mod_lhc reports, the same message of the older modules is ignored', async () => {
  const { say, events, reporters, pass } = modules();
  reporters.noteSigned([{ host: HOST }, null, { host: 7 }]);
  await say('twice');
  await say('elsewhere', { host: SHARED, operator: 'amy.zeta' });
  pass(MOD_LHC_SILENT_MS);
  await say('mod_lhc is gone');
  expect(events.map(({ body }) => body)).toEqual([{ '': 'elsewhere' }, { '': 'mod_lhc is gone' }]);
});

it.each([
  ['alone', true, STAND_IN, false, true],
  ['of an operator who is offline', true, {}, false, true],
  ['not allowed', false, STAND_IN, false, false],
  ['mod_lhc has reported a session', true, REPORTED, false, false],
  ['mod_lhc reports from the host', true, STAND_IN, true, false],
])(
  'a message is delivered when it is taken: %s',
  async (_what, isAllowed, sessions, signed, is) => {
    const { reporters } = modules({ isAllowed, sessions });
    if (signed) reporters.noteSigned([{ host: HOST }]);
    expect(await reporters.areOlderAlone(tenantId('alone'), username('olga'))).toBe(is);
  },
);

it.each([
  ['amy.acme-shop', 'acme.shop.hosted.example', true],
  ['amy.acme-shop', 'ACME.shop.hosted.example:8090', true],
  ['amy.acme-shop', '127.0.0.1:8090', true],
  ['amy.acme-shop', 'zeta.hosted.example', false],
  ['amy.zeta', 'acme.shop.hosted.example', false],
  // `acme` below `shop.hosted.example`, or `acme-shop` below `hosted.example`: both are possible.
  ['amy.acme', 'acme.shop.hosted.example', true],
])('in hosting the names are believed: %s at %s', async (operator, calledAs, isTaken) => {
  const { say, events } = modules();
  const saying = say('x', { host: SHARED, operator, calledAs });
  if (isTaken) await saying;
  else await expect(saying).rejects.toMatchObject({ code: 'refused' });
  expect(events).toHaveLength(isTaken ? 1 : 0);
});

it('the host of no tenant is refused', async () => {
  const { say } = modules();
  await expect(say('x', { host: 'other.test' })).rejects.toMatchObject({ code: 'refused' });
});
