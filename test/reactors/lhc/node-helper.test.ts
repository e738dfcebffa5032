import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TenantId } from '../../../src/actors/ids.ts';
import { createTenantDirectory } from '../../../src/actors/tenant/directory.ts';
import type { VisitorCommand } from '../../../src/actors/visitor/decisions.ts';
import { heardIn, payloadOf } from '../../../src/lhc/node-helper.ts';
import { createCallbacks } from '../../../src/reactors/lhc/callback-lane.ts';
import {
  createNodeHelper,
  HEARD_RATE,
  type NodeHelper,
} from '../../../src/reactors/lhc/node-helper.ts';
import { createOperatorTyping } from '../../../src/reactors/lhc/operator-typing.ts';
import { openRoutingTables, ROUTING_TABLE } from '../../../src/reactors/routing/table-queries.ts';
import { soleOwner } from '../../../src/runtime/leases/ownership.ts';
import {
  assignChat,
  closeChat,
  react,
  receive,
  register,
  retract,
  startChat,
  viewPage,
} from '../../actors/facts.ts';
import { fakeLhc } from '../../support/fake-lhc.ts';
import { username, visitorKey } from '../../support/names.ts';
import { ACME, newId, openRig, type Rig, silent } from '../../support/rig.ts';
import { tenantWith } from '../../support/tenant.ts';
import { waitFor } from '../../support/wait.ts';

const VID = '0123456789abcdef0123456789abcdef';
const URL = 'https://lhc.test/callback';
let rig: Rig;
let caughtUp: () => Promise<void>;
const published: string[] = [];
const forwarded: string[] = [];
const helpers: NodeHelper[] = [];
beforeEach(async () => {
  rig = await openRig({ settings: { callbackUrl: URL } });
  caughtUp = await rig.follow([ROUTING_TABLE]);
  published.length = 0;
  forwarded.length = 0;
  await rig.toOperator('op1', register());
});
afterEach(async () => {
  for (const helper of helpers.splice(0)) helper.stop();
  await rig.close();
});

const directory = (...tenants: Record<string, unknown>[]) =>
  createTenantDirectory(
    tenants.map((each, index) => tenantWith({ apiKey: `key-0123456789abcdef-${index}`, ...each })),
  );
function make(tenants = rig.tenants, { owns = true, goneAfterMs = { grace: 5, answer: 5 } } = {}) {
  const helper = createNodeHelper({
    ...rig,
    tenants,
    operatorName: async () => 'Olga',
    visitorOf: openRoutingTables(rig.workFile).visitorOf,
    ownership: { ...soleOwner, owns: () => owns },
    typing: async (tenant, visitor, state) => {
      forwarded.push(`${tenant} ${visitor} ${state}`);
    },
    publish: (channel, operation) => published.push(`${channel} ${JSON.stringify(operation)}`),
    read: heardIn,
    logger: silent,
    goneAfterMs,
  });
  helpers.push(helper);
  return helper;
}
const say = async (key: string, ...commands: VisitorCommand[]) => {
  for (const command of commands) await rig.toVisitor(key, command);
  await caughtUp();
};
const openChat = () => say('7', viewPage(), startChat('41', 'm1'), assignChat('op1', null, '41'));
const widget = (operation: object): string => `uuid/o:${JSON.stringify(operation)}`;

