import { describe, expect, it } from 'vitest';
import type { Fact } from '../../../src/actors/machine/decider.ts';
import type { VisitorCommand } from '../../../src/actors/visitor/decisions.ts';
import { visitorDecider, visitorState } from '../../../src/actors/visitor/decisions.ts';
import type { VisitorFact } from '../../../src/actors/visitor/facts.ts';
import { MAX_OPEN_MESSAGES } from '../../../src/actors/visitor/sent-messages.ts';
import { username } from '../../support/names.ts';
import {
  arrived,
  assignChat,
  chatAccepted,
  chatAssigned,
  chatClosed,
  chatStarted,
  chatUnassigned,
  cleanedUp,
  closeChat,
  correction,
  DELAYS,
  delivered,
  HOUR,
  invitationExpired,
  invited,
  invitingMessage,
  operatorMessage,
  pageViewed,
  receive,
  refuseByLhc,
  SECOND,
  sendMessage,
  startChat,
  timedOut,
  viewPage,
  visitorMessage,
} from '../facts.ts';
import { scenario } from '../scenario.ts';
import { MemoryStream } from '../stream.ts';

const visitor = () => scenario(visitorDecider);
const WAKE = { type: 'Wake' } as const;
const typesOf = (facts: readonly Fact[]): string[] => facts.map((fact) => fact.type);

const chatting = [arrived(), chatStarted(), chatAssigned(), chatAccepted()];

describe('a visitor on the site', () => {
  it('arrives with the first page view', () => {
    visitor()
      .when(viewPage('home'))
      .then([arrived('home')]);
  });

  it('views another page', () => {
    visitor()
      .given([arrived('home')])
      .when(viewPage('prices'), SECOND)
      .then([pageViewed('prices')]);
  });

  it('reloads the same page: a fact only after 30 s', () => {
    const home = visitor().given([arrived('home')], 0);
    home.when(viewPage('home'), 29 * SECOND).then([]);
    home.when(viewPage('home'), 30 * SECOND).then([pageViewed('home')]);
  });

  it('reloads within a short time-out: a fact after half of it, or the time-out would expire', () => {
    const delays = { ...DELAYS, hardTimeout: 10 * SECOND };
    const home = visitor().given([arrived('home', delays)], 0);
    home.when(viewPage('home', delays), 4 * SECOND).then([]);
    home.when(viewPage('home', delays), 5 * SECOND).then([pageViewed('home', delays)]);
  });

  it('asks for another department on the same page: a fact', () => {
    visitor()
      .given([arrived('home')], 0)
      .when({ ...viewPage('home'), department: 'support' } as ReturnType<typeof viewPage>, SECOND)
      .then([
        {
          ...pageViewed('home'),
          data: { digest: 'home', department: 'support', delays: DELAYS, told: [] },
        } as VisitorFact,
      ]);
  });

  it('is unknown before: every other command fails', () => {
    for (const command of [
      sendMessage(),
      receive(),
      assignChat(),
      closeChat(),
      { type: 'TimeOut' } as const,
    ]) {
      visitor()
        .when(command)
        .refused(/not known/);
    }
  });

  it('times out after the delay in the latest fact', () => {
    visitor()
      .given([arrived()], 0)
      .wakesAt(300 * SECOND)
      .when(WAKE, 300 * SECOND)
      .then([timedOut(0)]);
  });

  it('stays online by page views', () => {
    visitor()
      .given([arrived()], 0)
      .given([pageViewed('prices')], 200 * SECOND)
      .wakesAt(500 * SECOND)
      .when(WAKE, 300 * SECOND)
      .then([]);
  });

  it('times out once by a command of LHC', () => {
    visitor()
      .given([arrived()], 0)
      .when({ type: 'TimeOut' }, SECOND)
      .then([timedOut(0)]);
    visitor().given([arrived(), timedOut()], 0).when({ type: 'TimeOut' }, SECOND).then([]);
  });

  it('returns after the time-out, as the same visitor', () => {
    visitor()
      .given([arrived(), timedOut()], 0)
      .when(viewPage('home'), SECOND)
      .then([arrived('home')]);
  });

  it('is cleaned up a day after the time-out, and can return from that', () => {
    const gone = visitor()
      .given([arrived()], 0)
      .given([timedOut(0)], 300 * SECOND);
    gone.wakesAt(300 * SECOND + 24 * HOUR);
    const { facts } = gone.when(WAKE, 300 * SECOND + 24 * HOUR).asked();
    expect(facts).toMatchObject([{ type: 'CleanedUp', data: { lastSeen: 0 } }]);
    gone.given(facts).wakesAt(undefined).when(viewPage()).then([arrived()]);
  });

  it('is cleaned up by a command, which first closes the chat', () => {
    const { facts } = visitor().given(chatting).when({ type: 'CleanUp' }).asked();
    expect(facts[0]).toEqual(chatClosed('op1', 'system', 'visitor cleaned up'));
    expect(typesOf(facts)).toEqual(['ChatClosed', 'CleanedUp']);
    visitor().given([arrived(), cleanedUp()]).when({ type: 'CleanUp' }).then([]);
  });
});

