/** Commands of operators in a conversation, from mod_lhc's event to the facts. */
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CannedName } from '../../../src/actors/tenant/canned-texts.ts';
import { createInbox } from '../../../src/inbox/inbox.ts';
import { UNKNOWN } from '../../../src/inbox/operator-commands/read.ts';
import { CHOICES_MAX } from '../../../src/inbox/operator-commands/whom.ts';
import { createSetAside } from '../../../src/inbox/set-aside.ts';
import type { InboxSignals } from '../../../src/inbox/signals.ts';
import { createTransfer } from '../../../src/reactors/routing/transfer.ts';
import { changePresence, openSession, register, startChat, viewPage } from '../../actors/facts.ts';
import { username, visitorKey } from '../../support/names.ts';
import { ACME, HOST, jidOf, newId, openRig, type Rig, silent } from '../../support/rig.ts';

const OPERATORS = ['op1', 'op2', 'op3'];
const queueId = newId();
const NO_SIGNALS: InboxSignals = {
  moduleStarted: async () => {},
  sessionsUnsure: () => {},
  returned: ({ id }) => returned.push(id),
  operatorAlive: () => {},
  operatorTyping: () => {},
  operatorWrote: () => {},
  operatorSessionEnded: () => {},
  stanzasArrived: () => {},
};
let rig: Rig;
let returned: string[];
let seq: number;

beforeEach(async () => {
  seq = 0;
  returned = [];
  rig = await openRig();
  for (const name of OPERATORS) {
    await rig.toOperator(name, register(1));
    await rig.toOperator(name, openSession());
    await rig.toOperator(name, changePresence('available'));
  }
  await rig.toVisitor('1', viewPage());
});
afterEach(() => rig.close());

function inbox() {
  const { store, vault, now, actors, tenants, names, digestKey } = rig;
  const setAside = createSetAside({ store, vault, now, newId });
  const operatorsOf = () => OPERATORS.map((name) => username(name));
  const transfer = createTransfer({ actors, tenants, names, operatorsOf });
  return createInbox({
    actors,
    store,
    tenants,
    setAside,
    operatorName: async ({ name }) => `Name of ${name}`,

    visitorName: async () => null,
    colleagues: async () => [],
    team: rig.team,
    canned: rig.canned,
    digestKey,
    transfer,
    signals: NO_SIGNALS,
    logger: silent,
    storeWasAway: () => false,
  });
}

const written = (by: string, body: string | Record<string, string>, id = newId(), to = '1') => {
  seq++;
  return {
    queueId,
    seq,
    at: '2026-01-01T00:00:00Z',
    host: HOST,
    type: 'message',
    id,
    from: `${by}@${HOST}/desk`,
    to: to === 'desk' ? `visitors@${HOST}` : jidOf(to),
    body: typeof body === 'string' ? { '': body } : body,
  };
};
/** As mod_lhc sends it: the batch, the batch again (its answer was lost), and a resend by the client. */
async function write(
  by: string,
  body: string | Record<string, string>,
  to = '1',
  more: object = {},
) {
  const event = { ...written(by, body, newId(), to), ...more };
  await inbox().take([event]);
  await inbox().take([event]);
  await inbox().take([{ ...event, seq: ++seq }]);
  return event.id;
}

type Told = Record<string, unknown>;
const facts = async (stream: string, types: readonly string[]) =>
  (await rig.facts(stream))
    .filter(({ type }) => types.includes(type))
    .map(({ type, data }): [string, Told] => [type, data as Told]); // facts' data are objects
const answers = (by: string) =>
  facts(`operator-acme.${by}`, ['QuestionAsked', 'MessageRefused', 'AvailabilitySet']);
const refusals = async (by: string) =>
  (await answers(by)).flatMap(([type, { command, reason }]) =>
    type === 'MessageRefused' ? [`!${command}: ${reason}`] : [],
  );