describe('a widget looks', () => {
  async function run(helper: NodeHelper, lhc = fakeLhc()) {
    const { destination } = createCallbacks({
      ...rig,
      random: Math.random,
      newId,
      client: lhc.client,
      onAccepted: helper.accepted,
    });
    for (const event of await rig.facts('visitor-acme.7')) {
      if (!destination.concerns(event)) continue;
      await destination.perform(event, new AbortController().signal);
    }
  }

  it('after LHC has accepted what is new: an invitation, an answer, a message, the end', async () => {
    await say('7', { ...viewPage(), profile: { page: '/', vid: VID } } as VisitorCommand);
    await say('7', receive('op1', 'i1'), startChat('41', 'm1'), assignChat('op1', null, '41'));
    await say('7', receive('op1', 'o1'), retract('op1', 'o1'), react('op1', 'm1'));
    await say('7', closeChat('41', 'operator'));
    const lhc = fakeLhc();
    lhc.state.answer = async () => ({ outcome: 'retry', reason: 'answered 500' });
    await run(make(), lhc);
    expect(published).toEqual([]);
    await run(make());
    await waitFor(() => published.length === 6);
    expect(published.toSorted()).toEqual([
      'chat_41 {"op":"cclose"}',
      // The message, that it was taken back, and the reaction.
      'chat_41 {"op":"cmsg"}',
      'chat_41 {"op":"cmsg"}',
      'chat_41 {"op":"cmsg"}',
      'chat_41 {"op":"schange"}',
      `uo_${VID} {"op":"check_message"}`,
    ]);
  });

  it('for an invitation only if LHC has said which browser it is', async () => {
    await say(
      '7',
      viewPage(),
      receive('op1', 'i1'),
      startChat('41'),
      assignChat('op1', null, '41'),
    );
    await say('7', receive('op1', 'o1'));
    await run(make());
    expect(published.filter((each) => !each.startsWith('chat_41'))).toEqual([]);
  });
});

it('a widget shows an operator who types, until they write, stop, or lose the chat', async () => {
  await openChat();
  const helper = make();
  const typing = createOperatorTyping({
    actors: rig.actors,
    callbacks: {
      operator: async () => ({ username: 'op1', lhcUserId: 7 }),
      ephemeral: async () => undefined,
    },
    show: helper.operatorTyping,
    monotonic: rig.monotonic,
    lapseMs: 60_000,
    inBackground: (work) => void work,
  });
  const says = (state: 'composing' | 'paused') => {
    rig.clock.passes(2_000);
    typing.typing(ACME, visitorKey('7'), username('op1'), state, 'gajim');
  };
  const off = 'chat_41 {"op":"ot","data":{"status":false}}';
  const on = 'chat_41 {"op":"ot","data":{"status":true,"ttx":"Olga is typing …","typer":"Olga"}}';
  says('composing');
  await waitFor(() => published.length === 1);
  says('paused');
  await waitFor(() => published.length === 2);
  says('composing');
  await waitFor(() => published.length === 3);
  typing.wrote(ACME, visitorKey('7'), username('op1'), true);
  await waitFor(() => published.length === 4);
  says('composing');
  await waitFor(() => published.length === 5);
  await say('7', closeChat('41', 'operator'));
  typing.onCommit(await rig.facts('visitor-acme.7'));
  await waitFor(() => published.length === 6);
  expect(published).toEqual([on, off, on, off, on, off]);
});

