/** LHC refuses what it is told, or says something: what becomes of it in the log and in operators' clients. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { VisitorCommand } from '../../../src/actors/visitor/decisions.ts';
import type { DeliveryOutcome } from '../../../src/lhc/delivery.ts';
import { createCallbacks } from '../../../src/reactors/lhc/callback-lane.ts';
import {
  acceptChat,
  closeChat,
  react,
  receive,
  register,
  retract,
  startChat,
} from '../../actors/facts.ts';
import { fakeLhc } from '../../support/fake-lhc.ts';
import { username } from '../../support/names.ts';
import { type MessageLane, openMessageLane, STREAM } from '../conversation/lane.ts';

let lane: MessageLane;
let lhc: ReturnType<typeof fakeLhc>;
/** The visitors whose widgets look at once. */
let shown: string[];
/** LHC's answers by the type of the callback. */
let answers: Record<string, DeliveryOutcome>;
beforeEach(async () => {
  lane = await openMessageLane({ callbackUrl: 'https://lhc.test/callback' });
  lhc = fakeLhc();
  shown = [];
  answers = {};
  lhc.state.answer = async ({ type }) => answers[type] ?? { outcome: 'accepted' };
  await lane.rig.toOperator('op1', register());
});
afterEach(() => lane.rig.close());

const refuses = (code: string, text: string | null = null): DeliveryOutcome => ({
  outcome: 'refused',
  refusal: { code, text },
});
const says = (code: string, text: string | null = null): DeliveryOutcome => ({
  outcome: 'accepted',
  notice: { code, text },
});
let told = -1;
beforeEach(() => {
  told = -1;
});
/** Performs the callbacks of new facts. A process that is killed behind `killed` begins anew at the first of them. */
async function callbacks(killed?: () => void): Promise<void> {
  const { actors, personal, digestKey, now, monotonic, tenants } = lane.rig;
  const { destination } = createCallbacks({
    actors,
    personal,
    digestKey,
    now,
    monotonic,
    tenants,
    random: Math.random,
    newId: () => 'new',
    client: lhc.client,
    onAccepted: (_tenant, _visitor, { type }) => shown.push(type),
    ...(killed && { afterDelivered: killed }),
  });
  for (const event of await lane.rig.facts(STREAM)) {
    if (event.revision <= told || !destination.concerns(event)) continue;
    const outcome = await destination.perform(event, new AbortController().signal);
    expect(outcome.kind).toBe('done');
    told = event.revision;
  }
}
const visitor = (command: VisitorCommand) => lane.rig.toVisitor('1', command);
const lines = async (): Promise<string[]> => {
  await lane.run();
  return lane.ejabberd.messages
    .filter(({ notice }) => notice)
    .map(({ body }) => body.replace(/^:: /, ''));
};
const factsOf = async (type: string) =>
  (await lane.rig.facts(STREAM)).filter((event) => event.type === type);
const openChat = async () => {
  await visitor(startChat('c1', 'm1'));
  await visitor(receive('op1', 'o1'));
  await callbacks();
  await lane.run();
  lane.ejabberd.messages.length = 0;
};

describe('what LHC has to say that it has done', () => {
  const taken = async () => {
    await openChat();
    await visitor(retract('op1', 'o1'));
    await visitor(react('op1', 'm1'));
    await callbacks();
  };

  it('is silent if it was done, and is told once', async () => {
    answers['message.retracted'] = says('done');
    answers['message.reaction'] = says('done');
    await taken();
    expect(await lines()).toEqual([]);
    expect(await factsOf('LhcRefused')).toEqual([]);
    const operator = { username: 'op1', lhcUserId: 7 };
    const chat = { visitor: '1', chatId: 'c1', operator };
    expect(lhc.accepted.slice(-2).map(({ type, data }) => [type, data])).toEqual([
      ['message.retracted', { ...chat, messageId: 'o1' }],
      ['message.reaction', { ...chat, messageId: 'm1', reactions: ['👍'] }],
    ]);
  });

  it.each([
    ['accepts without a word, as one that does not know them', { outcome: 'accepted' }, '.'],
    ['says something else', says('answer', 'Hm'), '.'],
    ['refuses', refuses('not-possible', 'No such row'), ': No such row.'],
  ] as const)('was not done if LHC %s', async (_, answer, end) => {
    answers['message.retracted'] = answer as DeliveryOutcome;
    answers['message.reaction'] = answer as DeliveryOutcome;
    await taken();
    await callbacks();
    expect(await lines()).toEqual([
      `Not taken back: LHC cannot do this${end}`,
      `The visitor does not see your reaction: LHC cannot do this${end}`,
    ]);
  });
});