describe('an invitation', () => {
  it('begins if an operator writes to a browsing visitor', () => {
    visitor().given([arrived()]).when(receive()).then([invited(), invitingMessage()]);
  });

  it('has the whole time again after each further message', () => {
    visitor()
      .given([arrived(), invited(), operatorMessage(null)], 0)
      .when(receive('op1', 'o2'))
      .then([operatorMessage(null, 'op1', 'o2')]);
    visitor()
      .given([arrived(), invited(), operatorMessage(null)], 0)
      .given([operatorMessage(null, 'op1', 'o2')], 60 * SECOND)
      .wakesAt(180 * SECOND);
  });

  it('expires, and then another operator may invite', () => {
    visitor()
      .given([arrived(), invited(), operatorMessage(null)], 0)
      .wakesAt(120 * SECOND)
      .when(WAKE, 120 * SECOND)
      .then([invitationExpired()]);
    visitor()
      .given([arrived(), invited(), operatorMessage(null), invitationExpired()])
      .when(receive('op2'))
      .then([invited('op2'), invitingMessage('op2')]);
  });

  it('that LHC refuses is over at once, and its further messages alone do not end it', () => {
    const standing = visitor().given([arrived(), invited(), invitingMessage()]);
    const refusal = { revision: 2, chatId: null, code: 'visitor-unknown' };
    const refused = {
      type: 'LhcRefused',
      data: { operator: username('op1'), messageId: 'o1', ...refusal },
    } as const;
    standing
      .when(refuseByLhc({ ...refusal, invites: true }))
      .then([refused, invitationExpired('refused')]);
    standing.when(refuseByLhc(refusal)).then([refused]);
    visitor()
      .given([arrived(), invited(), invitingMessage(), refused, invitationExpired('refused')])
      .when(receive('op2'))
      .then([invited('op2'), invitingMessage('op2')]);
    visitor()
      .given([...chatting])
      .when(refuseByLhc({ ...refusal, invites: true }))
      .then([refused]);
  });

  it('belongs to the operator who came first', () => {
    visitor()
      .given([arrived(), invited(), operatorMessage(null)])
      .when(receive('op2'))
      .refused(/@op1 has just invited/);
  });

  it('is answered by a chat, which names the inviter', () => {
    visitor()
      .given([arrived(), invited(), operatorMessage(null)])
      .when(startChat())
      .then([chatStarted('c1', 'op1')]);
  });

  it('can be corrected, and never begins with a correction', () => {
    visitor()
      .given([arrived(), invited(), operatorMessage(null)])
      .when(receive('op1', 'o2', { replaces: 'o1' }))
      .then([correction(2, 'o2', 'o1', null)]);
    visitor()
      .given([...chatting, operatorMessage(), chatClosed()])
      .when(receive('op1', 'o2', { replaces: 'a-command' }))
      .refused(/a correction does not invite the visitor/);
  });

  it('belongs to its answer after its end, until another invitation or a chat', () => {
    const lapsed = () =>
      visitor().given([arrived(), invited(), operatorMessage(null), invitationExpired()]);
    lapsed()
      .when(startChat())
      .then([chatStarted('c1', 'op1')]);
    lapsed()
      .given([pageViewed('prices'), timedOut(), arrived()])
      .when(startChat())
      .then([chatStarted('c1', 'op1')]);
    lapsed()
      .given([
        invited('op2'),
        operatorMessage(null, 'op2'),
        invitationExpired('not-answered', 'op2'),
      ])
      .when(startChat())
      .then([chatStarted('c1', 'op2')]);
    lapsed()
      .given([chatStarted('c1', 'op1'), chatClosed()])
      .when(startChat('c2'))
      .then([chatStarted('c2', null)]);
    lapsed()
      .given([timedOut(), cleanedUp(), arrived()])
      .when(startChat())
      .then([chatStarted('c1', null)]);
  });

  it('ends with the visitor, and the facts say which one ended', () => {
    const delays = { ...DELAYS, hardTimeout: 60 * SECOND };
    const gone = () =>
      visitor().given([arrived('home', delays), invited(), operatorMessage(null)], 0);
    const left = [invitationExpired('visitor-left'), timedOut()];
    gone()
      .wakesAt(60 * SECOND)
      .when(WAKE, 60 * SECOND)
      .then(left);
    gone().when({ type: 'TimeOut' }).then(left);
    const cleaned = gone().when({ type: 'CleanUp' }).asked().facts;
    expect(cleaned[0]).toEqual(invitationExpired('visitor-left'));
    expect(typesOf(cleaned)).toEqual(['InvitationExpired', 'CleanedUp']);
    const later = gone()
      .given(left, 60 * SECOND)
      .wakesAt(60 * SECOND + 24 * HOUR);
    later.when(receive()).refused(/has left/);
    later
      .given([arrived()])
      .when(startChat())
      .then([chatStarted('c1', 'op1')]);
  });
});