describe('a visitor', () => {
  beforeEach(openChat);

  it('who types is shown, once a second, and so is the end', () => {
    const helper = make();
    const type = (msg: string) => helper.heard('chat_41', widget({ op: 'vt', msg }));
    type('I');
    type('I w');
    rig.clock.passes(1_000);
    type('I would');
    helper.heard('chat_41', widget({ op: 'vts' }));
    type('✉️ I would like');
    type('📕️ error happened');
    expect(forwarded.map((each) => each.split(' ').pop())).toEqual([
      'composing',
      'composing',
      'paused',
      'active',
    ]);
    expect(helper.counts.heard).toBe(6);
  });

  it('who opens another page is not gone', async () => {
    const helper = make(rig.tenants, { goneAfterMs: { grace: 5, answer: 60_000 } });
    helper.heard('chat_41', widget({ op: 'vi_online', status: false }));
    await waitFor(() => published.length === 1);
    expect(published).toEqual(['chat_41 {"op":"vo"}']);
    helper.heard('chat_41', widget({ op: 'vi_online', status: true }));
    helper.heard('chat_41', widget({ op: 'vi_online', status: true }));
    expect(forwarded).toEqual([]);
  });

  it('whose pages do not answer is gone, and is back with the first sign', async () => {
    const helper = make();
    helper.heard('chat_41', widget({ op: 'vi_online', status: false }));
    await waitFor(() => forwarded.length === 1);
    helper.heard('chat_41', widget({ op: 'vi_online', status: true }));
    expect(forwarded).toEqual(['acme 7 gone', 'acme 7 active']);
    expect(await rig.types('visitor-acme.7')).not.toContain('TimedOut');
  });

  it('of another process is that process’s', () => {
    make(rig.tenants, { owns: false }).heard('chat_41', widget({ op: 'vts' }));
    expect(forwarded).toEqual([]);
  });

  it('without an open chat is nobody', async () => {
    const helper = make();
    helper.heard('chat_42', widget({ op: 'vts' }));
    await say('7', closeChat('41'));
    helper.heard('chat_41', widget({ op: 'vts' }));
    expect([forwarded, helper.counts.heard]).toEqual([[], 0]);
  });

  it.each([
    ['chat_41', payloadOf({ op: 'vts' })],
    ['chat_41', 'x/o:[1]'],
    ['chat_', widget({ op: 'vts' })],
    ['chat_41_', widget({ op: 'vts' })],
    ['chat__41', widget({ op: 'vts' })],
    ['chat_1_2_41', widget({ op: 'vts' })],
    ['ous_0', widget({ op: 'vts' })],
    ['uo_41', widget({ op: 'vts' })],
    ['chat_41\n', widget({ op: 'vts' })],
  ])('is not heard in %j %j', (channel, payload) => {
    const helper = make();
    helper.heard(channel, payload);
    expect(forwarded).toEqual([]);
  });

  it('who says too much is not heard any more for a while', () => {
    const helper = make();
    for (let i = 0; i < HEARD_RATE.burst + 10; i++) helper.heard('chat_99', widget({ op: 'vts' }));
    expect(helper.counts.tooMuch).toBe(10);
    rig.clock.passes(1_000);
    helper.heard('chat_41', widget({ op: 'vts' }));
    expect(forwarded).toEqual(['acme 7 paused']);
  });
});

describe('tenants', () => {
  const beta = { id: 'beta', host: 'other.test' };
  const acme = { id: 'acme', host: 'xmpp.test' };
  const vts = widget({ op: 'vts' });
  const shows = (helper: NodeHelper, id: string) =>
    helper.operatorTyping(TenantId.parse(id), '41', username('op1'), false);
  beforeEach(openChat);

  it('with the same channels have none, and /readyz is told', () => {
    const helper = make(directory(acme, beta));
    helper.heard('chat_41', vts);
    for (const id of ['acme', 'beta']) shows(helper, id);
    expect([forwarded, published]).toEqual([[], []]);
    expect(helper.shared()).toEqual(['chat_… (acme, beta)']);
  });

  it('of which only one has the helper are no trouble', () => {
    const helper = make(directory(acme, { ...beta, nodeHelper: { enabled: false } }));
    helper.heard('chat_41', vts);
    for (const id of ['acme', 'beta']) shows(helper, id);
    expect(forwarded).toEqual(['acme 7 paused']);
    expect(published).toEqual(['chat_41 {"op":"ot","data":{"status":false}}']);
    expect(helper.shared()).toEqual([]);
  });

  it('of one host have their instances in the channels, or the numbers that LHC has for them', () => {
    const instances = [
      { ...acme, instance: 'acme-shop' },
      { ...acme, id: 'zeta', instance: 'zeta', nodeHelper: { instance: '12' } },
    ];
    const helper = make(directory(...instances));
    for (const channel of ['chat_acme-shop_41', 'chat_12_41', 'chat_zeta_41', 'chat_41']) {
      helper.heard(channel, vts);
    }
    for (const id of ['acme', 'zeta']) shows(helper, id);
    expect(forwarded).toEqual(['acme 7 paused']); // there is no chat 41 of zeta
    expect(published.map((each) => each.split(' ')[0])).toEqual([
      'chat_acme-shop_41',
      'chat_12_41',
    ]);
  });

  it('cannot name a chat as the channel of another', async () => {
    await say('8', viewPage(), startChat('12_41'), assignChat('op1', null, '12_41'));
    const helper = make(
      directory(acme, { ...beta, instance: 'b', nodeHelper: { instance: '12' } }),
    );
    helper.heard('chat_12_41', vts);
    helper.operatorTyping(ACME, '12_41', username('op1'), false);
    expect([forwarded, published]).toEqual([[], []]);
  });
});
