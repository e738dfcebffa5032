/**
 * A web visitor as a machine: where its facts take it. Three regions side by side: presence, which a page view brings
 * back from anywhere; the conversation, which a page view never disturbs; and whether somebody was asked to answer it,
 * which has a time of its own that further messages of the visitor do not extend. What the facts change is in
 * changes.ts: `change` stands where a fact is accepted, once for each.
 */
import { assign, emit, type SnapshotFrom, setup } from 'xstate';
import { changesBy, NOBODY } from './changes.ts';
import { VISITOR_FOLD } from './chat.ts';
import { chatClosed, offersMissed } from './chat-placement.ts';
import type { VisitorContext, VisitorEvent, VisitorFact } from './facts.ts';

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
    cleanupAfter: ({ context }) => context.delays.cleanupAfter,
    invitationTimeout: ({ context }) => context.delays.invitationTimeout,
    offerTimeout: ({ context }) => context.delays.offerTimeout,
    chatIdle: ({ context }) => context.delays.chatIdle,
  },
  guards: {
    noOpenChat: ({ context }) => context.chat === null,
    // What does not fit the conversation must not fit here either, or nobody would notice.
    isUnanswered: ({ context: { chat } }) => chat !== null && !chat.accepted,
    toOperator: ({ context: { chat }, event }) =>
      chat !== null && event.type === 'ChatTransferred' && event.data.operator !== null,
    othersAreAsked: ({ context, event }) =>
      event.type === 'ChatUnassigned' &&
      (context.chat?.offeredTo.some((each) => !event.data.operators.includes(each)) ?? false),
  },
  actions: {
    change: assign(({ context, event }) => changesBy(context, event)),
    timeOut: emit(({ context }) => ({ type: 'TimedOut', data: { lastSeen: context.lastSeen } })),
    cleanUp: emit(({ context }) => ({ type: 'CleanedUp', data: { lastSeen: context.lastSeen } })),
    expireInvitation: emit(({ context }) => ({
      type: 'InvitationExpired',
      data: { operator: context.inviter },
    })),
    closeIdleChat: emit(({ context }) => chatClosed(context, 'system', 'idle')),
    missOffer: emit(({ context }) => offersMissed(context)),
  },
}).createMachine({
  id: 'visitor',
  type: 'parallel',
  context: NOBODY,
  // Outcomes come whenever the outside world is done: they are accepted in every state.
  on: {
    AccountReady: { actions: 'change' },
    LoggedIn: { actions: 'change' },
    LoggedOut: { actions: 'change' },
    SessionFailed: { actions: 'change' },
    ReservationRevoked: { actions: 'change' },
    MessageTaken: { actions: 'change' },
    MessageDelivered: { actions: 'change' },
    MessageFailed: { actions: 'change' },
    MessageDisplayed: { actions: 'change' },
    OperatorMessageDisplayed: { actions: 'change' },
    // They change nothing, but xstate's `can` takes a transition with neither target nor action for none.
    OperatorMessageAccepted: { actions: 'change' },
    NoteAdded: { actions: 'change' },
    OperatorCommandSent: { actions: 'change' },
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
            // The guard below swallowed the timer during the chat: closing arms it anew (docs/xstate.md, gotcha 10).
            ChatClosed: { target: 'online', reenter: true },
            TimedOut: 'timedOut',
          },
          after: { hardTimeout: { guard: 'noOpenChat', actions: 'timeOut' } },
        },
        timedOut: { after: { cleanupAfter: { actions: 'cleanUp' } } },
        cleanedUp: {},
      },
    },
    conversation: {
      initial: 'none',
      states: {
        none: {
          on: {
            Invited: { target: 'invited', actions: 'change' },
            ChatStarted: { target: 'waiting', actions: 'change' },
          },
        },
        invited: {
          on: {
            // Each further message of the operator gives the visitor the whole time again.
            OperatorMessageReceived: { target: 'invited', reenter: true, actions: 'change' },
            InvitationExpired: { target: 'none', actions: 'change' },
            ChatStarted: { target: 'waiting', actions: 'change' },
            TimedOut: { target: 'none', actions: 'change' },
            CleanedUp: 'none',
          },
          after: { invitationTimeout: { actions: 'expireInvitation' } },
        },
        // Begun and not yet answered; it may have an operator already (assigned).
        waiting: {
          on: {
            // Who is asked and who misses it is the routing's doing, again and again: the chat is idle all the same.
            ChatOffered: { actions: 'change' },
            ChatAssigned: { actions: 'change' },
            ChatUnassigned: { actions: 'change' },
            ChatTransferred: { target: 'waiting', reenter: true, actions: 'change' },
            ChatAccepted: { target: 'chatting', actions: 'change' },
            VisitorMessageSent: { target: 'waiting', reenter: true, actions: 'change' },
            ChatClosed: { target: 'none', actions: 'change' },
          },
          after: { chatIdle: { actions: 'closeIdleChat' } },
        },
        chatting: {
          on: {
            VisitorMessageSent: { target: 'chatting', reenter: true, actions: 'change' },
            OperatorMessageReceived: { target: 'chatting', reenter: true, actions: 'change' },
            ChatUnassigned: { target: 'waiting', actions: 'change' },
            ChatTransferred: { target: 'waiting', actions: 'change' },
            ChatClosed: { target: 'none', actions: 'change' },
          },
          after: { chatIdle: { actions: 'closeIdleChat' } },
        },
      },
    },
    // Whether somebody is asked; who it is, is in the chat.
    offer: {
      initial: 'none',
      states: {
        none: {
          on: {
            ChatAssigned: { guard: 'isUnanswered', target: 'open' },
            ChatOffered: { guard: 'isUnanswered', target: 'open' },
            ChatTransferred: { guard: 'toOperator', target: 'open' },
          },
        },
        // No `ChatOffered`: where more are asked, those who were asked before have no longer for it.
        open: {
          on: {
            ChatAssigned: { target: 'open', reenter: true },
            ChatTransferred: [
              { guard: 'toOperator', target: 'open', reenter: true },
              { target: 'none' },
            ],
            ChatUnassigned: [{ guard: 'othersAreAsked' }, { target: 'none' }],
            ChatAccepted: 'none',
            ChatClosed: 'none',
          },
          after: { offerTimeout: { actions: 'missOffer' } },
        },
      },
    },
  },
});

export type VisitorSnapshot = SnapshotFrom<typeof visitorMachine>;