describe('a chat', () => {
  it('is started by a visitor, with a first message', () => {
    visitor()
      .given([arrived()])
      .when(startChat('c1', 'm1'))
      .then([chatStarted(), visitorMessage()]);
  });

  it('is started by an unknown visitor', () => {
    const nobody = {
      type: 'VisitorArrived',
      data: { digest: null, department: 'sales', delays: DELAYS },
    };
    visitor()
      .when(startChat())
      .then([nobody as VisitorFact, chatStarted()]);
  });

  it('starts once; a message in the repeat still counts', () => {
    visitor().given([arrived(), chatStarted()]).when(startChat()).then([]);
    visitor()
      .given([arrived(), chatStarted()])
      .when(startChat('c1', 'm1'))
      .then([visitorMessage()]);
    visitor()
      .given([arrived(), chatStarted(), visitorMessage()])
      .when(startChat('c1', 'm1'))
      .then([]);
  });

  it('is one at a time', () => {
    visitor()
      .given([arrived(), chatStarted()])
      .when(startChat('c2'))
      .refused(/c1 is open/);
  });

  it('is assigned by routing and accepted by the first answer', () => {
    visitor().given([arrived(), chatStarted()]).when(assignChat()).then([chatAssigned()]);
    visitor()
      .given([arrived(), chatStarted(), chatAssigned()])
      .when(receive())
      .then([chatAccepted(), operatorMessage()]);
    visitor()
      .given(chatting)
      .when(receive('op1', 'o2'))
      .then([operatorMessage('c1', 'op1', 'o2')]);
  });

  it('goes to the operator who answers while nobody has it', () => {
    visitor()
      .given([arrived(), chatStarted()])
      .when(receive('op2'))
      .then([
        chatAssigned('op2', null, 'answered'),
        chatAccepted('op2'),
        operatorMessage('c1', 'op2'),
      ]);
  });

  it('has one owner', () => {
    const answered: [readonly Fact[], RegExp][] = [
      [[arrived(), chatStarted(), chatAssigned()], /offered to @op1; write !take/],
      [chatting, /belongs to @op1/],
    ];
    for (const [facts, reason] of answered) {
      visitor().given(facts).when(receive('op2')).refused(reason);
      visitor().given(facts).when(assignChat('op2', 'r2')).refused(reason);
      visitor().given(facts).when(assignChat()).then([]);
    }
  });

  it('accepts messages while it waits and after its acceptance, each once', () => {
    visitor().given([arrived(), chatStarted()]).when(sendMessage()).then([visitorMessage()]);
    visitor()
      .given(chatting)
      .when(sendMessage('m2'))
      .then([visitorMessage('m2')]);
    visitor()
      .given([...chatting, visitorMessage()])
      .when(sendMessage())
      .then([]);
  });

  it('keeps what a file is beside its address, sealed', () => {
    const file = { name: 'a.png', type: 'image/png', size: 70 };
    const body = 'https://lhc.test/a.png';
    const first = { id: 'm1', body, file };
    const said = visitorMessage();
    const sent = { ...said, personal: { body, file } } as VisitorFact;
    visitor()
      .given(chatting)
      .when({ ...sendMessage(), body, file } as VisitorCommand)
      .then([sent]);
    visitor()
      .given([arrived()])
      .when({ ...startChat('c1'), message: first } as VisitorCommand)
      .then([chatStarted(), sent]);
  });

  it('accepts no message for another chat, or without a chat', () => {
    visitor()
      .given(chatting)
      .when(sendMessage('m1', 'c9'))
      .refused(/c1 is open, not c9/);
    visitor()
      .given([arrived()])
      .when(sendMessage())
      .refused(/no open chat/);
    visitor()
      .given([arrived()])
      .when(sendMessage('m1', 'c1'))
      .refused(/c1 is not open/);
  });

  it('has a maximum of open messages', () => {
    const many = Array.from({ length: MAX_OPEN_MESSAGES }, (_, i) => visitorMessage(`m${i}`));
    visitor()
      .given([...chatting, ...many])
      .when(sendMessage('one-more'))
      .refused(/1000 messages wait/);
  });

  it('keeps the visitor online until it is closed; closing arms the time-out again', () => {
    const open = visitor().given(chatting, 0);
    open.when(WAKE, 300 * SECOND).then([]);
    open.when({ type: 'TimeOut' }).refused(/c1 is open; close it first/);
    // The guard dropped the fired timer. The next timer is `chatIdle`.
    open.wakesAt(24 * HOUR, 300 * SECOND);
    open.given([chatClosed()], HOUR).wakesAt(HOUR + 300 * SECOND);
    open.when(WAKE, HOUR + 300 * SECOND).then([timedOut(0)]);
  });

  it('is closed by each party; a repeat has no effect', () => {
    visitor().given(chatting).when(closeChat()).then([chatClosed()]);
    visitor()
      .given([...chatting, chatClosed()])
      .when(closeChat())
      .then([]);
    visitor()
      .given([...chatting, chatClosed()])
      .when(closeChat('c9'))
      .refused(/c9 is not open/);
    visitor()
      .given([arrived(), chatStarted()])
      .when(closeChat())
      .then([chatClosed(null)]);
  });

  it('is closed by the system after a day without a message', () => {
    for (const happens of [visitorMessage(), operatorMessage()]) {
      const open = visitor().given(chatting, 0).given([happens], HOUR);
      open.when(WAKE, 24 * HOUR).then([]);
      open.when(WAKE, 25 * HOUR).then([chatClosed('op1', 'system', 'idle')]);
    }
    const waiting = visitor().given([arrived(), chatStarted()], 0).given([visitorMessage()], HOUR);
    const left = [timedOut(HOUR, 'c1')];
    waiting.when(WAKE, 24 * HOUR).then(left);
    waiting.given(left, 2 * HOUR);
    waiting.when(WAKE, 25 * HOUR).then([chatClosed(null, 'system', 'idle')]);
  });

  describe('that waits while its visitor leaves', () => {
    const left = timedOut(0, 'c1');
    const back = {
      type: 'VisitorArrived',
      data: { digest: null, department: 'sales', delays: DELAYS },
    } as VisitorFact;
    const backOnPage = { ...back, data: { ...back.data, department: null } } as VisitorFact;
    const waits = () => visitor().given([arrived(), chatStarted(), chatAssigned()], 0);
    const chatOf = (facts: readonly Fact[]) =>
      visitorState(
        waits()
          .given(facts, 300 * SECOND)
          .state().core,
      );

    it('stays open: the visitor times out, by the timer or by LHC', () => {
      waits()
        .when(WAKE, 59 * SECOND)
        .then([]);
      const missed = chatUnassigned('missed', ['op1']);
      waits()
        .when(WAKE, 300 * SECOND)
        .then([missed, left]);
      waits().when({ type: 'TimeOut' }).then([left]);
      expect(chatOf([missed, left])).toMatchObject({
        presence: 'timedOut',
        conversation: 'waiting',
        context: { chat: { id: 'c1', left: true, passedBy: ['op1'] } },
      });
    });

    it('can be taken, answered, closed and cleaned up', () => {
      const gone = () => waits().given([chatUnassigned('missed', ['op1']), left], 300 * SECOND);
      gone()
        .when(receive('op1', 'o9'))
        .then([
          chatAssigned('op1', null, 'answered'),
          chatAccepted(),
          operatorMessage('c1', 'op1', 'o9'),
        ]);
      gone()
        .when(closeChat())
        .then([chatClosed(null)]);
      expect(typesOf(gone().when({ type: 'CleanUp' }).asked().facts)).toEqual([
        'ChatClosed',
        'CleanedUp',
      ]);
      // A chat that is open is never cleaned up by the timer. Its end arms the timer anew.
      const kept = gone().given([chatAssigned(), chatAccepted(), operatorMessage()], 20 * HOUR);
      kept.when(WAKE, 25 * HOUR).then([]);
      kept.given([chatClosed()], 30 * HOUR).wakesAt(54 * HOUR);
    });

    it('is back with the visitor: by a page view, a message, or the chat again', () => {
      const gone = () => waits().given([chatUnassigned('missed', ['op1']), left], 300 * SECOND);
      gone()
        .when(viewPage('home'))
        .then([arrived('home')]);
      gone()
        .when(sendMessage('m9'))
        .then([backOnPage, visitorMessage('m9')]);
      gone()
        .when(startChat('c1', 'm9'))
        .then([back, visitorMessage('m9')]);
      expect(chatOf([left, arrived()])).toMatchObject({
        presence: 'online',
        conversation: 'waiting',
        context: { chat: { id: 'c1', left: false } },
      });
    });

    it('is one whose operator was lost, too: the time-out begins with the loss, and no missed offer extends it', () => {
      const lost = visitor()
        .given(chatting, 0)
        .given([chatUnassigned('owner-gone', ['op1'])], HOUR);
      lost.wakesAt(HOUR + 300 * SECOND);
      lost.given([chatAssigned('op2', 'r2')], HOUR + 200 * SECOND);
      lost.given([chatUnassigned('missed', ['op2'])], HOUR + 260 * SECOND);
      lost.when(WAKE, HOUR + 300 * SECOND).then([left]);
    });
  });

  it('leaves the visitor the whole time-out after it was closed as idle, however late the timer fires', () => {
    const delays = { ...DELAYS, chatIdle: 60 * SECOND };
    const late = visitor().given([arrived('home', delays), chatStarted()], 0);
    const { facts } = late.when(WAKE, HOUR).asked();
    expect(typesOf(facts)).toEqual(['ChatClosed']);
    late.given(facts, HOUR).wakesAt(HOUR + 300 * SECOND);
  });

  it('is not changed by page views', () => {
    visitor()
      .given(chatting, 0)
      .when(viewPage('prices'), SECOND)
      .then([pageViewed('prices')]);
    const seen = visitor().given([...chatting, pageViewed('prices')]);
    seen.when(receive()).then([operatorMessage()]);
  });

  it('is over for the operator, too: their next message is an invitation', () => {
    const over = visitor().given([...chatting, chatClosed()], 0);
    over.when(receive(), 10 * SECOND).then([invited(), invitingMessage()]);
    visitor()
      .given([...chatting, chatClosed(), timedOut()])
      .when(receive())
      .refused(/has left/);
  });
});

