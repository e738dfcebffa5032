/**
 * A web visitor as a machine: where its facts take it. Three regions side by side: presence, which a page view brings
 * back from anywhere; the conversation, which a page view never disturbs; and whether somebody was asked to answer it,
 * which has a time of its own that further messages of the visitor do not extend.
 */
import { assign, emit, type SnapshotFrom, setup } from 'xstate';
import type {
  Chat,
  UnassignReason,
  VisitorContext,
  VisitorDelays,
  VisitorEvent,
  VisitorFact,
} from './visitor-facts.ts';

const REVOKED_KEPT = 32;
const SETTLED_KEPT = 256;
const PASSED_KEPT = 50;
const MARKABLE_KEPT = 32;

const NO_DELAYS: Required<VisitorDelays> = {
  hardTimeout: 300_000,
  cleanupAfter: 86_400_000,
  invitationTimeout: 120_000,
  offerTimeout: 60_000,
  chatIdle: 86_400_000,
};

const settle = (
  context: VisitorContext,
  ids: readonly string[],
): Pick<VisitorContext, 'openMessages' | 'settledMessages'> => ({
  openMessages: context.openMessages.filter((message) => !ids.includes(message.id)),
  settledMessages: [...context.settledMessages, ...ids].slice(-SETTLED_KEPT),
});

/** A chat that nobody has any more: what its next owner has to be told begins here. */
const released = (chat: Chat, { at, revision }: { at: number; revision: number }): Chat => ({
  ...chat,
  operator: null,
  reservation: null,
  accepted: false,
  offered: [],
  freeSince: at,
  round: revision,
  parked: null,
});

/** Who misses it again goes to the end of the list. */
export const passedBy = (chat: Pick<Chat, 'passed'>, operators: readonly string[]): string[] =>
  [...chat.passed.filter((each) => !operators.includes(each)), ...operators].slice(-PASSED_KEPT);

/** Who no longer has it for one of these is asked again only when nobody else is free. */
export const PASSES = new Set<UnassignReason>(['missed', 'declined']);

