/** Decisions about an operator's presence: reports on their clients, and `!away` and `!back`. */
import type { VisitorKey } from '../ids.ts';
import { availabilityOf, type PresenceFact, presenceAfter, standInId } from './availability.ts';
import type {
  Availability,
  OperatorFact,
  Presence,
  PresenceBudget,
  Session,
  Sessions,
  Show,
} from './facts.ts';
import { isSpent } from './presence-budget.ts';

/** What a client shows. `priority`: default 0. */
type ClientPresence = { show: Show; status: string; priority?: number };

export type PresenceCommand =
  | { type: 'OpenSession'; session: string; resource: string }
  | ({ type: 'ChangePresence'; session: string; resource: string } & ClientPresence)
  /** @param resource ends the stand-in of this resource, if the session is not known by its id */
  | { type: 'CloseSession'; session: string; resource?: string }
  | { type: 'ReportPing'; resource: string; answered: boolean }
  /**
   * Compares the known sessions with the list from ejabberd: closes those that are gone, opens those that are new.
   * `ended`: ids of known sessions that have ended, though the list may have their resource. mod_lhc has started again,
   * and reports the session that lives under another id.
   * `seenRevision`: of the stream before ejabberd was asked. Refused as `conflict` if the stream has newer facts.
   */
  | {
      type: 'CompareSessions';
      sessions: readonly ({ resource: string } & ClientPresence)[];
      ended: readonly string[];
      seenRevision?: number;
    }
  /** @param visitor in whose conversation; null: at the desk */
  | { type: 'SetAvailability'; away: boolean; visitor: VisitorKey | null; messageId: string };

/** Sessions of one operator. A further session closes the oldest one. */
export const OPERATOR_MAX_SESSIONS = 64;

/** Adds to each fact the availability before and after it. */
function withAvailability(presence: Presence, facts: readonly PresenceFact[]): OperatorFact[] {
  let current = presence;
  return facts.map((fact) => {
    const from = availabilityOf(current);
    current = presenceAfter(current, fact);
    const availability = { from, to: availabilityOf(current) };
    // The cast: a spread loses the link between the type of a fact and its data.
    return { ...fact, data: { ...fact.data, availability } } as OperatorFact;
  });
}

const presenceChanged = (
  session: string,
  resource: string,
  { show, status, priority }: ClientPresence,
): PresenceFact => ({
  type: 'PresenceChanged',
  data: { session, resource, show, ...(priority && { priority }) },
  personal: { status },
});

/** Whether a session shows this already. A status alone is no change. */
const shows = (session: Session | undefined, { show, priority }: ClientPresence): boolean =>
  (session?.show ?? null) === show && (session?.priority ?? 0) === (priority ?? 0);

function compareSessions(
  presence: Presence,
  command: Extract<PresenceCommand, { type: 'CompareSessions' }>,
): OperatorFact[] {
  const { sessions } = presence;
  const opened: PresenceFact[] = [];
  const ended = new Set(command.ended);
  const live = new Set<string>();
  for (const listed of command.sessions.slice(0, OPERATOR_MAX_SESSIONS)) {
    const { resource } = listed;
    // The last one: a client that resumed has the session that was reported last.
    const known = Object.entries(sessions).findLast(
      ([id, session]) =>
        session.resource === resource && (!ended.has(id) || id === standInId(resource)),
    );
    const session = known?.[0] ?? standInId(resource);
    live.add(session);
    if (!known) opened.push({ type: 'OperatorLoggedIn', data: { session, resource } });
    if (!shows(known?.[1], listed)) opened.push(presenceChanged(session, resource, listed));
  }
  const closed = Object.entries(sessions)
    .filter(([id]) => !live.has(id))
    .map(([session, { resource }]): PresenceFact => operatorLoggedOut(session, resource));
  // First open, then close: an operator whose client continues under another id must not be offline in between.
  return withAvailability(presence, [...opened, ...closed]);
}

const operatorLoggedOut = (session: string, resource: string): PresenceFact => ({
  type: 'OperatorLoggedOut',
  data: { session, resource },
});

function openSession(presence: Presence, session: string, resource: string): OperatorFact[] {
  const { sessions } = presence;
  if (Object.hasOwn(sessions, session)) return [];
  return withAvailability(presence, openingFacts(sessions, session, resource));
}

