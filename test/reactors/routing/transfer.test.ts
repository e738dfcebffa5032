import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { operatorRef } from '../../../src/actors/ids.ts';
import { createTransfer } from '../../../src/reactors/routing/transfer.ts';
import { createActors } from '../../../src/runtime/host/actors.ts';
import type { ActorHost } from '../../../src/runtime/host/host.ts';
import type { Receiver } from '../../../src/runtime/ports.ts';
import { changePresence, closeChat, openSession, register, startChat } from '../../actors/facts.ts';
import { username, visitorKey } from '../../support/names.ts';
import { ACME, newId, openRig, type Rig } from '../../support/rig.ts';

let rig: Rig;
beforeEach(async () => {
  rig = await openRig({ settings: { routing: { departments: { billing: {} } } } });
  for (const name of ['op1', 'op2']) {
    await rig.toOperator(name, register(1));
    await rig.toOperator(name, openSession());
    await rig.toOperator(name, changePresence('available'));
  }
  await rig.toVisitor('1', startChat('c1'));
  await rig.toVisitor('1', { type: 'AcceptChat', operator: username('op1') });
});
afterEach(() => rig.close());

const transfer = (
  from: string | null,
  to: Receiver,
  commandId = newId(),
  host: ActorHost = rig.host,
) =>
  createTransfer({
    actors: createActors(host, newId),
    tenants: rig.tenants,
    operatorsOf: () => [username('op1'), username('op2')],
  })(
    ACME,
    visitorKey('1'),
    { chatId: 'c1', from: from === null ? null : username(from), to },
    { commandId },
  );
const handed = async () =>
  (await rig.facts('visitor-acme.1')).filter(({ type }) => type === 'ChatTransferred');
const chatsOf = async (name: string) => {
  const state = await rig.operator(name).state();
  return Object.keys(state?.context.chats ?? {});
};

describe('LHC hands on a chat', () => {
  it('to whom it wants, also to who is away', async () => {
    await rig.toOperator('op2', changePresence('dnd'));
    await transfer(null, { operator: 'op2' });
    expect((await handed()).map(({ data }) => data)).toEqual([
      expect.objectContaining({ from: 'op1', operator: 'op2', by: 'lhc', reservation: null }),
    ]);
  });

  it('to who was registered by another process, of whom this one has heard nothing yet', async () => {
    const here = rig.makeHost({ shared: true });
    expect(await here.load(operatorRef(ACME, username('op3')))).toBeNull();
    await rig.toOperator('op3', register(3));
    await transfer(null, { operator: 'op3' }, newId(), here);
    expect((await handed()).map(({ data }) => data.operator)).toEqual(['op3']);
  });

  it('to a department that the settings name, though nobody serves it', async () => {
    await transfer(null, { department: 'Billing' });
    expect((await handed()).map(({ data }) => data)).toEqual([
      expect.objectContaining({ operator: null, department: 'billing' }),
    ]);
  });

  it.each<[Receiver, string]>([
    [{ operator: 'nobody' }, 'operator'],
    [{ operator: 'sales' }, 'operator'],
    [{ department: 'op2' }, 'department'],
  ])('to %j: who is not there is named', async (to, field) => {
    await expect(transfer(null, to)).rejects.toMatchObject({ code: 'refused', details: { field } });
    expect(await handed()).toEqual([]);
  });
});

describe('a transfer that comes again', () => {
  it.each([null, 'op1'])('of %s is the same, though the receiver is gone by then', async (from) => {
    const first = await transfer(from, { operator: 'op2' }, 'once');
    await rig.toOperator('op2', { type: 'Remove' });
    const second = await transfer(from, { operator: 'op2' }, 'once');
    expect(second).toMatchObject({ facts: 0, revision: first.revision, position: first.position });
    expect(await handed()).toHaveLength(1);
  });

  it('after a crash between the place and the chat takes no second place', async () => {
    const dying: ActorHost = {
      ...rig.host,
      dispatch: (actor, command, origin) =>
        command.type === 'TransferChat'
          ? Promise.reject(new Error('killed'))
          : rig.host.dispatch(actor, command, origin),
    };
    await expect(transfer('op1', { operator: 'op2' }, 'once', dying)).rejects.toThrow('killed');
    expect(await chatsOf('op2')).toEqual(['c1']);
    await transfer('op1', { operator: 'op2' }, 'once');
    expect(await chatsOf('op2')).toEqual(['c1']);
    expect(await handed()).toHaveLength(1);
  });
});

it('a chat that is closed at the same moment takes no place', async () => {
  const racing: ActorHost = {
    ...rig.host,
    async dispatch(actor, command, origin) {
      if (command.type === 'TransferChat') await rig.toVisitor('1', closeChat('c1'));
      return rig.host.dispatch(actor, command, origin);
    },
  };
  const wish = transfer('op1', { operator: 'op2' }, 'once', racing);
  await expect(wish).rejects.toMatchObject({ code: 'refused', message: 'chat c1 is not open' });
  expect(await chatsOf('op2')).toEqual([]);
});
