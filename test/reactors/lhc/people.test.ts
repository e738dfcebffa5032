/** Which operator an LHC user is, on a real log: registered, renumbered, removed, and registered by another process. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createLhcPeople } from '../../../src/reactors/lhc/people.ts';
import { createLhcUsers } from '../../../src/reactors/operators/lhc-users.ts';
import { createActors } from '../../../src/runtime/host/actors.ts';
import type { LhcPeople } from '../../../src/runtime/lhc-ports.ts';
import {
  changePresence,
  closeSession,
  openSession,
  register,
  startChat,
} from '../../actors/facts.ts';
import { username, visitorKey } from '../../support/names.ts';
import { ACME, newId, openRig, type Rig } from '../../support/rig.ts';

let rig: Rig;
let people: LhcPeople;
beforeEach(async () => {
  rig = await openRig();
  people = createLhcPeople(rig.actors);
  await rig.toVisitor('1', startChat('c1'));
});
afterEach(() => rig.close());

/** Registers an operator as the service does: the LHC user is claimed first. */
async function registers(name: string, lhcUserId: number, actors = rig.actors): Promise<void> {
  const users = createLhcUsers({ actors, now: rig.now });
  const state = await actors.operator(ACME, username(name)).state();
  await users.claim(ACME, username(name), lhcUserId, state?.revision ?? -1);
  await actors.operator(ACME, username(name)).send({ ...register(), lhcUserId });
}
const logsIn = async (name: string) => {
  await rig.toOperator(name, openSession());
  await rig.toOperator(name, changePresence('away'));
};
const owner = (lhcUserId: number, chatId = 'c1') =>
  people.owner(
    ACME,
    visitorKey('1'),
    { chatId, lhcUserId, name: 'Ada', accepted: true },
    { commandId: newId() },
  );
const has = async () => {
  const chat = (await rig.visitor('1').state())?.context.chat;
  return chat?.operator ?? chat?.inLhc?.lhcUserId;
};

it('an operator with a client has the chat in XMPP, whatever the client shows; without one in LHC', async () => {
  await registers('ada', 7);
  await owner(7);
  expect(await has()).toBe(7);
  await logsIn('ada');
  await owner(7); // as before
  expect(await has()).toBe(7);
  await registers('pia', 8);
  await logsIn('pia');
  await owner(8);
  expect(await has()).toBe('pia');
});

it('an operator who was removed, or is another LHC user now, is nobody that we know', async () => {
  await registers('ada', 7);
  await logsIn('ada');
  await registers('ada', 9);
  await owner(7);
  expect(await has()).toBe(7);
  await owner(9);
  expect(await has()).toBe('ada');
  await rig.toOperator('ada', { type: 'Remove' });
  await owner(9);
  expect(await has()).toBe(9);
});

it('an operator whom another process has just registered is known', async () => {
  const processOf = () => createActors(rig.makeHost({ shared: true }), newId);
  const other = processOf();
  people = createLhcPeople(processOf());
  await owner(7);
  await registers('ada', 8, other);
  await other.operator(ACME, username('ada')).send(openSession());
  await other.operator(ACME, username('ada')).send(changePresence('available'));
  await owner(8);
  const last = (await rig.facts('visitor-acme.1')).at(-1);
  expect([last?.type, last?.data.operator]).toEqual(['ChatAccepted', 'ada']);
});

it('a message is taken once for its id; a bot is nobody', async () => {
  await registers('ada', 7);
  await logsIn('ada');
  const says = (id: string, lhcUserId: number) =>
    people.message(
      ACME,
      visitorKey('1'),
      { chatId: 'c1', id, lhcUserId, body: 'Hi' },
      { commandId: `msg:${id}`, request: 'aafingerprint' },
    );
  await says('l1', -2);
  expect(await has()).toBeUndefined();
  await says('l2', 7);
  await says('l2', 7);
  expect(await has()).toBe('ada');
  const written = (await rig.facts('visitor-acme.1')).filter(
    ({ type }) => type === 'MessageWrittenInLhc',
  );
  expect(written.map(({ data }) => [data.messageId, data.operator, data.to])).toEqual([
    ['l1', undefined, undefined],
    ['l2', 'ada', 'ada'],
  ]);
  await rig.toOperator('ada', closeSession());
  await says('l3', 7);
  expect(await has()).toBe(7);
});
