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
  | { type: 'Remove' }
  | { type: 'OpenSession'; session: string; resource: string }
  | { type: 'ChangePresence'; session: string; resource: string; show: Show; status: string }
  | { type: 'CloseSession'; session: string }
  | { type: 'ReportPing'; resource: string; answered: boolean }
  /** What ejabberd says is there now; sessions that ended without a word are closed, unheard of ones opened. */
  | {
      type: 'CompareSessions';
      sessions: readonly { resource: string; show: Show; status: string }[];
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

function compareSessions(
  sessions: Sessions,
  present: Extract<OperatorCommand, { type: 'CompareSessions' }>['sessions'],
): OperatorFact[] {
  const facts: Unchanged[] = [];
  const resources = new Set(present.map((session) => session.resource));
  for (const [session, { resource }] of Object.entries(sessions)) {
    if (!resources.has(resource)) {
      facts.push({ type: 'OperatorLoggedOut', data: { session, resource } });
    }
  }
  for (const { resource, show, status } of present) {
    const known = Object.entries(sessions).find(([, session]) => session.resource === resource);
    // ejabberd's list has no session ids: one made of the resource stands in until that client goes.
    const session = known?.[0] ?? `resource:${resource}`;
    if (!known) facts.push({ type: 'OperatorLoggedIn', data: { session, resource } });
    if ((known?.[1].show ?? null) !== show) facts.push(presence(session, resource, show, status));
  }
  return withAvailability(sessions, facts);
}

function openSession(sessions: Sessions, session: string, resource: string): OperatorFact[] {
  if (Object.hasOwn(sessions, session)) return [];
  const facts: Unchanged[] = [];
  const ids = Object.keys(sessions);
  // The stand-in of a compared session gives way to the real one.
  const standIn = `resource:${resource}`;
  const oldest = ids.length >= MAX_SESSIONS ? ids[0] : undefined;
  const leaving = Object.hasOwn(sessions, standIn) ? standIn : oldest;
  facts.push({ type: 'OperatorLoggedIn', data: { session, resource } });
  if (leaving !== undefined) {
    const gone = sessions[leaving]?.resource ?? '';
    facts.push({ type: 'OperatorLoggedOut', data: { session: leaving, resource: gone } });
  }
  return withAvailability(sessions, facts);
}

function closeSession(sessions: Sessions, session: string): OperatorFact[] {
  if (!Object.hasOwn(sessions, session)) return [];
  const resource = sessions[session]?.resource ?? '';
  return withAvailability(sessions, [{ type: 'OperatorLoggedOut', data: { session, resource } }]);
}

function changePresence(
  sessions: Sessions,
  command: Extract<OperatorCommand, { type: 'ChangePresence' }>,
): OperatorFact[] {
  const { session, resource, show, status } = command;
  const known = Object.hasOwn(sessions, session) ? sessions[session] : undefined;
  if (known?.show === show && known.responsive) return [];
  const facts: Unchanged[] = [];
  if (!known) facts.push({ type: 'OperatorLoggedIn', data: { session, resource } });
  facts.push(presence(session, resource, show, status));
  return withAvailability(sessions, facts);
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
          data: { lhcUserId, departments, capacity },
          personal: name === null ? undefined : { name },
        },
      ];
    }
    case 'OpenSession':
      return openSession(sessions, command.session, command.resource);
    case 'ChangePresence':
      return changePresence(sessions, command);
    case 'CloseSession':
      return closeSession(sessions, command.session);
    case 'ReportPing':
      return reportPing(sessions, command.resource, command.answered);
    case 'CompareSessions':
      return compareSessions(sessions, command.sessions);
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
    case 'Remove':
      return [{ type: 'OperatorRemoved', data: {} }];
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
