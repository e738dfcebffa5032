/** Commands by menus (XEP-0050): who may see them, what their forms take, and their bounds. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { deskJid, operatorJid, visitorJid } from '../../../src/actors/ids.ts';
import { CannedName } from '../../../src/actors/tenant/canned-texts.ts';
import { createTenantDirectory } from '../../../src/actors/tenant/directory.ts';
import { AppError } from '../../../src/errors.ts';
import { createTenantBudgets, OPERATOR_BURST_SECONDS } from '../../../src/inbox/budget.ts';
import { createCarryOut } from '../../../src/inbox/operator-commands/carry-out.ts';
import { createAnswers } from '../../../src/reactors/answers/answers.ts';
import { createDeskCommands } from '../../../src/reactors/desk/commands.ts';
import { CANNED_CHOICES_MAX } from '../../../src/reactors/desk/visitor-menu.ts';
import { createTransfer } from '../../../src/reactors/routing/transfer.ts';
import type { CommandForm, CommandReply } from '../../../src/xmpp/ad-hoc.ts';
import {
  acceptChat,
  changePresence,
  openSession,
  register,
  startChat,
  viewPage,
} from '../../actors/facts.ts';
import { username, visitorKey } from '../../support/names.ts';
import { newId, openRig, type Rig } from '../../support/rig.ts';
import { tenantWith } from '../../support/tenant.ts';

const tenantOf = (id: string, more: Record<string, unknown> = {}) =>
  tenantWith({
    id,
    host: 'hosting.test',
    instance: id,
    apiKey: `key-of-${id}-0123456789`,
    operatorMessagesPerSecond: 1,
    ...more,
  });
const ACME = tenantOf('acme');
const OTHER = tenantOf('other');

let rig: Rig;
let commands: ReturnType<typeof createDeskCommands>;
let reading: () => void;
beforeEach(async () => {
  rig = await openRig();
  reading = () => {};
  const { actors, team, canned, names } = rig;
  const tenants = createTenantDirectory([ACME, OTHER]);
  const operatorsOf = () => [username('olga'), username('pia')];
  const transfer = createTransfer({ actors, tenants, names, operatorsOf });
  const carryOut = createCarryOut({
    actors,
    tenants,
    transfer,
    team,
    canned,
    operatorName: async ({ name }) => name,
    visitorName: async () => null,
    colleagues: async (_tenant, name) => (name === 'Pia' ? [username('pia')] : []),
  });
  const colleagues: typeof team.colleagues = async (...args) => {
    reading();
    return team.colleagues(...args);
  };
  commands = createDeskCommands({
    tenants,
    actors,
    carryOut,
    answers: createAnswers({ ...rig, team: { ...team, colleagues } }),
    budgets: createTenantBudgets(tenants),
    team,
    canned,
    names,
    operatorsOf,
    now: rig.now,
    newId,
  });
  for (const name of ['olga', 'pia']) {
    await rig.toOperator(name, register(2));
    await rig.toOperator(name, openSession());
    await rig.toOperator(name, changePresence('available'));
  }
  await rig.toVisitor('1', viewPage());
  await actors.operator(OTHER.id, username('eve')).send(register(2));
});
afterEach(() => rig.close());

const OLGA = `${operatorJid(ACME, username('olga'))}/phone`;
const DESK = `${deskJid(ACME)}/xmpp-chat`;
const VISITOR = `${visitorJid(ACME, visitorKey('1'))}/xmpp-chat`;
const run = (
  node: string,
  values: Readonly<Record<string, string>> | null = null,
  to = DESK,
  from = OLGA,
): Promise<CommandReply | null> =>
  commands.run(to, from, {
    node,
    values:
      values &&
      Object.fromEntries(Object.entries(values).map(([name, text]) => [name, text.split('\n')])),
  });
const formOf = async (node: string, to = DESK): Promise<CommandForm> => {
  const reply = await run(node, null, to);
  return reply?.kind === 'form' ? reply.form : expect.unreachable(JSON.stringify(reply));
};
const optionsIn = ({ fields }: CommandForm, name: string): string[] => {
  const field = fields.find((each) => each.name === name);
  return field?.type === 'list-single' ? field.options.map(({ value }) => value) : [];
};
const done = (text: RegExp) => ({ kind: 'done', text: expect.stringMatching(text) });
const faulty = (field: string) =>
  expect.objectContaining({
    kind: 'form',
    fault: expect.stringMatching(new RegExp(`^${field}: `)),
  });

describe('at a visitor with a chat', () => {
  const types = async () =>
    (await rig.types('visitor-acme.1')).filter((type) => /^(Room|Whispered)/.test(type));
  beforeEach(async () => {
    await rig.toVisitor('1', startChat('c1'));
    await rig.toVisitor('1', acceptChat('pia'));
  });

  it('a room is opened for colleagues by name, and closed', async () => {
    expect(await formOf('room', VISITOR)).toMatchObject({ fields: [{ name: 'colleagues' }] });
    expect(await run('room', { colleagues: 'Pia, Nobody' }, VISITOR)).toEqual({
      kind: 'refused',
      reason: 'nobody is called like name 2; !who lists your colleagues',
    });
    expect(await run('room', { colleagues: 'x, '.repeat(30) }, VISITOR)).toEqual(
      faulty('colleagues'),
    );
    expect(await run('room', { colleagues: 'Pia' }, VISITOR)).toEqual(done(/^You are invited/));
    const state = await rig.visitor('1').state();
    expect(state?.context.room?.members).toEqual(['pia', 'olga']);
    expect(await run('room', { colleagues: '' }, VISITOR)).toEqual(done(/^You are invited/));
    expect(await run('room-close', null, VISITOR)).toEqual(done(/closed/));
    expect(await types()).toEqual(['RoomOpened', 'RoomJoined', 'RoomClosed']);
  });

  it('a whisper reaches who has the chat', async () => {
    expect(await run('whisper', { text: ' ' }, VISITOR)).toEqual(faulty('text'));
    expect(await run('whisper', { text: 'Offer a discount' }, VISITOR)).toEqual(
      done(/^Your colleagues have it/),
    );
    const fromPia = `${operatorJid(ACME, username('pia'))}/phone`;
    expect(await run('whisper', { text: 'Hello' }, VISITOR, fromPia)).toEqual({
      kind: 'refused',
      reason: 'you have this chat alone, so nobody would read it',
    });
    expect(await types()).toEqual(['Whispered']);
  });
});

describe('whoever is no operator of the tenant', () => {
  it.each([
    ['of another tenant', `${operatorJid(OTHER, username('eve'))}/x`],
    ['not registered', `${operatorJid(ACME, username('nobody'))}/x`],
    ['a visitor', VISITOR],
    ['of another server', 'olga.acme@elsewhere.test/x'],
    ['no address', ''],
  ])('sees no commands: %s', async (_who, from) => {
    for (const to of [DESK, VISITOR]) {
      expect(await commands.list(to, from)).toBeNull();
      expect(await run('away', null, to, from)).toBeNull();
      expect(await run('take', null, to, from)).toBeNull();
    }
  });

  it("an operator sees none at another tenant's desk, at an unknown visitor, or at a colleague", async () => {
    for (const to of [
      deskJid(OTHER),
      visitorJid(OTHER, visitorKey('1')),
      visitorJid(ACME, visitorKey('unknown')),
      operatorJid(ACME, username('pia')),
      'hosting.test',
    ]) {
      expect(await commands.list(to, OLGA)).toBeNull();
      expect(await run('who', null, to)).toBeNull();
    }
  });

  it('an operator who was removed sees none', async () => {
    expect(await commands.list(DESK, OLGA)).not.toBeNull();
    await rig.toOperator('olga', { type: 'Remove' });
    expect(await commands.list(DESK, OLGA)).toBeNull();
    expect(await run('who')).toBeNull();
  });

  it('there is no node but those that are listed', async () => {
    expect(await run('take')).toBeNull();
    expect(await run('who', null, VISITOR)).toBeNull();
    expect(await run('nothing')).toBeNull();
  });
});

describe('at the desk', () => {
  it('!away counts, and is answered', async () => {
    expect(await run('away')).toEqual(done(/no new chats/));
    expect((await rig.operator('olga').state())?.availability).toBe('away');
    expect(await run('back')).toEqual(done(/again/));
    expect((await rig.operator('olga').state())?.availability).toBe('available');
  });

  it('who is answered in words', async () => {
    rig.team.rows.colleagues = [
      {
        username: username('pia'),
        departments: ['sales'],
        availability: 'available',
        away: false,
        chats: 1,
        capacity: 2,
        tier: 1,
        tiers: {},
        languages: [],
      },
    ];
    expect(await run('who')).toEqual(done(/pia: available, 1 of 2 chats/));
  });

  it('canned texts are saved and removed, and a wrong field is named', async () => {
    expect((await formOf('canned')).fields.map(({ name }) => name)).toEqual(['do', 'name', 'text']);
    expect(await run('canned', { do: 'dance' })).toEqual(faulty('do'));
    expect(await run('canned', { do: 'add', name: 'x y', text: 'z' })).toEqual(faulty('name'));
    const again = await run('canned', { do: 'add', name: 'bye', text: ' ' });
    expect(again).toEqual(faulty('text'));
    // What was filled in stays.
    expect(again).toMatchObject({ form: { fields: [{ value: 'add' }, { value: 'bye' }, {}] } });
    expect(await run('canned', { do: 'add', name: 'Bye', text: 'Good\nbye' })).toEqual(
      done(/saved/),
    );
    expect(await rig.canned.get(ACME.id, 'bye')).toMatchObject({ text: 'Good\nbye' });
    expect(await run('canned', { do: 'remove', name: 'bye' })).toEqual(done(/removed/));
    expect(await run('canned', { do: 'remove', name: 'bye' })).toMatchObject({ kind: 'refused' });
  });

  it('invite offers visitors without a chat, and invites the one who is chosen', async () => {
    expect(await run('invite')).toMatchObject({ kind: 'refused' });
    const found = (key: string, conversation: 'none' | 'chatting') => ({
      key: visitorKey(key),
      nick: 'Anna',
      conversation,
      operator: null,
      page: 'Shoes',
    });
    rig.team.rows.visitors = [found('1', 'none'), found('2', 'chatting')];
    expect(optionsIn(await formOf('invite'), 'visitor')).toEqual(['1']);
    expect(await run('invite', { visitor: 'No Key', text: 'Hi' })).toEqual(faulty('visitor'));
    expect(await run('invite', { visitor: '1', text: '' })).toEqual(faulty('text'));
    expect(await run('invite', { visitor: '1', text: 'May I help?' })).toEqual(done(/invitation/));
    expect(await rig.types('visitor-acme.1')).toContain('Invited');
  });

  it('invite invites nobody else when the one who was chosen has left', async () => {
    await rig.toVisitor('1', { type: 'TimeOut' });
    const other = { key: visitorKey('12'), nick: '1', conversation: 'none' } as const;
    rig.team.rows.visitors = [{ ...other, operator: null, page: null }];
    expect(await run('invite', { visitor: '1', text: 'Hi' })).toMatchObject({
      kind: 'refused',
      reason: expect.stringContaining('has left'),
    });
  });

  it('leaves out what nobody sees, as messages do', async () => {
    const add = (text: string) => run('canned', { do: 'add', name: 'file', text });
    expect(await add('\u200b\u2800')).toEqual(faulty('text'));
    expect(await add('See \u202egpj.exe')).toEqual(done(/saved/));
    expect(await rig.canned.get(ACME.id, 'file')).toMatchObject({ text: 'See gpj.exe' });
  });

  it('rows that are being built are no defect', async () => {
    reading = () => {
      throw new AppError('unavailable', 'the rows are being built');
    };
    expect(await run('who')).toMatchObject({ kind: 'refused', reason: /try again/ });
  });

  it('each operator has a budget', async () => {
    const kinds: (string | undefined)[] = [];
    for (let n = 0; n < OPERATOR_BURST_SECONDS; n += 1) kinds.push((await run('stats'))?.kind);
    expect(kinds[0]).toBe('done');
    expect(kinds.at(-1)).toBe('too-fast');
    const pia = `${operatorJid(ACME, username('pia'))}/x`;
    expect((await run('stats', null, DESK, pia))?.kind).toBe('done');
  });
});

describe('at a visitor', () => {
  beforeEach(() => rig.toVisitor('1', startChat('c1')));
  const at = (node: string, values: Readonly<Record<string, string>> | null = null) =>
    run(node, values, VISITOR);

  it('a chat is taken, and transferred to somebody who is free', async () => {
    expect(await at('take')).toEqual(done(/yours/));
    expect(await at('take')).toEqual({ kind: 'refused', reason: 'you have this chat already' });
    expect(optionsIn(await formOf('transfer', VISITOR), 'to')).toContain('pia');
    expect(optionsIn(await formOf('transfer', VISITOR), 'to')).not.toContain('olga');
    expect(await at('transfer', { to: '' })).toEqual(faulty('to'));
    expect(await at('transfer', { to: 'pia' })).toEqual(done(/transferred/));
    expect((await rig.visitor('1').state())?.context.chat?.operator).toBe('pia');
  });

  it('a note needs words, and a reason has a bound', async () => {
    await at('take');
    expect(await at('note', { note: ' ' })).toEqual(faulty('note'));
    expect(await at('note', { note: 'one\ntwo' })).toEqual(done(/note/));
    expect(await at('close', { reason: 'x'.repeat(201) })).toEqual(faulty('reason'));
    expect(await at('close', {})).toEqual(done(/closed/));
    expect(await rig.types('visitor-acme.1')).toContain('ChatClosed');
  });

  it('a canned text is chosen from a list that has a bound', async () => {
    await at('take');
    expect(await at('canned')).toMatchObject({ kind: 'refused' });
    for (let n = 0; n <= CANNED_CHOICES_MAX; n += 1) {
      const name = CannedName.parse(`text${n}`);
      await rig.canned.save(ACME.id, { name, text: 'Hello' }, null, {});
    }
    const form = await formOf('canned', VISITOR);
    expect(optionsIn(form, 'name')).toHaveLength(CANNED_CHOICES_MAX);
    expect(form.instructions).toContain('1 more');
    expect(await at('canned', { name: 'text5' })).toEqual(done(/was sent/));
    expect(await at('canned', { name: 'nothing' })).toMatchObject({ kind: 'refused' });
    expect(await at('canned', {})).toEqual(faulty('name'));
    expect(await rig.types('visitor-acme.1')).toContain('OperatorMessageReceived');
  });
});
