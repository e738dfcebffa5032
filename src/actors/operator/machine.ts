/**
 * src/actors/operator: an operator with their XMPP sessions and their chats. **The operator's stream owns the operator's
 * capacity**: a chat is reserved here before it is assigned on the visitor's stream (docs/adr/0004).
 *
 * This file is the entry point: the state chart. `facts.ts` has the facts and the state, `decisions.ts` the commands,
 * `presence.ts` and `availability.ts` the sessions, `registration.ts` the schema of a registration. Pure: no clock, no I/O.
 * Every part of the service may import it.
 */
import { assign, cancel, emit, raise, type SnapshotFrom, setup } from 'xstate';
import { FIRST_TIER } from '../operator-selection.ts';
import {
  availabilityOf,
  isPresenceEvent,
  type PresenceEvent,
  presenceAfter,
} from './availability.ts';
import type { OperatorContext, OperatorEvent, OperatorFact } from './facts.ts';
import { PRESENCE_PAUSE_MS, paidUntil } from './presence-budget.ts';

export type * from './facts.ts';

/** Chat ids in a fact. An operator usually has a handful of chats. */
export const MAX_CHATS_IN_FACT = 100;
/** `ownerGrace` of an operator who has had no chat yet. */
export const DEFAULT_OWNER_GRACE_MS = 60_000;

/** Raise it when recorded histories of operators fold differently (test/actors/golden). */
export const OPERATOR_VERSION = 'operator/7';

/** What a registration says of an operator that names nothing of it. */
const NO_SKILLS: Pick<OperatorContext, 'tier' | 'tiers' | 'languages'> = {
  tier: FIRST_TIER,
  tiers: {},
  languages: [],
};

/** The context of an operator without facts. */
const EMPTY_CONTEXT: OperatorContext = {
  claim: null,
  registrationRevision: -1,
  accountRemovalPending: false,
  registered: false,
  lhcUserId: null,
  departments: [],
  capacity: 0,
  ...NO_SKILLS,
  nameRevision: -1,
  sessions: {},
  statusRevisions: {},
  cameOnlineAt: 0,
  lostAt: 0,
  summaryRevision: -1,
  away: false,
  presencesPaidUntil: 0,
  presencePaused: false,
  gone: false,
  ownerGrace: DEFAULT_OWNER_GRACE_MS,
  chats: {},
  lastChatAt: 0,
};

/** True if the operator has something that `OperatorGone` takes away. */
export const hasSomethingToLose = ({ away, chats }: OperatorContext): boolean =>
  away || Object.keys(chats).length > 0;

/** What a presence leaves behind beside the sessions. */
function traceOf(context: OperatorContext, event: PresenceEvent): Partial<OperatorContext> {
  const { from, to } = event.data.availability;
  const cameOnlineAt = from === 'offline' && to !== 'offline' ? event.at : context.cameOnlineAt;
  const isLost = event.type === 'OperatorLoggedOut' || (from !== 'offline' && to === 'offline');
  return {
    cameOnlineAt,
    lostAt: isLost ? event.at : context.lostAt,
    statusRevisions: statusesAfter(context.statusRevisions, event),
  };
}

function statusesAfter(
  revisions: OperatorContext['statusRevisions'],
  event: PresenceEvent,
): OperatorContext['statusRevisions'] {
  if (event.type === 'PresenceChanged') {
    return { ...revisions, [event.data.session]: event.revision };
  }
  if (event.type !== 'OperatorLoggedIn' && event.type !== 'OperatorLoggedOut') return revisions;
  const { [event.data.session]: _status, ...others } = revisions;
  return others;
}

/** The state that a summary holds. What is personal is in the summary itself from now on. */
function restore({
  data,
  revision,
}: Extract<OperatorEvent, { type: 'OperatorSummarised' }>): OperatorContext {
  const kept = { ...EMPTY_CONTEXT, ...data.kept };
  return {
    ...kept,
    nameRevision: kept.nameRevision < 0 ? -1 : revision,
    statusRevisions: Object.fromEntries(
      Object.keys(kept.statusRevisions).map((session) => [session, revision]),
    ),
    summaryRevision: revision,
  };
}

