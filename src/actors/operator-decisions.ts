/** What may be asked of an operator, and which facts that causes or why it is refused. */
import { AppError } from '../errors.ts';
import { type Core, type Decider, refuse } from './decider.ts';
import {
  type Availability,
  availabilityOf,
  OPERATOR_VERSION,
  type OperatorContext,
  type OperatorFact,
  type OperatorSnapshot,
  operatorMachine,
  type Sessions,
  type Show,
  sessionsAfter,
} from './operator.ts';

export type OperatorCommand =
  | {
      type: 'Register';
      lhcUserId: number;
      departments: string[];
      capacity: number;
      name: string | null;
      /** Whether the name differs from the one known: names are personal, so the caller compares. */
      nameChanged: boolean;
    }
  | { type: 'ClaimAccount'; adopted: boolean }
  | { type: 'Remove' }
  | { type: 'OpenSession'; session: string; resource: string }
  | { type: 'ChangePresence'; session: string; resource: string; show: Show; status: string }
  | { type: 'CloseSession'; session: string }
  | { type: 'ReportPing'; resource: string; answered: boolean }
  /**
   * What ejabberd says is there now: sessions that ended without a word are closed, unheard of ones opened.
   * `restarted`: session ids known so far are void (mod_lhc started anew and will report those that live).
   */
  | {
      type: 'CompareSessions';
      sessions: readonly { resource: string; show: Show; status: string }[];
      restarted: boolean;
    }
  | { type: 'ReserveChat'; reservation: string; visitor: string; chatId: string }
  | { type: 'TakeChat'; reservation: string | null; visitor: string; chatId: string }
  | {
      type: 'ReleaseChat';
      reservation: string | null;
      visitor: string;
      chatId: string;
      reason: string;
    }
  | { type: 'RefuseMessage'; visitor: string; messageId: string; reason: string };

/** Clients of one operator at the same time; the oldest goes first. */
const MAX_SESSIONS = 64;

type OperatorCore = Core<OperatorSnapshot>;

export const operatorState = (
  core: OperatorCore,
): { availability: Availability; context: OperatorContext } => ({
  availability: core.snapshot.value as Availability, // the machine's states are the availabilities
  context: core.snapshot.context,
});

/** Reserved and open chats together: what counts against the capacity. */
export const load = (context: OperatorContext): number => Object.keys(context.chats).length;

type SessionFact = Extract<OperatorFact, { data: { availability: unknown } }>;
type Unchanged = SessionFact extends infer F
  ? F extends SessionFact
    ? { type: F['type']; data: Omit<F['data'], 'availability'>; personal?: F['personal'] }
    : never
  : never;

/** Completes facts about sessions with the availability before and after each. */
function withAvailability(sessions: Sessions, facts: readonly Unchanged[]): OperatorFact[] {
  let current = sessions;
  return facts.map((fact) => {
    const from = availabilityOf(current);
    current = sessionsAfter(current, fact);
    const availability = { from, to: availabilityOf(current) };
    // The same fact with its availability: a spread loses the link between type and data.
    return { ...fact, data: { ...fact.data, availability } } as OperatorFact;
  });
}

const presence = (session: string, resource: string, show: Show, status: string): Unchanged => ({
  type: 'PresenceChanged',
  data: { session, resource, show },
  personal: { status },
});

/** ejabberd's list has no session ids: one made of the resource stands in until mod_lhc names the real one. */
const standIn = (resource: string): string => `resource:${resource}`;

function compareSessions(
  sessions: Sessions,
  command: Extract<OperatorCommand, { type: 'CompareSessions' }>,
): OperatorFact[] {
  const opened: Unchanged[] = [];
  const kept = new Set<string>();
  for (const { resource, show, status } of command.sessions.slice(0, MAX_SESSIONS)) {
    const known = Object.entries(sessions).find(
      ([id, session]) =>
        session.resource === resource && (!command.restarted || id === standIn(resource)),
    );
    const session = known?.[0] ?? standIn(resource);
    kept.add(session);
    if (!known) opened.push({ type: 'OperatorLoggedIn', data: { session, resource } });
    if ((known?.[1].show ?? null) !== show) opened.push(presence(session, resource, show, status));
  }
  const closed = Object.entries(sessions)
    .filter(([id]) => !kept.has(id))
    .map(([session, { resource }]): Unchanged => loggedOut(session, resource));
  // Opened before closed: an operator whose client goes on under another id is not offline in between.
  return withAvailability(sessions, [...opened, ...closed]);
}

const loggedOut = (session: string, resource: string): Unchanged => ({
  type: 'OperatorLoggedOut',
  data: { session, resource },
});

function openSession(sessions: Sessions, session: string, resource: string): OperatorFact[] {
  if (Object.hasOwn(sessions, session)) return [];
  return withAvailability(sessions, opening(sessions, session, resource));
}

