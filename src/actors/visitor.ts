/**
 * A web visitor as a machine: where its facts take it. Two regions side by side: presence, which a page view brings back
 * from anywhere, and the conversation, which a page view never disturbs.
 */
import { assign, emit, type SnapshotFrom, setup } from 'xstate';
import type { VisitorContext, VisitorDelays, VisitorEvent, VisitorFact } from './visitor-facts.ts';

const REVOKED_KEPT = 32;
const SETTLED_KEPT = 256;

const NO_DELAYS: VisitorDelays = {
  hardTimeout: 300_000,
  cleanupAfter: 86_400_000,
  invitationTimeout: 120_000,
  chatIdle: 86_400_000,
};

const settle = (
  context: VisitorContext,
  ids: readonly string[],
): Pick<VisitorContext, 'openMessages' | 'settledMessages'> => ({
  openMessages: context.openMessages.filter((message) => !ids.includes(message.id)),
  settledMessages: [...context.settledMessages, ...ids].slice(-SETTLED_KEPT),
});

/** Raise it when recorded histories fold differently (test/actors/golden). */
export const VISITOR_VERSION = 'visitor/1';

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
    chatIdle: ({ context }) => context.delays.chatIdle,
  },
  guards: {
    noOpenChat: ({ context }) => context.chat === null,
  },
  actions: {
    arrive: assign(({ context, event }) => {
      if (event.type !== 'VisitorArrived' && event.type !== 'PageViewed') return {};
      return {
        delays: event.data.delays,
        digest: event.data.digest,
        digestAt: event.at,
        lastSeen: event.at,
        failure: event.type === 'VisitorArrived' ? null : context.failure,
        department: event.data.department ?? context.department,
        // A chat that begins with no page view has a visitor with nothing to tell.
        profileRevision: event.data.digest === null ? context.profileRevision : event.revision,
      };
    }),
    beSeen: assign(({ event }) => ({ lastSeen: event.at })),
    // Messages stay open: what ejabberd holds for an operator may still be delivered. A stream that was cut before this
    // fact has to fold to the same state, hence `kept`, and no rest of what was before.
    forget: assign(({ event }) => ({
      ...(event.type === 'CleanedUp' ? { lastSeen: event.data.lastSeen, ...event.data.kept } : {}),
      delays: NO_DELAYS,
      digest: null,
      digestAt: 0,
      profileRevision: -1,
      nickRevision: -1,
      department: null,
      account: false,
      loggedIn: false,
      failure: null,
      inviter: null,
      chat: null,
    })),
    startChat: assign(({ event }) => {
      if (event.type !== 'ChatStarted') return {};
      const { chatId, department, invitedBy } = event.data;
      return {
        inviter: null,
        lastChatId: chatId,
        nickRevision: event.revision,
        chat: {
          id: chatId,
          department,
          invitedBy,
          operator: null,
          reservation: null,
          accepted: false,
          startedAt: event.at,
          messages: 0,
        },
      };
    }),
    assignChat: assign(({ context, event }) => {
      if (event.type !== 'ChatAssigned' || !context.chat) return {};
      const { operator, reservation } = event.data;
      return { chat: { ...context.chat, operator, reservation, accepted: false } };
    }),
    acceptChat: assign(({ context }) =>
      context.chat ? { chat: { ...context.chat, accepted: true } } : {},
    ),
    closeChat: assign({ chat: null }),
    keepMessage: assign(({ context, event }) => {
      if (event.type !== 'VisitorMessageSent' || !context.chat) return {};
      const { chatId, messageId } = event.data;
      const message = { id: messageId, chatId, revision: event.revision, taken: false };
      return {
        openMessages: [...context.openMessages, message],
        chat: { ...context.chat, messages: context.chat.messages + 1 },
      };
    }),
    closeIdleChat: emit(({ context }) => ({
      type: 'ChatClosed',
      data: {
        chatId: context.chat?.id ?? '',
        operator: context.chat?.operator ?? null,
        by: 'system',
        reason: 'idle',
      },
    })),
    revoke: assign(({ context, event }) =>
      event.type === 'ReservationRevoked'
        ? {
            revokedReservations: [...context.revokedReservations, event.data.reservation].slice(
              -REVOKED_KEPT,
            ),
          }
        : {},
    ),
  },
}).createMachine({
  id: 'visitor',
  type: 'parallel',
  context: {
    delays: NO_DELAYS,
    digest: null,
    digestAt: 0,
    profileRevision: -1,
    nickRevision: -1,
    department: null,
    lastSeen: 0,
    account: false,
    loggedIn: false,
    failure: null,
    inviter: null,
    chat: null,
    lastChatId: null,
    revokedReservations: [],
    openMessages: [],
    settledMessages: [],
  },
  // Outcomes come whenever the outside world is done: they are accepted in every state.
  on: {
    AccountReady: { actions: assign({ account: true, failure: null }) },
    LoggedIn: { actions: assign({ loggedIn: true, account: true, failure: null }) },
    LoggedOut: { actions: assign({ loggedIn: false }) },
    SessionFailed: {
      actions: assign(({ event }) => ({ loggedIn: false, failure: event.data.reason })),
    },
    ReservationRevoked: { actions: 'revoke' },
    MessageTaken: {
      actions: assign(({ context, event }) => ({
        openMessages: context.openMessages.map((message) =>
          event.data.messageIds.includes(message.id) ? { ...message, taken: true } : message,
        ),
      })),
    },
    MessageDelivered: {
      actions: assign(({ context, event }) => settle(context, event.data.messageIds)),
    },
    MessageFailed: {
      actions: assign(({ context, event }) => settle(context, [event.data.messageId])),
    },
  },
  states: {
    presence: {
      initial: 'unknown',
      on: {
        VisitorArrived: { target: '.online', actions: 'arrive' },
        CleanedUp: { target: '.cleanedUp', actions: 'forget' },
      },
      states: {
        unknown: {},
        online: {
          on: {
            PageViewed: { target: 'online', reenter: true, actions: 'arrive' },
            ChatStarted: { target: 'online', reenter: true, actions: 'beSeen' },
            VisitorMessageSent: { target: 'online', reenter: true, actions: 'beSeen' },
            // The guard below swallowed the timer during the chat: closing arms it anew (XSTATE.md, gotcha 10).
            ChatClosed: { target: 'online', reenter: true },
            TimedOut: 'timedOut',
          },
          after: {
            hardTimeout: {
              guard: 'noOpenChat',
              actions: emit(({ context }) => ({
                type: 'TimedOut',
                data: { lastSeen: context.lastSeen },
              })),
            },
          },
        },
        timedOut: {
          after: {
            cleanupAfter: {
              actions: emit(({ context }) => ({
                type: 'CleanedUp',
                data: { lastSeen: context.lastSeen },
              })),
            },
          },
        },
        cleanedUp: {},
      },
    },
    conversation: {
      initial: 'none',
      states: {
        none: {
          on: {
            Invited: {
              target: 'invited',
              actions: assign(({ event }) => ({ inviter: event.data.operator })),
            },
            ChatStarted: { target: 'waiting', actions: 'startChat' },
          },
        },
        invited: {
          on: {
            // Each further message of the operator gives the visitor the whole time again.
            OperatorMessageReceived: { target: 'invited', reenter: true },
            InvitationExpired: { target: 'none', actions: assign({ inviter: null }) },
            ChatStarted: { target: 'waiting', actions: 'startChat' },
            TimedOut: { target: 'none', actions: assign({ inviter: null }) },
            CleanedUp: 'none',
          },
          after: {
            invitationTimeout: {
              actions: emit(({ context }) => ({
                type: 'InvitationExpired',
                data: { operator: context.inviter },
              })),
            },
          },
        },
        // Begun and not yet answered; it may have an operator already (assigned).
        waiting: {
          on: {
            ChatAssigned: { target: 'waiting', reenter: true, actions: 'assignChat' },
            ChatAccepted: { target: 'chatting', actions: 'acceptChat' },
            VisitorMessageSent: { target: 'waiting', reenter: true, actions: 'keepMessage' },
            ChatClosed: { target: 'none', actions: 'closeChat' },
          },
          after: { chatIdle: { actions: 'closeIdleChat' } },
        },
        chatting: {
          on: {
            VisitorMessageSent: { target: 'chatting', reenter: true, actions: 'keepMessage' },
            OperatorMessageReceived: { target: 'chatting', reenter: true },
            ChatClosed: { target: 'none', actions: 'closeChat' },
          },
          after: { chatIdle: { actions: 'closeIdleChat' } },
        },
      },
    },
  },
});

export type VisitorSnapshot = SnapshotFrom<typeof visitorMachine>;