export const operatorMachine = setup({
  // `types` is how xstate takes its types: values that are never read.
  types: {} as {
    context: OperatorContext;
    events: OperatorEvent | { type: 'presencePause' };
    emitted: OperatorFact;
  },
  delays: { ownerGrace: ({ context }) => context.ownerGrace },
  guards: {
    // `gone` makes it false after OperatorGone, so a late wake does not repeat that fact.
    hasSomethingToLose: ({ context }) => !context.gone && hasSomethingToLose(context),
    presenceIsPaused: ({ context }) => context.presencePaused,
    isOffline: ({ context }) => availabilityOf(context) === 'offline',
    isAvailable: ({ context }) => availabilityOf(context) === 'available',
    isAway: ({ context }) => availabilityOf(context) === 'away',
    isBusy: ({ context }) => availabilityOf(context) === 'busy',
  },
  actions: {
    followPresence: assign(({ context, event }) =>
      isPresenceEvent(event)
        ? { ...presenceAfter(context, event), ...traceOf(context, event) }
        : {},
    ),
    restore: assign(({ context, event }) =>
      event.type === 'OperatorSummarised' ? restore(event) : context,
    ),
    payForPresence: assign(({ context, event }) =>
      event.type === 'OperatorLoggedIn' || event.type === 'PresenceChanged'
        ? { presencesPaidUntil: paidUntil(context, event.at) }
        : {},
    ),
    emitPresenceResumed: emit({ type: 'PresenceResumed', data: {} }),
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
    emitOperatorGone: emit(({ context }) => ({
      type: 'OperatorGone',
      data: { chats: Object.keys(context.chats).slice(0, MAX_CHATS_IN_FACT) },
    })),
  },
}).createMachine({
  id: 'operator',
  initial: 'offline',
  context: EMPTY_CONTEXT,
  on: {
    OperatorAccountClaimed: {
      actions: assign(({ context: { registered }, event: { at, revision } }) => ({
        claim: { revision, at, registered },
        accountRemovalPending: false,
      })),
    },
    OperatorAccountClaimReleased: { actions: assign({ claim: null }) },
    OperatorRegistered: {
      actions: assign(({ context, event }) => ({
        claim: context.claim && { ...context.claim, registered: true },
        registered: true,
        registrationRevision: event.revision,
        lhcUserId: event.data.lhcUserId,
        departments: event.data.departments,
        capacity: event.data.capacity,
        tier: event.data.tier ?? NO_SKILLS.tier,
        tiers: event.data.tiers ?? NO_SKILLS.tiers,
        languages: event.data.languages ?? NO_SKILLS.languages,
        nameRevision: event.revision,
      })),
    },
    OperatorRemoved: {
      actions: assign(({ event }) => ({
        registrationRevision: event.revision,
        claim: null,
        accountRemovalPending: true,
        registered: false,
        lhcUserId: null,
        departments: [],
        capacity: 0,
        ...NO_SKILLS,
        nameRevision: -1,
        chats: {},
      })),
    },
    OperatorAccountRemoved: { actions: assign({ accountRemovalPending: false }) },
    // A registration that was decided before this fact is refused.
    LhcUserRevoked: {
      actions: assign(({ event }) => ({ registrationRevision: event.revision })),
    },
    OperatorLoggedIn: { actions: ['followPresence', 'payForPresence'] },
    PresenceChanged: { actions: ['followPresence', 'payForPresence'] },
    PresencePaused: {
      actions: [
        assign({ presencePaused: true }),
        // A timer of no state: it runs on while the availability changes.
        raise({ type: 'presencePause' }, { id: 'presencePause', delay: PRESENCE_PAUSE_MS }),
      ],
    },
    presencePause: { guard: 'presenceIsPaused', actions: 'emitPresenceResumed' },
    PresenceResumed: { actions: [assign({ presencePaused: false }), cancel('presencePause')] },
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
    OperatorSummarised: { actions: 'restore' },
    // No change: a reactor answers the operator. The empty assign is needed (docs/xstate.md, gotcha 3).
    MessageRefused: { actions: assign({}) },
    QuestionAsked: { actions: assign({}) },
  },
  states: {
    offline: {
      exit: assign({ gone: false }),
      // If the guard below is false, the timer is lost (docs/xstate.md, gotcha 10). So facts that can make the guard true
      // enter the state again: a new chat, or `!away`. `ownerGrace` begins anew with them.
      on: {
        ChatConfirmed: { target: 'offline', reenter: true, actions: 'addChat' },
        AvailabilitySet: { target: 'offline', reenter: true, actions: 'followPresence' },
        // A cut stream begins here with this fact, so the timer has to be armed by it in either case.
        OperatorSummarised: { target: 'offline', reenter: true, actions: 'restore' },
      },
      after: { ownerGrace: { guard: 'hasSomethingToLose', actions: 'emitOperatorGone' } },
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
