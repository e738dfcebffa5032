/** Messages of operators that are corrected, taken back and reacted to (XEP-0308, 0424, 0444, 0461). */
import { describe, expect, it } from 'vitest';
import { visitorDecider, visitorState } from '../../../src/actors/visitor/decisions.ts';
import type { VisitorFact } from '../../../src/actors/visitor/facts.ts';
import { MAX_WRITTEN_MESSAGES } from '../../../src/actors/visitor/written.ts';
import { username } from '../../support/names.ts';
import {
  arrived,
  chatAccepted,
  chatAssigned,
  chatClosed,
  chatStarted,
  chatUnassigned,
  cleanedUp,
  correction,
  operatorMessage,
  react,
  reactToOperator,
  receive,
  refuseByLhc,
  retract,
  retracted,
  timedOut,
  visitorMessage,
} from '../facts.ts';
import { scenario } from '../scenario.ts';

const visitor = () => scenario(visitorDecider);
const chatting = [arrived(), chatStarted(), chatAssigned(), chatAccepted()];
/** op1 has written o1 (revision 4). */
const written = [...chatting, operatorMessage()];
const correct = (replaces = 'o1', operator = 'op1') => receive(operator, 'o2', { replaces });
/** o2 in the place of what never was a message. */
function insteadOf(id: string): VisitorFact {
  const { data, ...fact } = operatorMessage('c1', 'op1', 'o2');
  return { ...fact, data: { ...data, insteadOf: id } } as VisitorFact;
}
const transferred: VisitorFact = {
  type: 'ChatTransferred',
  data: {
    chatId: 'c1',
    from: username('op1'),
    operator: username('op2'),
    department: null,
    reservation: null,
    by: 'operator',
  },
};

describe('a correction', () => {
  it('is of any of the last messages, several times, by either id', () => {
    const several = visitor().given([...written, operatorMessage('c1', 'op1', 'o8')]);
    several.when(correct()).then([correction(4)]);
    several.given([correction(4)]);
    several.when(receive('op1', 'o3', { replaces: 'o1' })).then([correction(4, 'o3', 'o1')]);
    several.when(receive('op1', 'o3', { replaces: 'o2' })).then([correction(4, 'o3', 'o2')]);
  });

  it('of a command, or of what was refused, is a message like any other', () => {
    visitor()
      .given(written)
      .when(correct('a-command'))
      .then([insteadOf('a-command')]);
  });

  it('of what took the place of a command names the command again, as XEP-0308 wants it', () => {
    const after = visitor().given([...written, insteadOf('a-command')]);
    const id = 'a-command';
    after.when(receive('op1', 'o3', { replaces: id })).then([correction(5, 'o3', 'o2')]);
    after.when(retract('op1', id)).then([retracted(5, 'o2')]);
    const { facts } = after.when(receive('op1', 'o3', { reply: { to: id, plain: 'Hi' } })).asked();
    expect(facts).toMatchObject([{ data: { replyTo: 'o2' } }]);
    after.given([correction(5, 'o3', 'o2')]);
    after.when(receive('op1', 'o4', { replaces: id })).then([correction(5, 'o4', 'o2')]);
    after.when(receive('op1', 'o4', { replaces: 'o3' })).then([correction(5, 'o4', 'o3')]);
  });

  it('is refused if the message is not theirs, was taken back, or is of a chat that is over', () => {
    visitor()
      .given([...written, transferred, chatAccepted('op2')])
      .when(correct('o1', 'op2'))
      .refused(/is one of @op1/);
    visitor()
      .given([...written, retracted(4)])
      .when(correct())
      .refused(/you have taken the message back/);
    visitor()
      .given([...written, chatClosed(), chatStarted('c2')])
      .when(correct())
      .refused(/the chat is over in which you wrote/);
  });

  it('is refused without the chat, and accepts none', () => {
    visitor()
      .given([...written, transferred, chatAccepted('op2')])
      .when(correct())
      .refused(/this chat belongs to @op2/);
    visitor()
      .given([...written, chatUnassigned('owner-gone', ['op1'])])
      .when(correct())
      .refused(/you do not have this chat/);
  });

  it('of the first of too many messages is refused, and no new message', () => {
    const others = Array.from({ length: MAX_WRITTEN_MESSAGES }, (_, i) =>
      operatorMessage('c1', 'op1', `more-${i}`),
    );
    visitor()
      .given([...written, ...others])
      .when(correct())
      .refused(/is too old, or never reached the visitor/);
    visitor()
      .given([...written, ...others.slice(1)])
      .when(correct())
      .then([correction(4)]);
  });
});