const ofVisitor = (types: readonly string[]) => facts('visitor-acme.1', types);
const bodies = async (type: string) =>
  Promise.all(
    (await rig.facts('visitor-acme.1'))
      .filter((event) => event.type === type)
      .map((event) => rig.personal.of(event)),
  );
const chat = async () => {
  const state = await rig.visitor('1').state();
  return state?.context.chat;
};
const chatsOf = async (by: string) => {
  const state = await rig.operator(by).state();
  return state?.context.chats;
};

describe('a chat', () => {
  beforeEach(() => rig.toVisitor('1', startChat('c1')));

  it('!take gives the chat to the operator, once; a second !take, or a late one, is refused', async () => {
    await write('op1', '!take');
    expect(await chat()).toMatchObject({ operator: 'op1', accepted: true });
    expect(await ofVisitor(['ChatAssigned', 'ChatAccepted'])).toEqual([
      ['ChatAssigned', { chatId: 'c1', operator: 'op1', reservation: null, reason: 'taken' }],
      ['ChatAccepted', { chatId: 'c1', operator: 'op1', byCommand: true }],
    ]);
    expect(await answers('op1')).toEqual([]);
    await write('op1', '!take');
    await write('op2', '!take');
    expect(await refusals('op1')).toEqual(['!take: you have this chat already']);
    expect(await refusals('op2')).toEqual(['!take: this chat belongs to @op1']);
    expect(await chat()).toMatchObject({ operator: 'op1' });
  });

  it('!decline passes the chat on, once; a second one, or one of an operator who was not asked, is refused', async () => {
    const assign = {
      chatId: 'c1',
      operator: username('op1'),
      reservation: null,
      reason: 'random',
    } as const;
    await rig.toVisitor('1', { type: 'AssignChat', ...assign });
    await write('op2', '!decline');
    await write('op1', '!decline');
    expect(await ofVisitor(['ChatUnassigned'])).toEqual([
      ['ChatUnassigned', { chatId: 'c1', operators: ['op1'], reason: 'declined' }],
    ]);
    await write('op1', '!decline');
    expect(await refusals('op1')).toEqual(['!decline: you have declined this chat already']);
    expect(await refusals('op2')).toEqual(['!decline: this chat is not offered to you']);
  });

  it.each([
    ['!transfer op2', { operator: 'op2', department: null }],
    ['!transfer Op2', { operator: 'op2', department: null }],
    [`!transfer op2@${HOST}`, { operator: 'op2', department: null }],
    ['!transfer Sales', { operator: null, department: 'sales' }],
  ])('%s transfers the chat once and takes one place', async (body, to) => {
    await write('op1', '!take');
    await write('op1', body);
    expect(await ofVisitor(['ChatTransferred'])).toEqual([
      ['ChatTransferred', expect.objectContaining({ ...to, from: 'op1', by: 'operator' })],
    ]);
    expect(Object.keys((await chatsOf('op2')) ?? {})).toEqual(to.operator ? ['c1'] : []);
    expect(await answers('op1')).toEqual([]);
  });

  it('!transfer to an operator who cannot take it is refused with the reason, and the chat stays', async () => {
    const away = {
      type: 'SetAvailability',
      away: true,
      visitor: visitorKey('9'),
      messageId: 'x',
    } as const;
    await rig.toOperator('op2', away);
    const busy = {
      reservation: 'r9',
      visitor: visitorKey('9'),
      chatId: 'c9',
      department: null,
      ownerGrace: 60_000,
      departmentCapacity: null,
    };
    await rig.toOperator('op3', { type: 'ReserveChat', ...busy });
    await write('op1', '!transfer op2');
    await write('op1', '!take');
    for (const to of ['op2', 'op3', 'nobody', 'op1', `op1@${HOST}`]) {
      await write('op1', `!transfer ${to}`);
    }
    expect(await refusals('op1')).toEqual([
      '!transfer: nobody has this chat yet; write !take first',
      '!transfer: @op2 cannot have it: this operator is away',
      '!transfer: @op3 cannot have it: this operator has no free place (1 of 1 chats)',
      '!transfer: there is no operator or department of that name; nobody else is free now; departments: sales',
      '!transfer: you have this chat already',
      '!transfer: you have this chat already',
    ]);
    expect(await ofVisitor(['ChatTransferred'])).toEqual([]);
    expect(await chat()).toMatchObject({ operator: 'op1' });
    expect(Object.keys((await chatsOf('op3')) ?? {})).toEqual(['c9']);
  });

  it('!transfer that is repeated after its receiver left is not refused', async () => {
    await write('op1', '!take');
    const event = written('op1', '!transfer op2');
    await inbox().take([event]);
    await rig.toOperator('op2', { type: 'Remove' });
    await inbox().take([event]);
    await inbox().take([{ ...event, seq: ++seq }]);
    expect(await ofVisitor(['ChatTransferred'])).toHaveLength(1);
    expect(await refusals('op1')).toEqual([]);
  });

  it('!close closes with a reason, once; it is refused to other operators and without a chat', async () => {
    await write('op1', '!take');
    await write('op2', '!close');
    await write('op1', '!close solved\nby phone');
    expect(await ofVisitor(['ChatClosed'])).toEqual([
      ['ChatClosed', { chatId: 'c1', operator: 'op1', by: 'operator', reason: null }],
    ]);
    expect(await bodies('ChatClosed')).toEqual([{ reason: 'solved by phone' }]);
    await write('op1', '!close');
    expect(await refusals('op2')).toEqual(['!close: this chat belongs to @op1']);
    expect(await refusals('op1')).toEqual(['!close: this visitor has no open chat']);
  });

  it('!note and commands of LHC are sealed facts for LHC', async () => {
    await write('op1', '!take');
    const note = await write('op1', '!note Ann called.\nShe is angry-canary.');
    const command = await write('op1', '!Name Ann Canary');
    await write('op2', '!block');
    expect(await ofVisitor(['NoteAdded', 'OperatorCommandSent'])).toEqual([
      ['NoteAdded', { chatId: 'c1', operator: 'op1', noteId: note }],
      [
        'OperatorCommandSent',
        { chatId: 'c1', operator: 'op1', messageId: command, command: 'name' },
      ],
    ]);
    expect(await bodies('NoteAdded')).toEqual([{ body: 'Ann called.\nShe is angry-canary.' }]);
    expect(await bodies('OperatorCommandSent')).toEqual([{ text: '!name Ann Canary' }]);
    expect(await refusals('op2')).toEqual(['!block: this chat belongs to @op1']);
    expect(JSON.stringify(await rig.facts('visitor-acme.1')).toLowerCase()).not.toContain('canary');
  });
});