describe('a refusal', () => {
  it.each([
    ['chat-ended', null, 'Not delivered: the visitor has ended this chat.'],
    ['chat-unknown', 'No.', 'Not delivered: LHC does not know this chat.'],
    ['visitor-unknown', null, 'Not delivered: LHC does not know this visitor.'],
    ['operator-unknown', null, 'Not delivered: LHC does not know you as one of its operators.'],
    ['operator-disabled', null, 'Not delivered: your user in LHC is disabled.'],
    ['not-allowed', null, 'Not delivered: your user in LHC has no right to do this.'],
    ['not-allowed', 'why', 'Not delivered: your user in LHC has no right to do this: why.'],
    ['not-possible', null, 'Not delivered: LHC cannot do this.'],
    ['not-possible', 'It is closed!', 'Not delivered: LHC cannot do this: It is closed!'],
    ['of-tomorrow', 'the moon is full', 'Not delivered: the moon is full.'],
    ['of-tomorrow', null, 'Not delivered: LHC has refused it.'],
    ['toString', null, 'Not delivered: LHC has refused it.'],
  ])('of a message is a line: %s, %s', async (code, text, line) => {
    await openChat();
    answers['chat.message'] = refuses(code, text);
    await visitor(receive('op1', 'o2'));
    await callbacks();
    expect(await lines()).toEqual([line]);
  });

  it('is settled: no retry, no receipt, no look of the widget, and the next message goes on', async () => {
    await openChat();
    answers['chat.message'] = refuses('chat-ended');
    await visitor(receive('op1', 'o2', { receipt: true }));
    await callbacks();
    delete answers['chat.message'];
    shown = [];
    await visitor(receive('op1', 'o3', { receipt: true }));
    await callbacks();
    expect(shown).toEqual(['chat.message']);
    const accepted = await factsOf('OperatorMessageAccepted');
    expect(accepted.map(({ data }) => data.messageId)).toEqual(['o3']);
    const [refused] = await factsOf('LhcRefused');
    const [, message] = await factsOf('OperatorMessageReceived');
    expect(refused?.data).toEqual({
      operator: 'op1',
      revision: message?.revision,
      code: 'chat-ended',
      chatId: 'c1',
      messageId: 'o2',
    });
    const sent = lhc.attempts.filter(({ type }) => type === 'chat.message');
    expect(sent.map(({ data }) => (data as { message: { id: string } }).message.id)).toEqual([
      ...['o1', 'o2', 'o3'],
    ]);
  });

  it('of a command or a note names it, with the reason of LHC', async () => {
    await openChat();
    answers['chat.command'] = refuses('command-refused', 'You have no permission');
    answers['chat.note'] = refuses('chat-unknown');
    const operator = username('op1');
    const block = { operator, messageId: 'x1', command: 'block', text: '!block' };
    await visitor({ type: 'SendOperatorCommand', ...block });
    await visitor({ type: 'AddNote', operator, noteId: 'n1', body: 'angry' });
    await callbacks();
    expect((await lines()).filter((line) => line.startsWith('!'))).toEqual([
      '!block was passed on to LHC.',
      '!block: LHC has not carried it out: You have no permission.',
      '!note: LHC does not know this chat.',
    ]);
  });

  it('of an invitation ends it, and nobody hears that it lapsed', async () => {
    answers['visitor.invited'] = refuses('visitor-unknown');
    await visitor(receive('op1', 'i1'));
    await callbacks();
    expect((await lane.rig.visitor('1').state())?.conversation).toBe('none');
    expect(await lines()).toEqual([
      expect.stringContaining('You have invited this visitor.'),
      'Not delivered: LHC does not know this visitor.',
    ]);
    expect(lhc.attempts.map(({ type }) => type)).toEqual(['visitor.invited']);
    delete answers['visitor.invited'];
    await lane.rig.toOperator('op2', register());
    await visitor(receive('op2', 'i2'));
    answers['visitor.invited'] = refuses('operator-disabled');
    await callbacks();
    await visitor(receive('op1', 'i3'));
    delete answers['visitor.invited'];
    await visitor(receive('op1', 'i4'));
    await callbacks();
    // Its first message stands.
    answers['visitor.invited'] = refuses('operator-disabled');
    await visitor(receive('op1', 'i5'));
    await callbacks();
    expect((await lane.rig.visitor('1').state())?.conversation).toBe('invited');
  });

  it('of what an operator did with the chat is told, unless LHC has no such chat any more', async () => {
    await visitor(startChat('c1', 'm1'));
    answers['chat.accepted'] = refuses('operator-disabled');
    answers['chat.closed'] = refuses('not-allowed');
    await visitor(acceptChat('op1'));
    await callbacks();
    await visitor({ ...closeChat('c1', 'operator'), operator: username('op1') } as VisitorCommand);
    await callbacks();
    const refused = (await lines()).filter((line) => line.startsWith('LHC'));
    expect(refused).toEqual([
      'LHC has not given you chat #c1: your user in LHC is disabled.',
      'LHC has not closed chat #c1: your user in LHC has no right to do this.',
    ]);
    answers['chat.closed'] = refuses('chat-ended');
    await visitor(startChat('c2', 'm2'));
    await visitor({ ...closeChat('c2', 'operator'), operator: username('op1') } as VisitorCommand);
    await visitor(startChat('c3', 'm3'));
    answers['chat.closed'] = refuses('not-possible');
    await visitor(closeChat('c3')); // by the visitor
    await callbacks();
    expect(await factsOf('LhcRefused')).toHaveLength(2);
  });

  it('is not said by a transcript: the visitor never had it', async () => {
    await openChat();
    answers['chat.message'] = refuses('not-possible');
    await lane.answer('op1', 'o2');
    await callbacks();
    await visitor({
      type: 'UnassignChat',
      chatId: 'c1',
      operator: username('op1'),
      reason: 'owner-gone',
    });
    lane.ejabberd.messages.length = 0;
    await lane.assign('pia');
    await lane.run();
    const [opening] = lane.read('pia');
    expect(opening?.body.match(/op1: /g)).toHaveLength(1);
  });
});

