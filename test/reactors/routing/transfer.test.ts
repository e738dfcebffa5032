import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { operatorRef } from '../../../src/actors/ids.ts';
import { createOperatorNames } from '../../../src/reactors/operator-names.ts';
import { createTransfer, OPERATORS_IN_REFUSAL } from '../../../src/reactors/routing/transfer.ts';
import { createActors } from '../../../src/runtime/host/actors.ts';
import type { ActorHost } from '../../../src/runtime/host/host.ts';
import type { Receiver } from '../../../src/runtime/ports.ts';
import { changePresence, closeChat, openSession, register, startChat } from '../../actors/facts.ts';
import { username, visitorKey } from '../../support/names.ts';
import { ACME, newId, openRig, type Rig } from '../../support/rig.ts';

let rig: Rig;
beforeEach(async () => {
  registered = ['op1', 'op2'];
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

let registered = ['op1', 'op2'];
const operatorsOf = () => registered.map((name) => username(name));
const transfer = (
  from: string | null,
  to: Receiver,
  commandId = newId(),
  host: ActorHost = rig.host,
) =>
  createTransfer({
    actors: createActors(host, newId),
    tenants: rig.tenants,
    names: createOperatorNames({ ...rig, operatorsOf }),
    operatorsOf,
  })(
    ACME,
    visitorKey('1'),
    { chatId: 'c1', from: from === null ? null : username(from), to },
    { commandId },
  );
const transfers = async () =>
  (await rig.facts('visitor-acme.1')).filter(({ type }) => type === 'ChatTransferred');
const chatsOf = async (name: string) => {
  const state = await rig.operator(name).state();
  return Object.keys(state?.context.chats ?? {});
};

describe('a transfer by LHC', () => {
  it('reaches any registered operator, even one who is away', async () => {
    await rig.toOperator('op2', changePresence('dnd'));
    await transfer(null, { operator: 'op2' });
    expect((await transfers()).map(({ data }) => data)).toEqual([
      expect.objectContaining({ from: 'op1', operator: 'op2', by: 'lhc', reservation: null }),
    ]);
  });

  it('reaches an operator whom another process registered and this process does not know yet', async () => {
    const here = rig.makeHost({ shared: true });
    expect(await here.load(operatorRef(ACME, username('op3')))).toBeNull();
    await rig.toOperator('op3', register(3));
    await transfer(null, { operator: 'op3' }, newId(), here);
    expect((await transfers()).map(({ data }) => data.operator)).toEqual(['op3']);
  });

  it('reaches a department of the settings that nobody serves', async () => {
    await transfer(null, { department: 'Billing' });
    expect((await transfers()).map(({ data }) => data)).toEqual([
      expect.objectContaining({ operator: null, department: 'billing' }),
    ]);
  });

  it.each<[Receiver, string]>([
    [{ operator: 'nobody' }, 'operator'],
    [{ operator: 'sales' }, 'operator'],
    [{ department: 'op2' }, 'department'],
  ])('to %j is refused, and the refusal names the field', async (to, field) => {
    await expect(transfer(null, to)).rejects.toMatchObject({ code: 'refused', details: { field } });
    expect(await transfers()).toEqual([]);
  });
});

describe('a repeated transfer', () => {
  it.each([null, 'op1'])(
    'by %s gets the first answer, although the receiver was removed',
    async (from) => {
      const first = await transfer(from, { operator: 'op2' }, 'once');
      await rig.toOperator('op2', { type: 'Remove' });
      const second = await transfer(from, { operator: 'op2' }, 'once');
      expect(second).toMatchObject({
        facts: 0,
        revision: first.revision,
        position: first.position,
      });
      expect(await transfers()).toHaveLength(1);
    },
  );

  it('after a crash between reservation and transfer reserves no second place', async () => {
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
    expect(await transfers()).toHaveLength(1);
  });
});

it('a chat that is closed during a transfer takes no place', async () => {
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

describe('an operator who writes a name', () => {
  /** Registers an operator who is available, with one free place. */
  async function there(name: string, called: string, departments = ['sales']): Promise<void> {
    const command = { ...register(1, departments), name: called, nameChanged: true } as const;
    await rig.toOperator(name, command);
    await rig.toOperator(name, openSession());
    await rig.toOperator(name, changePresence('available'));
    if (!registered.includes(name)) registered.push(name);
  }
  const receiver = async () => (await transfers()).at(-1)?.data;

  it.each([
    ['paula.m', 'paula.m'],
    ['Paula Müller', 'paula.m'],
    ['PAULA  MULLER', 'paula.m'],
    ['paula', 'paula.m'],
    ['Müller', 'paula.m'],
    ['Søren', 'op7'],
    ['soren', 'op7'],
    ['op7', 'op7'],
  ])('%s transfers the chat to %s', async (name, operator) => {
    await there('paula.m', 'Paula Müller');
    await there('op7', 'Søren Weiß-Lund');
    await transfer('op1', { name });
    expect(await receiver()).toMatchObject({ operator, department: null });
  });

  it('that two operators have reads who they are, and what to type', async () => {
    await there('paula.m', 'Paula Müller');
    await there('paula.s', 'Paula Schmidt');
    await expect(transfer('op1', { name: 'paula' })).rejects.toMatchObject({
      code: 'refused',
      message:
        'several operators have this name: @paula.m (!transfer paula.m), @paula.s (!transfer paula.s)',
      details: { field: 'operator' },
    });
    await transfer('op1', { name: 'Paula Schmidt' });
    expect(await receiver()).toMatchObject({ operator: 'paula.s' });
  });

  it('that is their own as well means the other operator', async () => {
    await there('op1', 'Paula Müller');
    await there('paula.s', 'Paula Schmidt');
    await transfer('op1', { name: 'Paula' });
    expect(await receiver()).toMatchObject({ operator: 'paula.s' });
  });

  it('of a department means the department, also if it is a part of a name', async () => {
    await there('op7', 'Tom Billing');
    await transfer('op1', { name: 'BILLING' });
    expect(await receiver()).toMatchObject({ operator: null, department: 'billing' });
  });

  it('of nobody reads who is free, with what to type, and a bounded number of them', async () => {
    await expect(transfer('op1', { name: 'nobody' })).rejects.toThrow(
      /^there is no operator or department of that name; free now: @op2 \(!transfer op2\); departments: billing, sales$/,
    );
    await rig.toOperator('op2', changePresence('dnd'));
    for (let n = 10; n < 10 + OPERATORS_IN_REFUSAL + 2; n++) await there(`op${n}`, `Pat ${n}`);
    const refusal = await transfer('op1', { name: 'nobody' }).catch(({ message }) => message);
    expect(refusal.match(/!transfer/g)).toHaveLength(OPERATORS_IN_REFUSAL);
    expect(refusal).toMatch(/ …; departments/);
    expect(refusal).not.toContain('op2 ');
    expect(refusal).not.toContain('Pat'); // it is stored, and names are personal data
    expect(await transfers()).toEqual([]);
  });

  it('reads who is free after a wrong XMPP address, too', async () => {
    await expect(transfer('op1', { operator: 'nobody' })).rejects.toThrow(
      /^there is no operator nobody; free now: @op2 \(!transfer op2\)$/,
    );
  });

  it('does not reach an operator of LHC by another name than the username', async () => {
    await there('op7', 'Tom Billing');
    await expect(transfer(null, { operator: 'Tom Billing' })).rejects.toThrow(/no operator Tom/);
  });
});