describe('without a chat', () => {
  it('commands that need one are refused, and the visitor is not invited', async () => {
    for (const body of ['!take', '!decline', '!transfer op2', '!close', '!note x', '!block']) {
      await write('op1', body);
    }
    const refused = await refusals('op1');
    expect(refused).toHaveLength(6);
    expect(refused[0]).toBe('!take: this visitor has no open chat; write to them to invite them');
    for (const reason of refused) expect(reason).toContain('this visitor has no open chat');
    expect(await rig.types('visitor-acme.1')).toEqual(['VisitorArrived']);
  });

  it('!away and !back are answered each time, even if they change nothing', async () => {
    const first = await write('op1', '!away');
    const second = await write('op1', '!away');
    const third = await write('op1', '!back');
    const change = (from: string, to: string) => ({ visitor: '1', availability: { from, to } });
    expect(await answers('op1')).toEqual([
      ['AvailabilitySet', { away: true, messageId: first, ...change('available', 'away') }],
      ['AvailabilitySet', { away: true, messageId: second, ...change('away', 'away') }],
      ['AvailabilitySet', { away: false, messageId: third, ...change('away', 'available') }],
    ]);
  });

  it('a question is one fact, in the conversation in which it was written', async () => {
    const bodiesOf = ['!info', '!history 5', '!help', '!tkae it', '!', '! secret-canary', '!xyz'];
    const ids: string[] = [];
    for (const body of bodiesOf) ids.push(await write('op1', body));
    const asked = [
      ['info', null],
      ['history', '5'],
      ['help', null],
      [UNKNOWN, 'take'],
      [UNKNOWN, null],
      [UNKNOWN, null],
      [UNKNOWN, null],
    ];
    expect(await answers('op1')).toEqual(
      asked.map(([command, argument], index) => [
        'QuestionAsked',
        { visitor: '1', messageId: ids[index], command, argument },
      ]),
    );
    expect(JSON.stringify(await rig.facts('operator-acme.op1'))).not.toContain('canary');
  });

  it('a command without its argument is explained under its name', async () => {
    await write('op1', '!transfer');
    await write('op1', '!history yesterday');
    expect(await refusals('op1')).toEqual([
      expect.stringMatching(/^!transfer: say to whom/),
      expect.stringMatching(/^!history: say how many/),
    ]);
  });

  it('for an unknown visitor no command leaves a trace; each one is returned', async () => {
    const ids = [];
    for (const body of ['!info', '!away', '!take', '!transfer op2', '!history 0']) {
      const event = written('op1', body, newId(), 'never');
      ids.push(event.id);
      await inbox().take([event]);
    }
    expect(await answers('op1')).toEqual([]);
    expect(await rig.facts(`inbox-${queueId}`)).toEqual([]);
    expect(await rig.facts('visitor-acme.never')).toEqual([]);
    expect(returned).toEqual(ids);
  });

  it('an operator who is not registered commands nothing, and leaves no trace', async () => {
    const event = written('op9', '!away');
    await inbox().take([event]);
    expect(await rig.facts(`inbox-${queueId}`)).toEqual([]);
    expect(await rig.facts('operator-acme.op9')).toEqual([]);
    expect(returned).toEqual([event.id]);
  });

  it('the same id and text to two visitors are two commands: careless clients repeat ids', async () => {
    await rig.toVisitor('2', viewPage());
    await inbox().take([written('op1', '!info', '1', '1'), written('op1', '!info', '1', '2')]);
    expect((await answers('op1')).map(([, { visitor }]) => visitor)).toEqual(['1', '2']);
  });
});

