/**
 * src/actors/visitor: a web visitor with their conversation. Pure: no clock, no randomness, no I/O. Every part of the service
 * may import it.
 *
 * This file is the entry point: the state chart. It has three parallel regions. *Presence*: a page view brings the visitor
 * back from every state. *Conversation*: a page view never changes it. *Offer*: whether an operator has been asked to
 * answer; its time-out is not extended by further messages.
 *
 * `facts.ts` has the facts, and `state.ts` the state. `changes.ts` and `chat.ts` change the context; the action `change`
 * stands at exactly one place for each fact. `decisions.ts` has the commands and calls `conversation.ts` (messages),
 * `chat-placement.ts` (who has the chat), `room.ts` (its chat room, and whispers), `in-lhc.ts` (people in LHC's own pages), `effect-reports.ts` (outcomes of
 * effects) and `history-end.ts` (clean-up, erasure, retention).
 */
import { assign, emit, type SnapshotFrom, setup, stateIn } from 'xstate';
import { changesBy, EMPTY_CONTEXT } from './changes.ts';
import { VISITOR_FOLD } from './chat.ts';
import { chatClosed, invitationExpired, offersMissed, timedOut } from './chat-facts.ts';
import type { VisitorEvent, VisitorFact } from './facts.ts';
import { LONG_HISTORY_CLEANUP_MS } from './history.ts';
import type { VisitorContext } from './state.ts';

export const VISITOR_VERSION = `visitor/${VISITOR_FOLD}`;

