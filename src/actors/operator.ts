/**
 * An operator: the sessions of its XMPP client, and the chats that it has. **Its stream owns its capacity**: a chat is
 * reserved here before it is assigned on the visitor's stream.
 */
import { assign, type SnapshotFrom, setup } from 'xstate';
import type { MachineEvent } from './decider.ts';
import type { SeenSummary } from './seen.ts';

/** As the operator's chat client shows it, over all its sessions. */
export type Availability = 'offline' | 'available' | 'away' | 'busy';

/** RFC 6121 §4.7.2.1, `available` for none; null: connected, but no presence sent yet (or taken back). */
export type Show = 'available' | 'chat' | 'away' | 'xa' | 'dnd' | null;

export type Change = { from: Availability; to: Availability };

export type OperatorFacts = {
  /** Its account in ejabberd is ours: we are about to make it, or were told to adopt it. */
  OperatorAccountClaimed: { adopted: boolean };
  OperatorRegistered: {
    lhcUserId: number;
    departments: string[];
    capacity: number;
    /** It is online already: its presence counts from now on, and LHC was told of none before. */
    online?: true;
  };
  OperatorLoggedIn: { session: string; resource: string; availability: Change };
  PresenceChanged: { session: string; resource: string; show: Show; availability: Change };
  OperatorLoggedOut: { session: string; resource: string; availability: Change };
  /** A ping was not answered: no chats until something is heard of that client again. */
  OperatorUnresponsive: { resource: string; availability: Change };
  OperatorResponsive: { resource: string; availability: Change };
  ChatReserved: { reservation: string; visitor: string; chatId: string };
  ChatTaken: { reservation: string | null; visitor: string; chatId: string };
  ChatReleased: { reservation: string | null; visitor: string; chatId: string; reason: string };
  MessageRefused: { visitor: string; messageId: string; reason: string };
  OperatorRemoved: { summary?: SeenSummary };
};

/** Sealed with the tenant's key. */
export type OperatorPersonal = {
  OperatorRegistered: { name: string };
  PresenceChanged: { status: string };
};

export type OperatorFact = {
  [T in keyof OperatorFacts]: {
    readonly type: T;
    readonly data: OperatorFacts[T];
    readonly personal?: T extends keyof OperatorPersonal
      ? OperatorPersonal[T] | undefined
      : undefined;
  };
}[keyof OperatorFacts];

type OperatorEvent = {
  [T in keyof OperatorFacts]: MachineEvent & { type: T; data: OperatorFacts[T] };
}[keyof OperatorFacts];

export type Session = { resource: string; show: Show; responsive: boolean };
export type Sessions = Readonly<Record<string, Session>>;

/** A chat of this operator: reserved until the visitor's stream has the assignment, then open. */
export type OperatorChat = {
  visitor: string;
  reservation: string | null;
  open: boolean;
  at: number;
};

export type OperatorContext = {
  claimed: boolean;
  registered: boolean;
  lhcUserId: number | null;
  departments: string[];
  capacity: number;
  /** The fact whose personal part has the name; -1 when there is none. */
  nameRevision: number;
  sessions: Sessions;
  /** By chat id. */
  chats: Readonly<Record<string, OperatorChat>>;
  /** When it last was given or finished a chat: ties go to the longest idle. */
  lastChatAt: number;
};

/**
 * One availability from many sessions: the most available one counts, since that client gets the message; a client
 * that says "do not disturb" outweighs one that is merely away. A session that answers no pings counts for nothing.
 */
export function availabilityOf(sessions: Sessions): Availability {
  const shows = Object.values(sessions)
    .filter((session) => session.responsive)
    .map((session) => session.show);
  if (shows.some((show) => show === 'available' || show === 'chat')) return 'available';
  if (shows.includes('dnd')) return 'busy';
  if (shows.some((show) => show === 'away' || show === 'xa')) return 'away';
  return 'offline';
}