function openingFacts(sessions: Sessions, session: string, resource: string): PresenceFact[] {
  const facts: PresenceFact[] = [{ type: 'OperatorLoggedIn', data: { session, resource } }];
  const standIn = Object.hasOwn(sessions, standInId(resource))
    ? sessions[standInId(resource)]
    : undefined;
  if (standIn) {
    // Take over the stand-in's presence. Otherwise the operator would be offline until the next presence.
    if (standIn.show !== null) {
      facts.push(presenceChanged(session, resource, { ...standIn, status: '' }));
    }
    facts.push(operatorLoggedOut(standInId(resource), resource));
  }
  const [oldest] = Object.entries(sessions);
  if (!standIn && oldest && Object.keys(sessions).length >= OPERATOR_MAX_SESSIONS) {
    facts.push(operatorLoggedOut(oldest[0], oldest[1].resource));
  }
  return facts;
}

function closeSession(
  presence: Presence,
  { session, resource }: Extract<PresenceCommand, { type: 'CloseSession' }>,
): OperatorFact[] {
  const { sessions } = presence;
  const ids = resource === undefined ? [session] : [session, standInId(resource)];
  const id = ids.find((each) => Object.hasOwn(sessions, each));
  if (id === undefined) return [];
  return withAvailability(presence, [operatorLoggedOut(id, sessions[id]?.resource ?? '')]);
}

function changePresence(
  presence: Presence,
  command: Extract<PresenceCommand, { type: 'ChangePresence' }>,
): OperatorFact[] {
  const { sessions } = presence;
  const { session, resource, show } = command;
  const known = Object.hasOwn(sessions, session) ? sessions[session] : undefined;
  if (known?.responsive && shows(known, command)) return [];
  // An ended session may still report `unavailable`. It must not be opened again, because nothing would close it. A
  // session that stands in until now is not ended.
  if (!known && show === null && !Object.hasOwn(sessions, standInId(resource))) return [];
  // An unknown session is opened first, so that its stand-in goes and the maximum of sessions holds.
  const opened = known ? [] : openingFacts(sessions, session, resource);
  return withAvailability(presence, [...opened, presenceChanged(session, resource, command)]);
}

function reportPing(presence: Presence, resource: string, answered: boolean): OperatorFact[] {
  const pinged = Object.values(presence.sessions).filter(
    (session) => session.resource === resource,
  );
  if (pinged.every((session) => session.responsive === answered)) return [];
  const type = answered ? 'OperatorResponsive' : 'OperatorUnresponsive';
  return withAvailability(presence, [{ type, data: { resource } }]);
}

/** `!away` and `!back`. Each one causes a fact, because the operator gets an answer each time. */
function setAvailability(
  presence: Presence,
  { away, visitor, messageId }: Extract<PresenceCommand, { type: 'SetAvailability' }>,
): OperatorFact[] {
  const data = { away, visitor, messageId };
  return withAvailability(presence, [{ type: 'AvailabilitySet', data }]);
}

/** How much the routing can count on the operator. */
const RANK: Readonly<Record<Availability, number>> = { offline: 0, busy: 1, away: 1, available: 2 };

function lessAvailable(facts: readonly OperatorFact[]): boolean {
  const changes = facts.flatMap(({ data }) => ('availability' in data ? [data.availability] : []));
  const [first, last] = [changes[0], changes.at(-1)];
  return first !== undefined && last !== undefined && RANK[last.to] < RANK[first.from];
}

/**
 * Leaves out presences and logins past the budget. One that makes the operator less available stays: otherwise visitors
 * would wait for somebody who is not there. There can be two such steps in a pause, as nothing takes the operator back up.
 */
function withinBudget(
  budget: PresenceBudget,
  facts: readonly OperatorFact[],
  now: number,
): readonly OperatorFact[] {
  const { presencePaused } = budget;
  if (facts.length === 0 || !(presencePaused || isSpent(budget, now))) return facts;
  const paused: OperatorFact[] = presencePaused ? [] : [{ type: 'PresencePaused', data: {} }];
  return lessAvailable(facts) ? [...facts, ...paused] : paused;
}

/**
 * The facts that a command causes; none if nothing changes.
 * @param now ms since 1970
 */
export function decidePresence(
  presence: Presence & PresenceBudget,
  command: PresenceCommand,
  now: number,
): readonly OperatorFact[] {
  switch (command.type) {
    case 'OpenSession': {
      const { session, resource } = command;
      return withinBudget(presence, openSession(presence, session, resource), now);
    }
    case 'ChangePresence':
      return withinBudget(presence, changePresence(presence, command), now);
    case 'CloseSession':
      return closeSession(presence, command);
    case 'ReportPing':
      return reportPing(presence, command.resource, command.answered);
    case 'CompareSessions':
      return compareSessions(presence, command);
    case 'SetAvailability':
      return setAvailability(presence, command);
  }
}
