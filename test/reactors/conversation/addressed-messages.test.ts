/** Messages that LHC addresses to operators itself, as the operators get them (docs/adr/0037). */
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AppError, isRejected } from '../../../src/errors.ts';
import { causedBy } from '../../../src/runtime/cause.ts';
import {
  address,
  changePresence,
  closeChat,
  openSession,
  receive,
  register,
} from '../../actors/facts.ts';
import { linesIn, wordsIn } from '../../support/marked.ts';
import { username } from '../../support/names.ts';
import { type MessageLane, openMessageLane, STREAM } from './lane.ts';

let lane: MessageLane;
beforeEach(async () => {
  lane = await openMessageLane({ routing: { by: 'lhc' } });
});
afterEach(() => lane.rig.close());

let calls = 0;
/** LHC's calls for one message of the visitor, one after the other. */
async function say(text: string | null, ...operators: string[]): Promise<void> {
  for (const operator of operators) {
    await lane.rig.toVisitor('1', address(operator, text, `call-${++calls}`, '41'));
  }
}
const words = (operator: string) => lane.texts(operator);
/** Ids of the visitor's messages that an operator got. */
const ids = (operator: string) =>
  lane
    .read(operator)
    .filter(({ notice }) => !notice)
    .map(({ id }) => id);

describe('a message that LHC addresses to several operators', () => {
  it('is one stanza for each, with one id, and shows them the chat; the next ones follow by themselves', async () => {
    await say('Do you have these?', 'olga', 'pia');
    expect(await lane.run()).toEqual({ kind: 'done' });
    await say('Anyone?', 'olga', 'pia');
    expect(await lane.run()).toEqual({ kind: 'done' });
    for (const operator of ['olga', 'pia']) {
      expect(words(operator)).toEqual(['Do you have these?', 'Anyone?']);
      expect(lane.lines(operator)).toEqual([
        'New chat #41 for sales. The first to reply gets it.\nVisitor 1\nPage: /home',
      ]);
    }
    expect(ids('olga')).toEqual(ids('pia'));
    const types = await lane.rig.types(STREAM);
    expect(types.filter((type) => type === 'VisitorMessageSent')).toHaveLength(2);
    expect(types.filter((type) => type === 'MessageTaken')).toHaveLength(4);
    const before = lane.ejabberd.messages.length;
    lane.crash();
    await lane.run(); // each stanza was taken
    expect(lane.ejabberd.messages).toHaveLength(before);
  });

  it('is delivered by the first who has it, and still goes to the others', async () => {
    await say('Hello', 'olga');
    await lane.run();
    await lane.delivered('olga', ...ids('olga'));
    await say('Hello', 'pia');
    await lane.run();
    expect(words('pia')).toEqual(['Hello']);
    await lane.delivered('pia', ...ids('pia'));
    const types = await lane.rig.types(STREAM);
    expect(types.filter((type) => type === 'MessageDelivered')).toHaveLength(1);
  });

  it('may be for an operator of whom nobody has heard, or whose address refuses it', async () => {
    const { transport } = lane.ejabberd;
    const { send } = transport;
    transport.send = async (message) => {
      if (message.to.startsWith('gone@')) {
        throw new AppError('refused', 'not-acceptable', { returned: true });
      }
      return send(message);
    };
    await say('Hello', 'gone', 'olga');
    expect(await lane.run()).toEqual({ kind: 'done' });
    expect(words('olga')).toEqual(['Hello']);
    expect(await lane.failures()).toEqual([]);
    expect(await lane.rig.types(STREAM)).toContain('MessageReturned');
    await say('Only you', 'gone');
    expect(await lane.run()).toEqual({ kind: 'done' });
    expect(await lane.failures()).toEqual(['not-acceptable']);
  });

  it('waits for nobody, but for the client of an operator who is online', async () => {
    await lane.rig.close();
    lane = await openMessageLane({ routing: { by: 'lhc' } }, { leastMs: 1_000, mostMs: 5_000 });
    for (const command of [register(), openSession(), changePresence('available')]) {
      await lane.rig.toOperator('pia', command);
    }
    await say('Hello', 'olga', 'pia');
    await say('Anyone?', 'olga');
    expect(await lane.run()).toEqual({ kind: 'done' }); // olga is not there
    await say('Anyone?', 'pia');
    expect(await lane.run()).toMatchObject({ kind: 'parked' });
    lane.rig.clock.passes(6_000);
    expect(await lane.run()).toEqual({ kind: 'done' });
    expect(words('pia')).toEqual(['Hello', 'Anyone?']);
  });
});