/** The sessions after a fact that touches them. */
export function sessionsAfter(
  sessions: Sessions,
  fact: { type: string; data: { session?: string; resource?: string; show?: Show } },
): Sessions {
  const { session = '', resource = '', show = null } = fact.data;
  switch (fact.type) {
    case 'OperatorLoggedIn':
      return { ...sessions, [session]: { resource, show: null, responsive: true } };
    case 'PresenceChanged':
      return { ...sessions, [session]: { resource, show, responsive: true } };
    case 'OperatorLoggedOut': {
      const { [session]: _gone, ...others } = sessions;
      return others;
    }
    case 'OperatorUnresponsive':
    case 'OperatorResponsive': {
      const responsive = fact.type === 'OperatorResponsive';
      return Object.fromEntries(
        Object.entries(sessions).map(([id, known]) => [
          id,
          known.resource === resource ? { ...known, responsive } : known,
        ]),
      );
    }
    default:
      return sessions;
  }
}

/** Raise it when recorded histories fold differently (test/actors/golden). */
export const OPERATOR_VERSION = 'operator/1';

export const operatorMachine = setup({
  // `types` is how xstate takes its types: values that are never read.
  types: {} as { context: OperatorContext; events: OperatorEvent },
  guards: {
    isOffline: ({ context }) => availabilityOf(context.sessions) === 'offline',
    isAvailable: ({ context }) => availabilityOf(context.sessions) === 'available',
    isAway: ({ context }) => availabilityOf(context.sessions) === 'away',
    isBusy: ({ context }) => availabilityOf(context.sessions) === 'busy',
  },
  actions: {
    followSessions: assign(({ context, event }) => ({
      sessions: sessionsAfter(context.sessions, event),
    })),
  },
}).createMachine({
  id: 'operator',
  initial: 'offline',
  context: {
    claimed: false,
    registered: false,
    lhcUserId: null,
    departments: [],
    capacity: 0,
    nameRevision: -1,
    sessions: {},
    chats: {},
    lastChatAt: 0,
  },
  on: {
    OperatorAccountClaimed: { actions: assign({ claimed: true }) },
    OperatorRegistered: {
      actions: assign(({ event }) => ({
        registered: true,
        lhcUserId: event.data.lhcUserId,
        departments: event.data.departments,
        capacity: event.data.capacity,
        nameRevision: event.revision,
      })),
    },
    OperatorRemoved: {
      actions: assign({
        claimed: false,
        registered: false,
        lhcUserId: null,
        departments: [],
        capacity: 0,
        nameRevision: -1,
        chats: {},
      }),
    },
    OperatorLoggedIn: { actions: 'followSessions' },
    PresenceChanged: { actions: 'followSessions' },
    OperatorLoggedOut: { actions: 'followSessions' },
    OperatorUnresponsive: { actions: 'followSessions' },
    OperatorResponsive: { actions: 'followSessions' },
    ChatReserved: {
      actions: assign(({ context, event }) => ({
        lastChatAt: event.at,
        chats: {
          ...context.chats,
          [event.data.chatId]: {
            visitor: event.data.visitor,
            reservation: event.data.reservation,
            open: false,
            at: event.at,
          },
        },
      })),
    },
    ChatTaken: {
      actions: assign(({ context, event }) => ({
        lastChatAt: event.at,
        chats: {
          ...context.chats,
          [event.data.chatId]: {
            visitor: event.data.visitor,
            reservation: event.data.reservation,
            open: true,
            at: event.at,
          },
        },
      })),
    },
    ChatReleased: {
      actions: assign(({ context, event }) => {
        const { [event.data.chatId]: _released, ...chats } = context.chats;
        return { lastChatAt: event.at, chats };
      }),
    },
    // Told to the operator by a reactor; it changes nothing here.
    // (xstate's `can` takes a transition with neither target nor action for none.)
    MessageRefused: { actions: assign({}) },
  },
  states: {
    offline: {
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