describe('a notice', () => {
  it.each([
    [
      'not-shown-yet',
      'x',
      'The visitor reads this when they answer your invitation, or load a page.',
    ],
    ['invited', null, 'The chat was over, so your words have become an invitation.'],
    ['answer', 'Nick is Ann', 'LHC: Nick is Ann'],
    ['of-tomorrow', 'It rains', 'LHC: It rains'],
  ])('is a line: %s', async (code, text, line) => {
    await openChat();
    answers['chat.message'] = says(code, text);
    await visitor(receive('op1', 'o2', { receipt: true }));
    await callbacks();
    expect(await lines()).toEqual([line]);
    expect(await factsOf('OperatorMessageAccepted')).toHaveLength(1);
  });

  it('about what nobody did is none', async () => {
    await openChat();
    answers = { 'chat.closed': says('answer', 'x') };
    await visitor(closeChat('c1'));
    await callbacks();
    expect((await lines()).filter((line) => line.startsWith('LHC'))).toEqual([]);
    expect(await factsOf('LhcAnswered')).toEqual([]);
  });
});

describe('a process that is killed', () => {
  class Killed extends Error {}

  it.each([
    ['refusal', refuses('chat-ended'), 'LhcRefused'],
    ['notice', says('invited'), 'LhcAnswered'],
  ])(
    'behind the answer, or behind its fact: the operator reads it once (%s)',
    async (_, answer, type) => {
      await openChat();
      answers['chat.message'] = answer;
      await visitor(receive('op1', 'o2'));
      const before = told;
      await expect(
        callbacks(() => {
          throw new Killed();
        }),
      ).rejects.toThrow();
      expect(await factsOf(type)).toEqual([]);
      await callbacks();
      told = before; // its progress is lost
      await callbacks();
      expect(await factsOf(type)).toHaveLength(1);
      expect(await lines()).toHaveLength(1);
      expect(new Set(lhc.attempts.slice(-3).map(({ id }) => id)).size).toBe(1);
    },
  );
});