describe('a chat that LHC begins without a message', () => {
  it('is shown, and its first message follows by itself', async () => {
    await say(null, 'olga', 'pia');
    await lane.run();
    await say('Hello', 'olga', 'pia');
    await lane.run();
    for (const operator of ['olga', 'pia']) {
      expect(lane.lines(operator)).toHaveLength(1);
      expect(words(operator)[0]).toMatch(/^New chat #41 for sales/);
      expect(words(operator).slice(1)).toEqual(['Hello']);
    }
  });
});

describe('an operator who does not know the chat', () => {
  it('reads what was said before, when LHC changes the owner; the earlier one reads who has it now', async () => {
    await say('Do you have these?', 'olga', 'pia');
    await lane.answer('olga', 'Yes, we do.');
    await say('Great', 'olga');
    await lane.run();
    expect(words('pia').at(-1)).toBe('olga has taken chat #41.');
    lane.forget();
    await say('Hello again', 'pia', 'quin');
    await lane.run();
    expect(words('pia')).toEqual(['Great\nHello again']);
    expect(lane.lines('pia')[0]).toMatch(
      /^LHC sends you chat #41 for sales, which olga has answered\. Reply to take it over\.\n/,
    );
    expect(lane.lines('pia')[0]).toMatch(/olga: Yes, we do\.$/);
    expect(lane.lines('pia')[0]).not.toMatch(/Do you have these/); // pia has read that
    expect(lane.lines('quin')[0]).toMatch(/Do you have these\?\n.*olga: Yes, we do\.$/);
    await lane.rig.toVisitor('1', receive('pia', 'o2'));
    await lane.run();
    expect(words('olga')).toEqual(['pia has taken chat #41.']);
    expect(words('pia')).toHaveLength(1);
  });

  it('reads the words that nobody has answered first', async () => {
    await say('First', 'olga');
    await say('Second', 'olga', 'pia');
    await lane.run();
    expect(words('pia')).toEqual(['First\nSecond']);
    expect(ids('pia')).toEqual([ids('olga')[1]]);
  });

  it('reads each message once where calls come in the wrong order', async () => {
    await say('First', 'olga');
    await say('Second', 'olga', 'pia');
    await say('First', 'pia');
    await lane.run();
    expect(words('pia')).toEqual(['First\nSecond']);
  });

  it('and answers all the same, reads it', async () => {
    await say('Hello', 'olga');
    await lane.run();
    await lane.answer('quin', 'o1');
    await lane.run();
    expect(words('quin')).toEqual(['Hello']);
    expect(words('olga').at(-1)).toBe('quin has taken chat #41.');
  });

  it('reads the invitation of another one', async () => {
    await lane.answer('olga', 'Did you find it?');
    await say('Not yet', 'pia', 'olga');
    await lane.run();
    expect(words('pia')).toEqual(['Not yet']);
    expect(lane.lines('pia')[0]).toMatch(/olga: Did you find it\?$/);
    expect(lane.lines('olga').join('\n')).not.toMatch(/olga: Did you find it/);
  });

  it('gets a very long message by itself', async () => {
    const long = 'x'.repeat(20_000);
    await say(long, 'olga');
    await lane.run();
    expect(lane.read('olga').map(({ notice }) => notice === true)).toEqual([true, false]);
    expect(words('olga')[1]).toBe(long);
  });
});

describe('what was taken and not delivered', () => {
  it('goes again to each operator who was addressed, with its opening', async () => {
    await say('Hello', 'olga', 'pia');
    await say('Anyone?', 'olga');
    await lane.run();
    const before = lane.ejabberd.messages.map(({ to, id, body }) => ({ to, id, body }));
    lane.forget();
    await lane.resent();
    const after = lane.ejabberd.messages.map(({ to, id, body }) => ({ to, id, body }));
    expect(after).toEqual(expect.arrayContaining(before));
    expect(after).toHaveLength(before.length);
  });

  it('is the cause of what comes of it, whoever asked for it to go again', async () => {
    await say('Hello', 'olga');
    await lane.run();
    lane.ejabberd.state.before = async (call) => {
      if (call.startsWith('send ')) throw new AppError('refused', 'gone');
    };
    await causedBy({ stream: STREAM, revision: 0 }, () => lane.resent());
    const facts = await lane.rig.facts(STREAM);
    const sent = facts.find(({ type }) => type === 'VisitorMessageSent');
    expect(facts.at(-1)).toMatchObject({
      type: 'MessageFailed',
      metadata: { causationId: sent?.id },
    });
  });

  it('does not go to those who have not had it yet', async () => {
    await say('Hello', 'olga', 'pia');
    const [id] = (await lane.rig.facts(STREAM))
      .filter(({ type }) => type === 'VisitorMessageSent')
      .map(({ data }) => String(data.messageId));
    await lane.rig.toVisitor('1', {
      type: 'ReportMessageTaken',
      messageIds: [id ?? ''],
      operator: username('olga'),
    });
    await lane.resent();
    expect(lane.sent('pia')).toEqual([]);
    expect(lane.sent('olga')).toEqual([id]);
  });
});

/** Calls of LHC, in the order of one worker or mixed with those of the next message, and what happens between them. */
type Step =
  | { what: 'say'; to: string[]; ahead: number }
  | { what: 'answer' | 'deliver'; operator: string }
  | { what: 'run' | 'close' | 'crash' | 'restart' | 'resend' | 'passes' };
const OPERATORS = ['olga', 'pia', 'quin'];
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      what: fc.constant('say' as const),
      to: fc.shuffledSubarray(OPERATORS, { minLength: 1 }),
      /** So many of its calls come before the last ones of the message before. */
      ahead: fc.nat({ max: 2 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.constantFrom<Step>(
      { what: 'run' },
      { what: 'run' },
      { what: 'passes' },
      { what: 'crash' },
      { what: 'restart' },
      { what: 'resend' },
    ),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      what: fc.constantFrom('answer', 'deliver'),
      operator: fc.constantFrom(...OPERATORS),
    }) as fc.Arbitrary<Step>,
  },
  { weight: 1, arbitrary: fc.constant<Step>({ what: 'close' }) },
);