export const visitorMachine = setup({
  // `types` is how xstate takes its types: values that are never read.
  types: {} as {
    context: VisitorContext;
    events: VisitorEvent;
    emitted: VisitorFact;
  },
  delays: {
    hardTimeout: ({ context }) => context.delays.hardTimeout,
    cleanupAfter: ({ context: { delays, endsSoon } }) =>
      endsSoon ? Math.min(delays.cleanupAfter, LONG_HISTORY_CLEANUP_MS) : delays.cleanupAfter,
    invitationTimeout: ({ context }) => context.delays.invitationTimeout,
    offerTimeout: ({ context }) => context.delays.offerTimeout,
    chatIdle: ({ context }) => context.delays.chatIdle,
  },
  guards: {
    hasNotComeBack: ({ event }) =>
      event.type === 'RetentionApplied' && event.data.generation !== undefined,
    noOpenChat: ({ context }) => context.chat === null,
    nobodyHasAnswered: ({ context: { chat } }) => !chat?.accepted,
    isAnswered: ({ context: { chat } }) => chat?.accepted === true,
    isInvited: stateIn({ conversation: 'invited' }),
    // A fact that does not fit the conversation must not fit here either. Otherwise it would be accepted.
    isUnanswered: ({ context: { chat } }) => chat !== null && !chat.accepted,
    // LHC knows no time-out of an offer.
    isOurOffer: ({ context: { chat }, event }) =>
      chat !== null &&
      !chat.accepted &&
      event.type === 'ChatOffered' &&
      event.data.reason !== 'lhc',
    isAcceptedInLhc: ({ event }) => event.type === 'ChatTakenInLhc' && event.data.accepted,
    toOperator: ({ context: { chat }, event }) =>
      chat !== null && event.type === 'ChatTransferred' && event.data.operator !== null,
    hasRoom: ({ context }) => context.room !== null,
    isOverflow: ({ event }) => event.type === 'ChatTransferred' && event.data.by === 'overflow',
    otherOffersStay: ({ context, event }) =>
      event.type === 'ChatUnassigned' &&
      (context.chat?.offeredTo.some((each) => !event.data.operators.includes(each)) ?? false),
  },
  actions: {
    change: assign(({ context, event }) => changesBy(context, event)),
    timeOut: emit(({ context }) => timedOut(context)),
    cleanUp: emit(({ context }) => ({ type: 'CleanedUp', data: { lastSeen: context.lastSeen } })),
    expireInvitation: emit(({ context }) => invitationExpired(context, 'not-answered')),
    endInvitation: emit(({ context }) => invitationExpired(context, 'visitor-left')),
    closeIdleChat: emit(({ context }) => chatClosed(context, 'system', 'idle')),
    missOffer: emit(({ context }) => offersMissed(context)),
  },
}).createMachine({
  id: 'visitor',
  type: 'parallel',
  context: EMPTY_CONTEXT,
  // Outcomes of effects can come at any time, so every state accepts them.
  on: {
    AccountReady: { actions: 'change' },
    LoggedIn: { actions: 'change' },
    LoggedOut: { actions: 'change' },
    SessionFailed: { actions: 'change' },
    ReservationRevoked: { actions: 'change' },
    MessageAddressed: { actions: 'change' },
    MessageReturned: { actions: 'change' },
    MessageTaken: { actions: 'change' },
    MessageDelivered: { actions: 'change' },
    MessageFailed: { actions: 'change' },
    MessageDisplayed: { actions: 'change' },
    OperatorMessageDisplayed: { actions: 'change' },
    OperatorMessageRetracted: { actions: 'change' },
    OperatorMessageReacted: { actions: 'change' },
    // These change nothing, but an action is needed (docs/xstate.md, gotcha 3).
    OperatorMessageAccepted: { actions: 'change' },
    MessageReacted: { actions: 'change' },
    NoteAdded: { actions: 'change' },
    // Their chat is open, and who has it does not matter.
    RoomJoined: { guard: 'hasRoom', actions: 'change' },
    RoomClosed: { guard: 'hasRoom', actions: 'change' },
    OperatorCommandSent: { actions: 'change' },
    LhcAnswered: { actions: 'change' },
    LhcRefused: { actions: 'change' },
    DataKeyDestroyed: { actions: 'change' },
    RetentionApplied: { actions: 'change' },
  },
  states: {
    presence: {
      initial: 'unknown',
      on: {
        VisitorArrived: { target: '.online', actions: 'change' },
        CleanedUp: { target: '.cleanedUp', actions: 'change' },
      },
      states: {
        unknown: {},
        online: {
          on: {
            PageViewed: { target: 'online', reenter: true, actions: 'change' },
            ChatStarted: { target: 'online', reenter: true },
            VisitorMessageSent: { target: 'online', reenter: true },
            // The guard below dropped the timer during the chat. So the end of the chat arms it again (gotcha 10), and so
            // does the loss of the operator. Offers that are missed do not extend it: nobody saw the visitor.
            ChatClosed: { target: 'online', reenter: true },
            ChatUnassigned: { guard: 'isAnswered', target: 'online', reenter: true },
            ChatTransferred: { guard: 'isAnswered', target: 'online', reenter: true },
            TimedOut: { target: 'timedOut', actions: 'change' },
          },
          after: {
            hardTimeout: [
              { guard: 'isInvited', actions: ['endInvitation', 'timeOut'] },
              { guard: 'nobodyHasAnswered', actions: 'timeOut' },
            ],
          },
        },
        timedOut: {
          // The guard dropped the timer during the chat.
          on: { ChatClosed: { target: 'timedOut', reenter: true } },
          after: { cleanupAfter: { guard: 'noOpenChat', actions: 'cleanUp' } },
        },
        cleanedUp: {
          on: {
            PersonalDataErased: { actions: 'change' },
            // The stream is deleted behind this fact, and the state has to be that of a stream without facts.
            RetentionApplied: { guard: 'hasNotComeBack', target: 'unknown', actions: 'change' },
          },
        },
      },
    },
    conversation: {
      initial: 'none',
      states: {
        none: {
          on: {
            Invited: { target: 'invited', actions: 'change' },
            ChatStarted: { target: 'waiting', actions: 'change' },
            // In a chat that is over.
            MessageWrittenInLhc: { actions: 'change' },
          },
        },
        invited: {
          on: {
            MessageWrittenInLhc: { actions: 'change' },
            // Each further message of the operator restarts `invitationTimeout`.
            OperatorMessageReceived: { target: 'invited', reenter: true, actions: 'change' },
            InvitationExpired: { target: 'none', actions: 'change' },
            ChatStarted: { target: 'waiting', actions: 'change' },
            // Without `InvitationExpired` before them only in histories of release 0.1.0.
            TimedOut: 'none',
            CleanedUp: 'none',
          },
          after: { invitationTimeout: { actions: 'expireInvitation' } },
        },
        // Not answered yet. An operator may be assigned already.
        waiting: {
          on: {
            // Offers by routing do not restart `chatIdle`: nobody has written anything.
            ChatOffered: { actions: 'change' },
            ChatAssigned: { actions: 'change' },
            ChatUnassigned: { actions: 'change' },
            VisitorNotified: { actions: 'change' },
            // Nobody has written anything where routing moves it.
            ChatTransferred: [
              { guard: 'isOverflow', actions: 'change' },
              { target: 'waiting', reenter: true, actions: 'change' },
            ],
            ChatTakenInLhc: [
              { guard: 'isAcceptedInLhc', target: 'chatting', actions: 'change' },
              { actions: 'change' },
            ],
            ChatAccepted: { target: 'chatting', actions: 'change' },
            MessageWrittenInLhc: { target: 'waiting', reenter: true, actions: 'change' },
            RoomOpened: { actions: 'change' },
            Whispered: { actions: 'change' },
            // In a room people write while somebody else is asked.
            OperatorMessageReceived: {
              guard: 'hasRoom',
              target: 'waiting',
              reenter: true,
              actions: 'change',
            },
            VisitorMessageSent: { target: 'waiting', reenter: true, actions: 'change' },
            ChatClosed: { target: 'none', actions: 'change' },
          },
          after: { chatIdle: { actions: 'closeIdleChat' } },
        },
        chatting: {
          on: {
            VisitorMessageSent: { target: 'chatting', reenter: true, actions: 'change' },
            OperatorMessageReceived: { target: 'chatting', reenter: true, actions: 'change' },
            MessageWrittenInLhc: { target: 'chatting', reenter: true, actions: 'change' },
            ChatTakenInLhc: { target: 'chatting', reenter: true, actions: 'change' },
            RoomOpened: { actions: 'change' },
            Whispered: { actions: 'change' },
            // An operator takes it from somebody in LHC, or somebody else whom LHC has picked answers.
            ChatAssigned: { target: 'waiting', actions: 'change' },
            ChatUnassigned: { target: 'waiting', actions: 'change' },
            ChatTransferred: { target: 'waiting', actions: 'change' },
            ChatClosed: { target: 'none', actions: 'change' },
          },
          after: { chatIdle: { actions: 'closeIdleChat' } },
        },
      },
    },
    // Whether an operator is asked. The chat in the context says which ones.
    offer: {
      initial: 'none',
      states: {
        none: {
          on: {
            ChatAssigned: { guard: 'isUnanswered', target: 'open' },
            ChatOffered: { guard: 'isOurOffer', target: 'open' },
            ChatTransferred: { guard: 'toOperator', target: 'open' },
          },
        },
        // No `ChatOffered` here: offers to further operators do not extend the time of earlier ones.
        open: {
          on: {
            ChatAssigned: { target: 'open', reenter: true },
            ChatTransferred: [
              { guard: 'toOperator', target: 'open', reenter: true },
              { target: 'none' },
            ],
            ChatUnassigned: [{ guard: 'otherOffersStay' }, { target: 'none' }],
            ChatAccepted: 'none',
            ChatTakenInLhc: 'none',
            ChatClosed: 'none',
          },
          after: { offerTimeout: { actions: 'missOffer' } },
        },
      },
    },
  },
});

export type VisitorSnapshot = SnapshotFrom<typeof visitorMachine>;