describe('a retraction', () => {
  it('takes back an own message, by either id, and once', () => {
    const corrected = visitor().given([...written, correction(4)]);
    corrected.when(retract()).then([retracted(4)]);
    corrected.when(retract('op1', 'o2')).then([retracted(4, 'o2')]);
    corrected.given([retracted(4)]);
    corrected.when(retract('op1', 'o2')).then([]);
  });

  it('works after the end of the chat, and after its transfer', () => {
    visitor()
      .given([...written, chatClosed()])
      .when(retract())
      .then([retracted(4, 'o1', null)]);
    visitor()
      .given([...written, transferred, chatAccepted('op2')])
      .when(retract())
      .then([retracted(4)]);
  });

  it('is refused for what is not theirs, or not known', () => {
    visitor()
      .given(written)
      .when(retract('op2'))
      .refused(/is one of @op1/);
    visitor()
      .given(written)
      .when(retract('op1', 'o9'))
      .refused(/has no such message of yours/);
    visitor()
      .given([...written, chatClosed(), timedOut(), cleanedUp(), arrived()])
      .when(retract())
      .refused(/has no such message of yours/);
  });

  it('of what was erased is refused', () => {
    const erased: VisitorFact = { type: 'PersonalDataErased', data: { generation: 1 } };
    visitor()
      .given([...written, chatClosed(), timedOut(), cleanedUp(), erased, arrived()])
      .when(retract())
      .refused(/too old, or never reached|has no such message/);
  });

  it('that LHC refuses is the operator’s to hear', () => {
    visitor()
      .given([...written, retracted(4)])
      .when(refuseByLhc({ revision: 5, refused: { change: 'retract' } }))
      .then([
        {
          type: 'LhcRefused',
          data: {
            operator: username('op1'),
            revision: 5,
            code: 'chat-ended',
            chatId: 'c1',
            change: 'retract',
          },
        },
      ]);
  });
});

describe('what LHC has refused', () => {
  const refused = (revision: number, what: object): VisitorFact =>
    ({
      type: 'LhcRefused',
      data: { operator: username('op1'), revision, code: 'not-possible', chatId: 'c1', ...what },
    }) as VisitorFact; // one of the two shapes

  it('has not happened: a message is none, and one that was not taken back is there', () => {
    visitor()
      .given([...written, refused(4, { messageId: 'o1' })])
      .when(correct())
      .then([insteadOf('o1')]);
    const still = visitor().given([...written, retracted(4), refused(5, { change: 'retract' })]);
    still.when(correct()).then([correction(4)]);
    still.when(retract()).then([retracted(4)]);
    const other = visitor().given([...written, retracted(4), refused(3, { change: 'accept' })]);
    other.when(correct()).refused(/taken the message back/);
  });
});

describe('a reaction of an operator', () => {
  it('is to a message of the visitor; the whole set counts', () => {
    const both = visitor().given([...chatting, visitorMessage()]);
    for (const reactions of [['👍', '🐢'], []]) {
      both.when(react('op1', 'm1', reactions)).then([
        {
          type: 'MessageReacted',
          data: { operator: username('op1'), messageId: 'm1', chatId: 'c1' },
          personal: { reactions },
        },
      ]);
    }
  });

  it('accepts no chat, and needs one', () => {
    visitor()
      .given([arrived(), chatStarted(), visitorMessage(), chatAssigned()])
      .when(react())
      .refused(/answer the chat first/);
    visitor()
      .given([...chatting, visitorMessage()])
      .when(react('op2'))
      .refused(/this chat belongs to @op1/);
    visitor()
      .given([...chatting, visitorMessage(), chatClosed()])
      .when(react())
      .refused(/the chat is over/);
  });

  it('is refused to anything else: an own message, a line of the service', () => {
    for (const id of ['o1', 'line-3-x']) {
      visitor()
        .given(written)
        .when(react('op1', id))
        .refused(/reactions to their own last messages alone/);
    }
  });
});

describe('a reaction of the visitor', () => {
  const reacted = (more: { first?: true } = {}, reactions = ['👍']): VisitorFact => ({
    type: 'OperatorMessageReacted',
    data: { operator: username('op1'), messageId: 'o1', revision: 4, ...more },
    personal: { reactions },
  });

  it('goes to whoever wrote the message; the first one has a line for clients that know none', () => {
    const one = visitor().given(written);
    one.when(reactToOperator()).then([reacted({ first: true })]);
    one.given([reacted({ first: true })]);
    one.when(reactToOperator('o1', ['🐢'])).then([reacted({}, ['🐢'])]);
    one.when(reactToOperator('o1', [])).then([reacted({}, [])]);
  });

  it('to nothing that the service knows changes nothing', () => {
    visitor().given(written).when(reactToOperator('o9')).then([]);
    visitor().given(written).when(reactToOperator('o1', [])).then([]);
    visitor()
      .given([...written, retracted(4)])
      .when(reactToOperator())
      .then([]);
  });
});

describe('a reply', () => {
  const replies = (to: string) => {
    const { facts } = visitor()
      .given([...chatting, visitorMessage(), operatorMessage()])
      .when(receive('op1', 'o2', { body: '> Hello\nYes', reply: { to, plain: 'Yes' } }))
      .asked();
    return facts.map(({ data, personal }) => ({ replyTo: data.replyTo, ...personal }));
  };

  it('names the message of the visitor or of an operator', () => {
    for (const to of ['m1', 'o1']) {
      expect(replies(to)).toEqual([{ replyTo: to, body: '> Hello\nYes', plain: 'Yes' }]);
    }
  });

  it('to what is not known, or to a line of the service, keeps its quotation and nothing else', () => {
    expect(replies('line-1-x')).toEqual([{ replyTo: undefined, body: '> Hello\nYes' }]);
  });
});

it('erasing a visitor forgets what was written', () => {
  const state = visitor()
    .given([
      ...written,
      chatClosed(),
      timedOut(),
      cleanedUp(),
      { type: 'PersonalDataErased', data: { generation: 1 } },
    ])
    .state();
  expect(visitorState(state.core).context.written).toEqual([]);
});