describe('a text', () => {
  it('that begins with !! reaches the visitor with one ! less', async () => {
    await write('op1', '!!important');
    expect(await bodies('OperatorMessageReceived')).toEqual([{ body: '!important' }]);
  });

  it('in several languages counts as the one that would be sent: a command in another language is ignored', async () => {
    await write('op1', { de: '!away', '': 'Hello' });
    await write('op1', { '': '!away', de: 'Hallo' });
    await write('op1', { de: '!back', fr: 'Salut' });
    expect(await bodies('OperatorMessageReceived')).toEqual([{ body: 'Hello' }]);
    expect(await answers('op1')).toMatchObject([
      ['AvailabilitySet', { away: true }],
      ['AvailabilitySet', { away: false }],
    ]);
  });

  it('that begins with one ! never reaches the visitor, and is always answered', async () => {
    await rig.toVisitor('1', startChat('c1'));
    await write('op1', '!take');
    const rest = fc.oneof(
      fc.string({ unit: 'grapheme' }),
      fc.constantFrom('note x', 'block', 'transfer op2', 'away', 'back', 'info', 'lhc x', ' take'),
    );
    const before = fc.constantFrom('', ' ', '\n', '\u200b', '\ufeff', '\u00a0');
    const what = ['NoteAdded', 'OperatorCommandSent', 'ChatTransferred', 'ChatClosed'];
    await fc.assert(
      fc.asyncProperty(before, rest, async (space, behind) => {
        fc.pre(!/^[\p{Cf}\p{DI}]*[!！﹗]/u.test(behind));
        const count = async () => (await ofVisitor(what)).length + (await answers('op1')).length;
        const had = await count();
        await inbox().take([written('op1', `${space}!${behind}`)]);
        expect(await count()).toBe(had + 1);
      }),
      { numRuns: 60 },
    );
    expect(await ofVisitor(['OperatorMessageReceived'])).toEqual([]);
  });
});

