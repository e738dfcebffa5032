/** The lane of a tenant whose LHC has the xmppservice wire, against real HTTP. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { VisitorCommand } from '../../../src/actors/visitor/decisions.ts';
import { createCallbackClient } from '../../../src/lhc/callback-client.ts';
import { createCallbacks } from '../../../src/reactors/lhc/callback-lane.ts';
import {
  addNote,
  assignChat,
  changePresence,
  closeChat,
  notifyVisitor,
  openSession,
  receive,
  register,
  sendCommand,
  sendMessage,
  startChat,
  viewPage,
} from '../../actors/facts.ts';
import { type Lhc, startLhc } from '../../support/lhc.ts';
import { username } from '../../support/names.ts';
import { ACME, newId, openRig, type Rig } from '../../support/rig.ts';

let rig: Rig;
let lhc: Lhc;
beforeEach(async () => {
  lhc = await startLhc();
  rig = await openRig({
    settings: {
      callbackUrl: lhc.url.replace('/callback', '/xmppservice'),
      callbackFlavour: 'xmppservice',
      instance: 'zeta',
    },
  });
  await rig.toOperator('op1', register());
});
afterEach(() => Promise.all([rig.close(), lhc.close()]));

const unavailable = { kind: 'status', status: 503, headers: { 'retry-after': '300' } } as const;
const callbacksOf = () =>
  createCallbacks({
    ...rig,
    random: Math.random,
    newId,
    client: createCallbackClient({ unknownVisitorRetry: { firstMs: 0, mostMs: 0 } }),
  });

/** Performs what a lane would. Reports what is given up. */
async function run(stream: string) {
  const { destination } = callbacksOf();
  const kinds: string[] = [];
  for (const event of await rig.facts(stream)) {
    if (!destination.concerns(event)) continue;
    const outcome = await destination.perform(event, new AbortController().signal);
    if (outcome.kind === 'dead') await destination.reportFailure?.(event, outcome.reason);
    kinds.push(outcome.kind === 'done' && outcome.idle ? 'idle' : outcome.kind);
    if (outcome.kind === 'retry') break;
  }
  return kinds;
}
/** What LHC got: `sender > receiver: body`, or the status of an operator. */
const heard = () =>
  lhc.requests.map(({ path, text }) => {
    if (path.endsWith('operatorstatus')) return text;
    const fields = new URLSearchParams(text);
    return `${fields.get('sender')} > ${fields.get('receiver')}: ${fields.get('body')}`;
  });

it('LHC hears what has a form there, and the rest is settled without a word', async () => {
  await rig.toVisitor('7', viewPage());
  await rig.toVisitor('7', receive('op1', 'i1'));
  await rig.toVisitor('7', startChat('41', 'm1'));
  await rig.toVisitor('7', { ...notifyVisitor(), chatId: '41' } as VisitorCommand);
  await rig.toVisitor('7', assignChat('op1', null, '41'));
  await rig.toVisitor('7', receive('op1', 'o1'));
  await rig.toVisitor('7', addNote());
  await rig.toVisitor('7', sendCommand());
  await rig.toVisitor('7', sendMessage('m2'));
  await rig.toVisitor('7', { type: 'ReportMessageDelivered', messageIds: ['m1'], by: 'receipt' });
  await rig.toVisitor('7', closeChat('41', 'operator'));
  await rig.toVisitor('7', { type: 'TimeOut' });
  await rig.toVisitor('7', startChat('42', 'm3'));
  await rig.toVisitor('7', assignChat('op1', null, '42'));
  await rig.toVisitor('7', closeChat('42', 'system'));
  const kinds = await run('visitor-acme.7');
  expect(kinds.filter((kind) => kind !== 'idle' && kind !== 'done')).toEqual([]);
  expect(heard()).toEqual([
    'op1.zeta > visitor.7.zeta: How can I help?',
    'op1.zeta > visitor.7.zeta: How can I help?',
    'op1.zeta > visitor.41.chat.zeta: !note Pays by invoice',
    'op1.zeta > visitor.7.zeta: !block',
    'op1.zeta > visitor.41.chat.zeta: !close',
  ]);
});

it('LHC hears of operators by their accounts, and not that a former LHC user is offline', async () => {
  await rig.toOperator('op1', openSession());
  await rig.toOperator('op1', changePresence('available'));
  const asUser7 = register(5);
  if (asUser7.type !== 'Register') throw new Error('it registers');
  await rig.toOperator('op1', asUser7);
  await rig.toOperator('op1', { ...asUser7, lhcUserId: 8 });
  await rig.toOperator('op1', { type: 'CloseSession', session: 's1' });
  await rig.toOperator('stranger', openSession());
  await run('operator-acme.op1');
  await run('operator-acme.stranger');
  const account = { user: 'op1.zeta', server: 'xmpp.test' };
  const said = heard().map((each) => JSON.parse(each));
  expect(said).toEqual([
    { action: 'connect', ...account },
    { action: 'connect', ...account },
    { action: 'disconnect', ...account },
  ]);
});

it('a message for a visitor whom LHC does not know is given up, and its sender reads so', async () => {
  await rig.toVisitor('7', viewPage());
  await rig.toVisitor('7', receive('op1', 'i1', { receipt: true }));
  lhc.behave(({ path }) =>
    path.endsWith('processmessage') ? unavailable : { kind: 'status', status: 200 },
  );
  expect(await run('visitor-acme.7')).toEqual(['dead']);
  const refused = (await rig.facts('operator-acme.op1')).filter(
    ({ type }) => type === 'MessageRefused',
  );
  expect(refused.map(({ data }) => data)).toEqual([
    { visitor: '7', messageId: 'i1', reason: 'LHC does not know this visitor' },
  ]);
  expect(await rig.types('visitor-acme.7')).not.toContain('OperatorMessageAccepted');
  await run('visitor-acme.7'); // as after a crash
  expect(await rig.types('operator-acme.op1')).toHaveLength(2);
});

it('a receipt is sent when LHC has answered 200, and waits while LHC is away', async () => {
  await rig.toVisitor('7', viewPage());
  await rig.toVisitor('7', receive('op1', 'i1', { receipt: true }));
  lhc.behave(unavailable);
  expect(await run('visitor-acme.7')).toEqual(['retry']);
  expect(await rig.types('visitor-acme.7')).not.toContain('OperatorMessageAccepted');
  lhc.behave({ kind: 'status', status: 200 });
  await run('visitor-acme.7');
  expect(await rig.types('visitor-acme.7')).toContain('OperatorMessageAccepted');
  expect(await rig.types('operator-acme.op1')).not.toContain('MessageRefused');
});

it('signs of life name the client; typing has no form', async () => {
  const callbacks = callbacksOf();
  const operator = await callbacks.operator(ACME, username('op1'));
  const at = '2026-01-01T00:00:00.000Z';
  await callbacks.ephemeral(ACME, {
    type: 'operator.alive',
    data: { operator, at, resource: 'gajim.1' },
  });
  await callbacks.ephemeral(ACME, {
    type: 'operator.typing',
    data: { visitor: '7', chatId: '41', operator, state: 'composing' },
  });
  expect(heard()).toEqual(['{"action":"ping","user":"op1.zeta@xmpp.test/gajim.1"}']);
});