it('each operator reads each message that LHC addresses to them once, and all in the order of the visitor', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 30 }), async (steps) => {
      const world = await openMessageLane({ routing: { by: 'lhc' } });
      try {
        const wanted = new Map(OPERATORS.map((operator) => [operator, new Set<string>()]));
        const tokens: string[] = [];
        let chat = 41;
        let held: (readonly [operator: string, token: string])[] = [];
        const call = async ([operator, token]: readonly [string, string]) => {
          await world.rig.toVisitor('1', address(operator, token, `call-${++calls}`, String(chat)));
          wanted.get(operator)?.add(token);
        };
        const flush = async () => {
          for (const each of held.splice(0)) await call(each);
        };
        const perform = async (each: Step): Promise<unknown> => {
          switch (each.what) {
            case 'say': {
              const token = `x${String(tokens.length).padStart(3, '0')}x`;
              tokens.push(token);
              const mine = each.to.map((operator) => [operator, token] as const);
              // The first call of a message comes before those of the next one: one worker sends it.
              for (const ahead of mine.slice(0, each.ahead)) await call(ahead);
              await flush();
              held = mine.slice(each.ahead);
              const first = each.ahead === 0 ? held.shift() : undefined;
              return first && call(first);
            }
            case 'answer':
              return world.answer(each.operator, `o${++calls}`);
            case 'deliver':
              return world.delivered(each.operator, ...world.sent(each.operator));
            case 'close':
              await flush();
              await world.rig.toVisitor('1', closeChat(String(chat), 'system'));
              chat += 1;
              return;
            case 'crash':
              return world.crash();
            case 'restart':
              return world.restart();
            case 'resend':
              return world.resent();
            case 'passes':
              return world.rig.clock.passes(1_000);
            default:
              return world.run();
          }
        };
        for (const each of steps) {
          await perform(each).catch((error: unknown) => {
            if (!isRejected(error)) throw error;
          });
        }
        await flush();
        expect(await world.run()).toEqual({ kind: 'done' });
        for (const operator of OPERATORS) {
          // What was said before stands below the words of a stanza.
          const read = world
            .read(operator)
            .flatMap(({ body }) => [linesIn(body), wordsIn(body)])
            .flatMap((text) => text.match(/x\d{3}x/g) ?? [])
            .filter((token) => wanted.get(operator)?.has(token));
          expect(read).toEqual([...(wanted.get(operator) ?? [])].toSorted());
        }
        const owners = (await world.rig.facts(STREAM)).filter(
          ({ type }) => type === 'ChatAssigned',
        );
        const accepted = (await world.rig.facts(STREAM)).filter(
          ({ type }) => type === 'ChatAccepted',
        );
        expect(owners.map(({ data }) => data.operator)).toEqual(
          accepted.map(({ data }) => data.operator),
        );
      } finally {
        await world.rig.close();
      }
    }),
    { numRuns: 15 },
  );
});

it('a message that the lane has not sent when its chat ends goes out by itself', async () => {
  await say('Bye', 'olga');
  await lane.rig.toVisitor('1', closeChat('41', 'system'));
  await lane.run();
  expect(words('olga')[0]).toBe('Bye');
});
