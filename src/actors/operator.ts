/**
 * An operator: the sessions of its XMPP client, and the chats that it has. **Its stream owns its capacity**: a chat is
 * reserved here before it is assigned on the visitor's stream.
 */
import { assign, emit, type SnapshotFrom, setup } from 'xstate';
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
  /** He says himself that he wants no chats, or wants them again; where he said it, he is answered. */
  AvailabilitySet: { away: boolean; visitor: string; messageId: string; availability: Change };
  /** Offline for longer than he has to come back: his chats (the first of them) go to others. */
  OperatorGone: { chats: string[] };
  ChatReserved: { reservation: string; visitor: string; chatId: string } & ChatTerms;
  ChatTaken: { reservation: string | null; visitor: string; chatId: string } & ChatTerms;
  ChatReleased: { reservation: string | null; visitor: string; chatId: string; reason: string };
  /** `command`: it was one (`transfer`), and not a message to the visitor. */
  MessageRefused: { visitor: string; messageId: string; reason: string; command?: string };
  /** Asked in the conversation with this visitor, and answered there; `command` is unknown to us when it is not ours. */
  QuestionAsked: { visitor: string; messageId: string; command: string; argument: string | null };
  /** `chats`: those that it had, which go to others (the first of them). */
  OperatorRemoved: { summary?: SeenSummary; chats?: string[] };
  /** The account of the removed operator is gone from ejabberd: its name may be given to somebody else. */
  OperatorAccountRemoved: Record<never, never>;
  /** Another operator takes over a claim that was never used: a registration under way with this id is void. */
  LhcUserRevoked: { lhcUserId: number };
};

/** Under which a chat is given. Not in facts of releases before 0.3. */
export type ChatTerms = {
  department?: string | null;
  /** How long an operator who goes offline keeps the chat, in ms. */
  ownerGrace?: number;
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
  department: string | null;
  open: boolean;
  at: number;
};

/** What his availability follows from. */
export type Presence = Pick<OperatorContext, 'sessions' | 'away'>;

export type OperatorContext = {
  claimed: boolean;
  /** Removed, and its account may still be there. */
  leaving: boolean;
  registered: boolean;
  lhcUserId: number | null;
  departments: string[];
  capacity: number;
  /** The fact whose personal part has the name; -1 when there is none. */
  nameRevision: number;
  sessions: Sessions;
  /** He said so himself, whatever his clients show. */
  away: boolean;
  /** Offline for too long: his chats are others'. */
  gone: boolean;
  /** In ms: of the chat that was given last. */
  ownerGrace: number;
  /** By chat id. */
  chats: Readonly<Record<string, OperatorChat>>;
  /** When it last was given or finished a chat: ties go to the longest idle. */
  lastChatAt: number;
};

/**
 * One availability from many sessions: the most available one counts, since that client gets the message; a client
 * that says "do not disturb" outweighs one that is merely away. A session that answers no pings counts for nothing.
 * @param away he said himself that he is: whoever is available otherwise is not
 */
export function availabilityOf({ sessions, away }: Presence): Availability {
  const shown = shownBy(sessions);
  return away && shown === 'available' ? 'away' : shown;
}

function shownBy(sessions: Sessions): Availability {
  const shows = Object.values(sessions)
    .filter((session) => session.responsive)
    .map((session) => session.show);
  if (shows.some((show) => show === 'available' || show === 'chat')) return 'available';
  if (shows.includes('dnd')) return 'busy';
  if (shows.some((show) => show === 'away' || show === 'xa')) return 'away';
  return 'offline';
}

/** The sessions after a fact that touches them. */
function sessionsAfter(
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

/** Chats named in a fact: an operator has a handful. */
export const CHATS_NAMED = 100;

/** What follows for his presence from a fact. */
export const presenceAfter = (
  { sessions, away }: Presence,
  fact: { type: string; data: { away?: boolean } & Parameters<typeof sessionsAfter>[1]['data'] },
): Presence => ({
  sessions: sessionsAfter(sessions, fact),
  away: fact.type === 'AvailabilitySet' ? fact.data.away === true : away,
});

/** Raise it when recorded histories fold differently (test/actors/golden). */
export const OPERATOR_VERSION = 'operator/2';

export const operatorMachine = setup({
  // `types` is how xstate takes its types: values that are never read.
  types: {} as { context: OperatorContext; events: OperatorEvent; emitted: OperatorFact },
  delays: { ownerGrace: ({ context }) => context.ownerGrace },
  guards: {
    isMissed: ({ context }) => context.away || Object.keys(context.chats).length > 0,
    isOffline: ({ context }) => availabilityOf(context) === 'offline',
    isAvailable: ({ context }) => availabilityOf(context) === 'available',
    isAway: ({ context }) => availabilityOf(context) === 'away',
    isBusy: ({ context }) => availabilityOf(context) === 'busy',
  },
  actions: {
    followPresence: assign(({ context, event }) => presenceAfter(context, event)),
    takeChat: assign(({ context, event }) => {
      if (event.type !== 'ChatTaken' && event.type !== 'ChatReserved') return {};
      const { chatId, visitor, reservation, department = null, ownerGrace } = event.data;
      const open = event.type === 'ChatTaken';
      const chat = { visitor, reservation, department, open, at: event.at };
      return {
        lastChatAt: event.at,
        ownerGrace: ownerGrace ?? context.ownerGrace,
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
        lhcUserId: event.data.lhcUserId,
        departments: event.data.departments,
        capacity: event.data.capacity,
        nameRevision: event.revision,
      })),
    },
    OperatorRemoved: {
      actions: assign({
        claimed: false,
        leaving: true,
        registered: false,
        lhcUserId: null,
        departments: [],
        capacity: 0,
        nameRevision: -1,
        chats: {},
      }),
    },
    OperatorAccountRemoved: { actions: assign({ leaving: false }) },
    // It stands between a look at this stream and a registration that was decided by it, and changes nothing else.
    LhcUserRevoked: { actions: assign({}) },
    OperatorLoggedIn: { actions: 'followPresence' },
    PresenceChanged: { actions: 'followPresence' },
    OperatorLoggedOut: { actions: 'followPresence' },
    OperatorUnresponsive: { actions: 'followPresence' },
    OperatorResponsive: { actions: 'followPresence' },
    OperatorGone: { actions: assign({ gone: true, away: false }) },
    AvailabilitySet: { actions: 'followPresence' },
    ChatReserved: { actions: 'takeChat' },
    ChatTaken: { actions: 'takeChat' },
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
      // Given to somebody who is not there: the time to come back begins with it.
      on: { ChatTaken: { target: 'offline', reenter: true, actions: 'takeChat' } },
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