describe('a message that arrives just after the end of its chat', () => {
  const closing = (by: 'visitor' | 'operator' | 'system') =>
    visitor().given([...chatting, chatClosed('op1', by)], 0);

  it('does not invite the visitor', () => {
    for (const by of ['visitor', 'system'] as const) {
      closing(by)
        .when(receive(), 10 * SECOND - 1)
        .refused(/had ended before this message arrived/);
    }
  });

  it('is an invitation if this operator ended the chat, or did not have it', () => {
    closing('operator').when(receive(), SECOND).then([invited(), invitingMessage()]);
    closing('visitor')
      .when(receive('op2'), SECOND)
      .then([invited('op2'), invitingMessage('op2')]);
  });

  it('is accepted in a chat that has begun meanwhile', () => {
    closing('visitor')
      .given([chatStarted()], SECOND)
      .when(receive(), 2 * SECOND)
      .then([chatAssigned('op1', null, 'answered'), chatAccepted(), operatorMessage()]);
  });
});

describe('a reservation', () => {
  const waiting = [arrived(), chatStarted()];
  const revoked = { type: 'ReservationRevoked', data: { reservation: 'r1' } } as const;

  it('that was revoked makes a late assignment fail', () => {
    visitor().given(waiting).when({ type: 'RevokeReservation', reservation: 'r1' }).then([revoked]);
    visitor()
      .given([...waiting, revoked])
      .when(assignChat())
      .refused(/was revoked/);
    visitor()
      .given([...waiting, revoked])
      .when(assignChat('op1', 'r2'))
      .then([chatAssigned('op1', 'r2')]);
  });

  it('is revoked once', () => {
    visitor()
      .given([...waiting, revoked])
      .when({ type: 'RevokeReservation', reservation: 'r1' })
      .then([]);
  });

  it('cannot be revoked after an assignment with it', () => {
    visitor()
      .given([...waiting, chatAssigned()])
      .when({ type: 'RevokeReservation', reservation: 'r1' })
      .refused(/was assigned with this reservation/);
  });

  it('is void if the chat was closed, or answered by an operator', () => {
    visitor()
      .given([...waiting, chatClosed(null)])
      .when(assignChat())
      .refused(/c1 is not open/);
    visitor()
      .given([...waiting, chatAssigned('op1', null, 'answered'), chatAccepted()])
      .when(assignChat('op1', 'r1'))
      .refused(/belongs to @op1/);
  });
});