/** Raise it when recorded histories fold differently (test/actors/golden). */
export const VISITOR_VERSION = 'visitor/2';

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
    offerTimeout: ({ context }) => context.delays.offerTimeout ?? NO_DELAYS.offerTimeout,
    chatIdle: ({ context }) => context.delays.chatIdle,
  },
  guards: {
    noOpenChat: ({ context }) => context.chat === null,
    toOperator: ({ event }) => event.type === 'ChatTransferred' && event.data.operator !== null,
    othersAreAsked: ({ context, event }) =>
      event.type === 'ChatUnassigned' &&
      (context.chat?.offered.some((each) => !event.data.operators.includes(each)) ?? false),
  },
  actions: {
    arrive: assign(({ context, event }) => {
      if (event.type !== 'VisitorArrived' && event.type !== 'PageViewed') return {};
      return {
        delays: { ...NO_DELAYS, ...event.data.delays },
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
      markable: [],
      displayed: null,
    })),
    startChat: assign(({ context, event }) => {
      if (event.type !== 'ChatStarted') return {};
      const { chatId, department, invitedBy } = event.data;
      return {
        inviter: null,
        lastChatId: chatId,
        chats: context.chats + 1,
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
          offered: [],
          passed: [],
          misses: 0,
          freeSince: event.at,
          transferredBy: null,
          round: event.revision,
          parked: null,
        },
      };
    }),
    assignChat: assign(({ context, event }) => {
      if (event.type !== 'ChatAssigned' || !context.chat) return {};
      const { operator, reservation } = event.data;
      return { chat: { ...context.chat, operator, reservation, accepted: false, offered: [] } };
    }),
    offerChat: assign(({ context, event }) => {
      if (event.type !== 'ChatOffered' || !context.chat) return {};
      return {
        chat: { ...context.chat, offered: [...context.chat.offered, ...event.data.operators] },
      };
    }),
    acceptChat: assign(({ context, event }) => {
      if (event.type !== 'ChatAccepted' || !context.chat) return {};
      return {
        chat: { ...context.chat, accepted: true, offered: [], misses: 0 },
        lastOperator: event.data.operator,
      };
    }),
    unassignChat: assign(({ context, event }) => {
      if (event.type !== 'ChatUnassigned' || !context.chat) return {};
      const { operators, reason } = event.data;
      const left = context.chat.offered.filter((each) => !operators.includes(each));
      const passes = PASSES.has(reason);
      const chat = {
        ...context.chat,
        passed: passes ? passedBy(context.chat, operators) : context.chat.passed,
      };
      if (left.length > 0) return { chat: { ...chat, offered: left } };
      return { chat: { ...released(chat, event), misses: chat.misses + (passes ? 1 : 0) } };
    }),
    transferChat: assign(({ context, event }) => {
      if (event.type !== 'ChatTransferred' || !context.chat) return {};
      const { from, operator, department, reservation } = event.data;
      const passes = from !== null && operator === null;
      return {
        chat: {
          ...released(context.chat, event),
          operator,
          reservation,
          department: department ?? context.chat.department,
          passed: passes ? passedBy(context.chat, [from]) : context.chat.passed,
          misses: 0,
          transferredBy: operator === null ? null : from,
        },
      };
    }),
    offerMissed: emit(({ context: { chat } }) => ({
      type: 'ChatUnassigned',
      data: {
        chatId: chat?.id ?? '',
        operators: chat?.operator ? [chat.operator] : (chat?.offered ?? []),
        reason: 'missed',
        ...(chat?.operator ? {} : { broadcast: true }),
      },
    })),
    closeChat: assign({ chat: null }),
    keepMessage: assign(({ context, event }) => {
      if (event.type !== 'VisitorMessageSent' || !context.chat) return {};
      const { chatId, messageId } = event.data;
      const message = { id: messageId, chatId, revision: event.revision, taken: false };
      return {
        openMessages: [...context.openMessages, message],
        chat: {
          ...context.chat,
          messages: context.chat.messages + 1,
          parked: context.chat.parked ?? (context.chat.operator === null ? event.revision : null),
        },
      };
    }),
    keepMarkable: assign(({ context, event }) => {
      if (event.type !== 'OperatorMessageReceived' || !event.data.markable) return {};
      const { messageId: id, operator } = event.data;
      return { markable: [...context.markable, { id, operator }].slice(-MARKABLE_KEPT) };
    }),
    displayMarkable: assign(({ context, event }) => {
      if (event.type !== 'OperatorMessageDisplayed') return {};
      const { messageId } = event.data;
      const read = context.markable.findIndex(({ id }) => id === messageId);
      return { markable: context.markable.slice(read + 1) };
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
    chats: 0,
    lastOperator: null,
    markable: [],
    displayed: null,
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
    MessageDisplayed: { actions: assign(({ event }) => ({ displayed: event.data.messageId })) },
    OperatorMessageDisplayed: { actions: 'displayMarkable' },
    // Told to LHC or to the operator by reactors; they change nothing here.
    // (xstate's `can` takes a transition with neither target nor action for none.)
    OperatorMessageTold: { actions: assign({}) },
    NoteAdded: { actions: assign({}) },
    OperatorCommandSent: { actions: assign({}) },
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
            OperatorMessageReceived: { target: 'invited', reenter: true, actions: 'keepMarkable' },
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
            ChatOffered: { actions: 'offerChat' },
            ChatUnassigned: { actions: 'unassignChat' },
            ChatTransferred: { actions: 'transferChat' },
            ChatAccepted: { target: 'chatting', actions: 'acceptChat' },
            VisitorMessageSent: { target: 'waiting', reenter: true, actions: 'keepMessage' },
            ChatClosed: { target: 'none', actions: 'closeChat' },
          },
          after: { chatIdle: { actions: 'closeIdleChat' } },
        },
        chatting: {
          on: {
            VisitorMessageSent: { target: 'chatting', reenter: true, actions: 'keepMessage' },
            OperatorMessageReceived: { target: 'chatting', reenter: true, actions: 'keepMarkable' },
            ChatUnassigned: { target: 'waiting', actions: 'unassignChat' },
            ChatTransferred: { target: 'waiting', actions: 'transferChat' },
            ChatClosed: { target: 'none', actions: 'closeChat' },
          },
          after: { chatIdle: { actions: 'closeIdleChat' } },
        },
      },
    },
    offer: {
      initial: 'none',
      states: {
        none: {
          on: {
            ChatAssigned: 'open',
            ChatOffered: 'open',
            ChatTransferred: { guard: 'toOperator', target: 'open' },
          },
        },
        open: {
          on: {
            ChatAssigned: { target: 'open', reenter: true },
            // More are asked: those who were asked before have no longer for it.
            ChatTransferred: [
              { guard: 'toOperator', target: 'open', reenter: true },
              { target: 'none' },
            ],
            ChatUnassigned: [{ guard: 'othersAreAsked' }, { target: 'none' }],
            ChatAccepted: 'none',
            ChatClosed: 'none',
          },
          after: { offerTimeout: { actions: 'offerMissed' } },
        },
      },
    },
  },
});

export type VisitorSnapshot = SnapshotFrom<typeof visitorMachine>;