function opening(sessions: Sessions, session: string, resource: string): Unchanged[] {
  const facts: Unchanged[] = [{ type: 'OperatorLoggedIn', data: { session, resource } }];
  const stood = Object.hasOwn(sessions, standIn(resource))
    ? sessions[standIn(resource)]
    : undefined;
  if (stood) {
    // Its presence passes on, or the operator would be offline until the next one.
    if (stood.show !== null) facts.push(presence(session, resource, stood.show, ''));
    facts.push(loggedOut(standIn(resource), resource));
  }
  const [oldest] = Object.entries(sessions);
  if (!stood && oldest && Object.keys(sessions).length >= MAX_SESSIONS) {
    facts.push(loggedOut(oldest[0], oldest[1].resource));
  }
  return facts;
}

function closeSession(sessions: Sessions, session: string): OperatorFact[] {
  if (!Object.hasOwn(sessions, session)) return [];
  return withAvailability(sessions, [loggedOut(session, sessions[session]?.resource ?? '')]);
}

function changePresence(
  sessions: Sessions,
  command: Extract<OperatorCommand, { type: 'ChangePresence' }>,
): OperatorFact[] {
  const { session, resource, show, status } = command;
  const known = Object.hasOwn(sessions, session) ? sessions[session] : undefined;
  if (known?.show === show && known.responsive) return [];
  // A session that is over may still say that it is unavailable: opened for that, it would never be closed.
  if (!known && show === null) return [];
  // Not heard of before: it is opened as any other, or a stand-in would stay for good and the bound be passed.
  const opened = known ? [] : opening(sessions, session, resource);
  return withAvailability(sessions, [...opened, presence(session, resource, show, status)]);
}

function reportPing(sessions: Sessions, resource: string, answered: boolean): OperatorFact[] {
  const concerned = Object.values(sessions).filter((session) => session.resource === resource);
  if (concerned.every((session) => session.responsive === answered)) return [];
  const type = answered ? 'OperatorResponsive' : 'OperatorUnresponsive';
  return withAvailability(sessions, [{ type, data: { resource } }]);
}

function decideOperator(core: OperatorCore, command: OperatorCommand): readonly OperatorFact[] {
  const { availability, context } = operatorState(core);
  const { sessions, chats } = context;
  switch (command.type) {
    case 'Register': {
      const { lhcUserId, departments, capacity, name, nameChanged } = command;
      const same =
        context.registered &&
        !nameChanged &&
        context.lhcUserId === lhcUserId &&
        context.capacity === capacity &&
        context.departments.join('\n') === departments.join('\n');
      if (same) return [];
      return [
        {
          type: 'OperatorRegistered',
          data: {
            lhcUserId,
            departments,
            capacity,
            ...(!context.registered && availability !== 'offline' && { online: true }),
          },
          personal: name === null ? undefined : { name },
        },
      ];
    }
    case 'ClaimAccount':
      return context.claimed
        ? []
        : [{ type: 'OperatorAccountClaimed', data: { adopted: command.adopted } }];
    case 'OpenSession':
      return openSession(sessions, command.session, command.resource);
    case 'ChangePresence':
      return changePresence(sessions, command);
    case 'CloseSession':
      return closeSession(sessions, command.session);
    case 'ReportPing':
      return reportPing(sessions, command.resource, command.answered);
    case 'CompareSessions':
      return compareSessions(sessions, command);
    case 'ReleaseChat': {
      const { type: _type, ...data } = command;
      if (!Object.hasOwn(chats, command.chatId)) return [];
      if (chats[command.chatId]?.reservation !== command.reservation) return [];
      return [{ type: 'ChatReleased', data }];
    }
  }
  if (!context.registered) {
    throw new AppError('not-found', 'this operator is not registered');
  }
  switch (command.type) {
    case 'Remove': {
      const chats = Object.keys(context.chats);
      if (chats.length > 0) {
        return refuse(
          `this operator has chats (${chats.slice(0, 5).join(', ')}); close them first`,
        );
      }
      return [{ type: 'OperatorRemoved', data: {} }];
    }
    case 'ReserveChat': {
      const { type: _type, ...data } = command;
      const known = Object.hasOwn(chats, command.chatId) ? chats[command.chatId] : undefined;
      if (known?.reservation === command.reservation) return [];
      if (known) return refuse('this operator has this chat', { chatId: command.chatId });
      if (availability !== 'available') return refuse(`this operator is ${availability}`);
      if (load(context) >= context.capacity) {
        return refuse(`all ${context.capacity} places of this operator are taken`);
      }
      return [{ type: 'ChatReserved', data }];
    }
    case 'TakeChat': {
      const { type: _type, ...data } = command;
      const known = Object.hasOwn(chats, command.chatId) ? chats[command.chatId] : undefined;
      if (known?.open && known.reservation === command.reservation) return [];
      // Released in the meantime: taken now, nobody would release it again and the place would be lost for good.
      if (command.reservation !== null && known?.reservation !== command.reservation) {
        return refuse('this operator does not hold this reservation any more', {
          reservation: command.reservation,
        });
      }
      return [{ type: 'ChatTaken', data }];
    }
    case 'RefuseMessage': {
      const { type: _type, ...data } = command;
      return [{ type: 'MessageRefused', data }];
    }
  }
}

export const operatorDecider: Decider<OperatorCommand, OperatorSnapshot> = {
  version: OPERATOR_VERSION,
  machine: operatorMachine,
  decide: decideOperator,
};
