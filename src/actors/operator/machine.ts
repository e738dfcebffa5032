/**
 * An operator: the sessions of its XMPP client, and the chats that it has. **Its stream owns its capacity**: a chat is
 * reserved here before it is assigned on the visitor's stream.
 */
import { assign, emit, type SnapshotFrom, setup } from 'xstate';
import { availabilityOf, isPresenceEvent, presenceAfter } from './availability.ts';
import type { OperatorContext, OperatorEvent, OperatorFact } from './facts.ts';

export type * from './facts.ts';

/** Chats named in a fact: an operator has a handful. */
export const CHATS_NAMED = 100;

/** Raise it when recorded histories fold differently (test/actors/golden). */
export const OPERATOR_VERSION = 'operator/1';

export const operatorMachine = setup({
  // `types` is how xstate takes its types: values that are never read.
  types: {} as { context: OperatorContext; events: OperatorEvent; emitted: OperatorFact },
  delays: { ownerGrace: ({ context }) => context.ownerGrace },
  guards: {
    // Said once: a wake that comes late again finds him gone already.
    isMissed: ({ context }) =>
      !context.gone && (context.away || Object.keys(context.chats).length > 0),
    isOffline: ({ context }) => availabilityOf(context) === 'offline',
    isAvailable: ({ context }) => availabilityOf(context) === 'available',
    isAway: ({ context }) => availabilityOf(context) === 'away',
    isBusy: ({ context }) => availabilityOf(context) === 'busy',
  },
  actions: {
    followPresence: assign(({ context, event }) =>
      isPresenceEvent(event) ? presenceAfter(context, event) : {},
    ),
    addChat: assign(({ context, event }) => {
      if (event.type !== 'ChatConfirmed' && event.type !== 'ChatReserved') return {};
      const { chatId, visitor, reservation, department, ownerGrace } = event.data;
      const open = event.type === 'ChatConfirmed';
      const chat = { visitor, reservation, department, open, at: event.at };
      return {
        lastChatAt: event.at,
        ownerGrace,
        chats: { ...context.chats, [chatId]: chat },
      };
    }),
    beGone: emit(({ context }) => ({
      type: 'OperatorGone',
      data: { chats: Object.keys(context.chats).slice(0, CHATS_NAMED) },
    })),
  },
}).createMachine({
  id: 'operator',
  initial: 'offline',
  context: {
    claimed: false,
    registrationRevision: -1,
    leaving: false,
    registered: false,
    lhcUserId: null,
    departments: [],
    capacity: 0,
    nameRevision: -1,
    sessions: {},
    away: false,
    gone: false,
    ownerGrace: 60_000,
    chats: {},
    lastChatAt: 0,
  },
  on: {
    OperatorAccountClaimed: { actions: assign({ claimed: true, leaving: false }) },
    OperatorRegistered: {
      actions: assign(({ event }) => ({
        registered: true,
        registrationRevision: event.revision,
        lhcUserId: event.data.lhcUserId,
        departments: event.data.departments,
        capacity: event.data.capacity,
        nameRevision: event.revision,
      })),
    },
    OperatorRemoved: {
      actions: assign(({ event }) => ({
        registrationRevision: event.revision,
        claimed: false,
        leaving: true,
        registered: false,
        lhcUserId: null,
        departments: [],
        capacity: 0,
        nameRevision: -1,
        chats: {},
      })),
    },
    OperatorAccountRemoved: { actions: assign({ leaving: false }) },
    // It stands between a look at this stream and a registration that was decided by that look.
    LhcUserRevoked: {
      actions: assign(({ event }) => ({ registrationRevision: event.revision })),
    },
    OperatorLoggedIn: { actions: 'followPresence' },
    PresenceChanged: { actions: 'followPresence' },
    OperatorLoggedOut: { actions: 'followPresence' },
    OperatorUnresponsive: { actions: 'followPresence' },
    OperatorResponsive: { actions: 'followPresence' },
    OperatorGone: { actions: assign({ gone: true, away: false }) },
    AvailabilitySet: { actions: 'followPresence' },
    ChatReserved: { actions: 'addChat' },
    ChatConfirmed: { actions: 'addChat' },
    ChatReleased: {
      actions: assign(({ context, event }) => {
        const { [event.data.chatId]: _released, ...chats } = context.chats;
        return { lastChatAt: event.at, chats };
      }),
    },
    // Told to the operator by a reactor; it changes nothing here.
    // (xstate's `can` takes a transition with neither target nor action for none.)
    MessageRefused: { actions: assign({}) },
    QuestionAsked: { actions: assign({}) },
  },
  states: {
    offline: {
      exit: assign({ gone: false }),
      // The guard below swallowed the timer where nothing was missed (docs/xstate.md, gotcha 10), so what makes him missed
      // arms it anew: the time to come back begins with a chat given to him now, or with his saying that he is away.
      on: {
        ChatConfirmed: { target: 'offline', reenter: true, actions: 'addChat' },
        AvailabilitySet: { target: 'offline', reenter: true, actions: 'followPresence' },
      },
      after: { ownerGrace: { guard: 'isMissed', actions: 'beGone' } },
      always: [
        { guard: 'isAvailable', target: 'available' },
        { guard: 'isAway', target: 'away' },
        { guard: 'isBusy', target: 'busy' },
      ],
    },
    available: {
      always: [
        { guard: 'isOffline', target: 'offline' },
        { guard: 'isAway', target: 'away' },
        { guard: 'isBusy', target: 'busy' },
      ],
    },
    away: {
      always: [
        { guard: 'isOffline', target: 'offline' },
        { guard: 'isAvailable', target: 'available' },
        { guard: 'isBusy', target: 'busy' },
      ],
    },
    busy: {
      always: [
        { guard: 'isOffline', target: 'offline' },
        { guard: 'isAvailable', target: 'available' },
        { guard: 'isAway', target: 'away' },
      ],
    },
  },
});

export type OperatorSnapshot = SnapshotFrom<typeof operatorMachine>;