describe('outcomes', () => {
  const sent = [...chatting, visitorMessage('m1'), visitorMessage('m2')];

  it('are final, one for each message', () => {
    const report = {
      type: 'ReportMessageDelivered',
      messageIds: ['m1', 'm2'],
      by: 'ping',
    } as const;
    visitor()
      .given(sent)
      .when(report)
      .then([delivered(['m1', 'm2'])]);
    visitor()
      .given([...sent, delivered(['m1'])])
      .when(report)
      .then([delivered(['m2'])]);
    visitor()
      .given([...sent, delivered(['m1', 'm2'])])
      .when(report)
      .then([]);
    visitor()
      .given([...sent, delivered(['m1'])])
      .when({ type: 'ReportMessageFailed', messageId: 'm1', reason: 'no operator' })
      .then([]);
  });

  it('are not undone by a repeat of the message', () => {
    visitor()
      .given([...sent, delivered(['m1'])])
      .when(sendMessage('m1'))
      .then([]);
  });

  it('name the chat of the message, also during the next chat', () => {
    const later = [...sent, chatClosed(), chatStarted('c2'), visitorMessage('m3', 'c2')];
    visitor()
      .given(later)
      .when({ type: 'ReportMessageDelivered', messageIds: ['m1', 'm3', 'm2'], by: 'ping' })
      .then([delivered(['m1', 'm2']), delivered(['m3'], 'c2')]);
    visitor()
      .given(later)
      .when({ type: 'ReportMessageFailed', messageId: 'm1', reason: 'gone' })
      .then([{ type: 'MessageFailed', data: { messageId: 'm1', reason: 'gone', chatId: 'c1' } }]);
  });

  it('taken is not final, and is reported once', () => {
    const taken: VisitorFact = { type: 'MessageTaken', data: { messageIds: ['m1'] } };
    const report = { type: 'ReportMessageTaken', messageIds: ['m1', 'unknown'] } as const;
    visitor().given(sent).when(report).then([taken]);
    visitor()
      .given([...sent, taken])
      .when(report)
      .then([]);
    visitor()
      .given([...sent, taken])
      .when({ type: 'ReportMessageDelivered', messageIds: ['m1'], by: 'receipt' })
      .then([
        { type: 'MessageDelivered', data: { messageIds: ['m1'], by: 'receipt', chatId: 'c1' } },
      ]);
  });

  it('are accepted in every state', () => {
    visitor()
      .given([...sent, chatClosed(), timedOut(), cleanedUp()])
      .when({ type: 'ReportMessageDelivered', messageIds: ['m2'], by: 'ping' })
      .then([delivered(['m2'])]);
  });

  it('of a session cause a fact only for a change', () => {
    const loggedIn: VisitorFact = { type: 'LoggedIn', data: {} };
    const failed: VisitorFact = { type: 'SessionFailed', data: { reason: 'not authorized' } };
    visitor()
      .given([arrived()])
      .when({ type: 'ReportAccountReady' })
      .then([{ type: 'AccountReady', data: {} }]);
    visitor().given([arrived()]).when({ type: 'ReportLoggedIn' }).then([loggedIn]);
    visitor().given([arrived(), loggedIn]).when({ type: 'ReportLoggedIn' }).then([]);
    visitor().given([arrived()]).when({ type: 'ReportLoggedOut', reason: 'gone' }).then([]);
    const report = { type: 'ReportSessionFailed', reason: 'not authorized' } as const;
    visitor().given([arrived()]).when(report).then([failed]);
    visitor().given([arrived(), failed]).when(report).then([]);
    visitor().given([arrived(), failed, loggedIn]).when(report).then([failed]);
    visitor().given([arrived(), failed, timedOut(), arrived()]).when(report).then([failed]);
  });
});

describe('the clean-up fact', () => {
  it('has the state that later decisions need, because the stream may be truncated before it', () => {
    const actor = new MemoryStream(visitorDecider);
    actor.send(startChat('c1', 'm1'), 0, 'start');
    actor.send({ type: 'RevokeReservation', reservation: 'r1' }, SECOND, 'revoke');
    actor.send(sendMessage('m2'), SECOND, 'send');
    actor.send({ type: 'ReportMessageDelivered', messageIds: ['m2'], by: 'ping' }, SECOND, '', {
      queueId: 'q',
      seq: 7,
    });
    actor.send({ type: 'CleanUp' }, 2 * SECOND, 'clean');
    const last = actor.facts.length - 1;
    const whole = actor.refold();
    const cut = actor.refold(last);
    expect(visitorState(cut.core)).toEqual(visitorState(whole.core));
    expect(cut.seen.summary()).toEqual(whole.seen.summary());
    expect(cut.seen.hasCommand('start')).toBe(true);
    expect(cut.seen.hasHook({ queueId: 'q', seq: 7 })).toBe(true);
  });
});