describe('at the desk', () => {
  const atDesk = (body: string, more: object = {}) => write('op1', body, 'desk', more);
  const questions = async () =>
    (await facts('operator-acme.op1', ['QuestionAsked'])).map(([, data]) => data);
  const found = (key: string, nick: string | null) => ({
    key: visitorKey(key),
    nick,
    conversation: 'none' as const,
    operator: null,
    page: null,
  });
  const messages = async (key: string) =>
    (await rig.facts(`visitor-acme.${key}`)).filter(
      ({ type }) => type === 'OperatorMessageReceived',
    );

  it.each(['who', 'queue', 'stats', 'canned', 'help'])('!%s is one question', async (command) => {
    const id = await atDesk(`!${command}`);
    expect(await questions()).toEqual([{ visitor: null, messageId: id, command, argument: null }]);
  });

  it('a text is a question too, and reaches nobody', async () => {
    await atDesk('Hello?');
    expect(await questions()).toEqual([
      expect.objectContaining({ visitor: null, command: 'desk' }),
    ]);
    expect(returned).toEqual([]);
  });

  it('!away and !back count once', async () => {
    await atDesk('!away');
    await atDesk('!back');
    expect((await facts('operator-acme.op1', ['AvailabilitySet'])).map(([, each]) => each)).toEqual(
      [
        expect.objectContaining({ away: true, visitor: null }),
        expect.objectContaining({ away: false, visitor: null }),
      ],
    );
  });

  it('!canned add and remove change the text of the tenant, and each is confirmed', async () => {
    await atDesk('!canned add greeting Hello');
    await atDesk('!canned add greeting Hello');
    await atDesk('!canned remove greeting');
    await atDesk('!canned remove greeting');
    expect(await rig.types('tenant-acme')).toEqual(['CannedTextSaved', 'CannedTextRemoved']);
    const [saved] = await rig.facts('tenant-acme');
    expect(JSON.stringify(saved)).not.toContain('Hello');
    expect((await questions()).map(({ argument }) => argument)).toEqual([
      'add greeting',
      'add greeting',
      'remove greeting',
    ]);
    expect(await refusals('op1')).toEqual(['!canned: there is no canned text greeting']);
  });

  it('!canned NAME sends the text once, in a conversation alone', async () => {
    await rig.canned.save(
      ACME,
      { name: CannedName.parse('bye'), text: 'Bye, {operator}' },
      null,
      {},
    );
    await atDesk('!canned bye');
    expect(await refusals('op1')).toEqual([
      '!canned: write it in the conversation with the visitor who is to get it',
    ]);
    const id = await write('op1', '!canned bye');
    const [sent, ...others] = await messages('1');
    expect(others).toEqual([]);
    expect(sent && (await rig.personal.bodyOf(sent))).toBe('Bye, Name of op1');
    expect(sent?.data).toMatchObject({ operator: 'op1', messageId: id });
  });

  it('!invite invites the visitor with this name, or this key, once', async () => {
    rig.team.rows.visitors = [found('1', 'Anna'), found('2', 'Annabel')];
    const id = await atDesk('!invite anna Can I help?');
    const [sent, ...others] = await messages('1');
    expect(others).toEqual([]);
    expect(sent && (await rig.personal.bodyOf(sent))).toBe('Can I help?');
    expect(sent?.data).toMatchObject({ operator: 'op1', messageId: id });
    expect(sent?.data).not.toMatchObject({ receipt: true });
    await atDesk('!invite 1 Hello?');
    await atDesk(`!invite ${jidOf('1')} Hello?`);
    expect(await messages('1')).toHaveLength(3);
    for (const asked of await questions()) {
      expect(asked).toMatchObject({ command: 'invite', argument: 'sent', visitors: ['1'] });
    }
  });

  it('!invite of several visitors invites nobody, and no name is in a fact', async () => {
    rig.team.rows.visitors = Array.from({ length: CHOICES_MAX + 3 }, (_, n) =>
      found(`v${n}`, `Annegret ${n}`),
    );
    await atDesk('!invite annegret Hello');
    expect(await questions()).toEqual([
      expect.objectContaining({
        argument: null,
        visitors: Array.from({ length: CHOICES_MAX }, (_, n) => `v${n}`),
        more: 3,
      }),
    ]);
    await atDesk('!invite Waldemar Hello');
    expect(await refusals('op1')).toEqual([
      '!invite: nobody on the site has this name, key or address',
    ]);
    expect(JSON.stringify(await rig.facts('operator-acme.op1'))).not.toMatch(/annegret|waldemar/i);
  });

  it('!invite never takes a part of a key, or a second one of the same name, for the one who is meant', async () => {
    // Visitor 1 is known, and has left.
    await rig.toVisitor('1', { type: 'TimeOut' });
    rig.team.rows.visitors = [found('17', null), found('21', 'Visitor 1 of 2')];
    await atDesk('!invite 1 Hello');
    expect(await refusals('op1')).toEqual(['!invite: this visitor has left']);
    await atDesk('!invite 7 Hello');
    const others = Array.from({ length: CHOICES_MAX }, (_, n) => found(`v${n}`, `Joanna ${n}`));
    rig.team.rows.visitors = [found('17', 'Anna'), ...others, found('21', 'anna')];
    await atDesk('!invite Anna Hello');
    expect((await questions()).map(({ visitors }) => visitors)).toEqual([['17'], ['17', '21']]);
    expect((await questions()).map(({ argument }) => argument)).toEqual([null, null]);
    expect(await messages('17')).toEqual([]);
  });

  it('what comes by a canned text or an invitation is read as a message is', async () => {
    const save = (name: string, text: string) =>
      rig.canned.save(ACME, { name: CannedName.parse(name), text }, null, {});
    await save('action', '/me looks at \u202egpj.exe');
    await save('blank', '\u200b\u2800');
    await write('op1', '!canned action');
    await write('op1', '!canned blank');
    await atDesk('!invite 1 /me waves');
    const bodies = await Promise.all((await messages('1')).map(rig.personal.bodyOf));
    expect(bodies).toEqual(['* Name of op1 looks at gpj.exe', '* Name of op1 waves']);
    expect(await refusals('op1')).toEqual([
      '!canned: there is nothing to read in the canned text blank',
    ]);
  });

  it('a corrected !invite corrects the words that the visitor has', async () => {
    rig.team.rows.visitors = [found('1', 'Anna')];
    const first = await atDesk('!invite anna Helo');
    await atDesk('!invite anna Hello', { replaces: first });
    await atDesk('!invite anna Hello again', { replaces: first });
    expect((await messages('1')).map(({ data }) => data.replaces)).toEqual([
      undefined,
      first,
      first,
    ]);
  });

  it('a misspelt !invite that is corrected invites', async () => {
    const first = await atDesk('!invit 1 Hello');
    await atDesk('!invite 1 Hello', { replaces: first });
    expect(await messages('1')).toHaveLength(1);
    expect(await rig.types('visitor-acme.1')).toContain('Invited');
  });

  it('!invite of a visitor who has a chat is refused', async () => {
    await rig.toVisitor('1', startChat('c1'));
    await atDesk('!invite 1 Hello');
    await write('op1', '!take');
    await atDesk('!invite 1 Hello');
    expect(await refusals('op1')).toEqual([
      '!invite: this visitor has a chat already; to take it, write !take in their conversation',
      '!invite: you have a chat with this visitor; write to them there',
    ]);
    expect(await messages('1')).toEqual([]);
  });

  it('is closed to whoever is no operator', async () => {
    await write('nobody', '!who', 'desk');
    expect(returned.length).toBeGreaterThan(0);
    expect(await rig.facts('operator-acme.nobody')).toEqual([]);
  });
});
