/** What is reported of an operator's clients, and what he says himself of his being there. */

import type { VisitorKey } from '../ids.ts';
import { availabilityOf, type PresenceFact, presenceAfter } from './availability.ts';
import type { OperatorFact, Presence, Sessions, Show } from './facts.ts';

export type PresenceCommand =
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
  | { type: 'SetAvailability'; away: boolean; visitor: VisitorKey; messageId: string };

/** Clients of one operator at the same time; the oldest goes first. */
const MAX_SESSIONS = 64;

/** Completes facts about sessions with the availability before and after each. */
function withAvailability(presence: Presence, facts: readonly PresenceFact[]): OperatorFact[] {
  let current = presence;
  return facts.map((fact) => {
    const from = availabilityOf(current);
    current = presenceAfter(current, fact);
    const availability = { from, to: availabilityOf(current) };
    // The same fact with its availability: a spread loses the link between type and data.
    return { ...fact, data: { ...fact.data, availability } } as OperatorFact;
  });
}

const shows = (session: string, resource: string, show: Show, status: string): PresenceFact => ({
  type: 'PresenceChanged',
  data: { session, resource, show },
  personal: { status },
});

/** ejabberd's list has no session ids: one made of the resource stands in until mod_lhc names the real one. */
const standIn = (resource: string): string => `resource:${resource}`;

function compareSessions(
  presence: Presence,
  command: Extract<PresenceCommand, { type: 'CompareSessions' }>,
): OperatorFact[] {
  const { sessions } = presence;
  const opened: PresenceFact[] = [];
  const kept = new Set<string>();
  for (const { resource, show, status } of command.sessions.slice(0, MAX_SESSIONS)) {
    const known = Object.entries(sessions).find(
      ([id, session]) =>
        session.resource === resource && (!command.restarted || id === standIn(resource)),
    );
    const session = known?.[0] ?? standIn(resource);
    kept.add(session);
    if (!known) opened.push({ type: 'OperatorLoggedIn', data: { session, resource } });
    if ((known?.[1].show ?? null) !== show) opened.push(shows(session, resource, show, status));
  }
  const closed = Object.entries(sessions)
    .filter(([id]) => !kept.has(id))
    .map(([session, { resource }]): PresenceFact => loggedOut(session, resource));
  // Opened before closed: an operator whose client goes on under another id is not offline in between.
  return withAvailability(presence, [...opened, ...closed]);
}

const loggedOut = (session: string, resource: string): PresenceFact => ({
  type: 'OperatorLoggedOut',
  data: { session, resource },
});

function openSession(presence: Presence, session: string, resource: string): OperatorFact[] {
  const { sessions } = presence;
  if (Object.hasOwn(sessions, session)) return [];
  return withAvailability(presence, opening(sessions, session, resource));
}

function opening(sessions: Sessions, session: string, resource: string): PresenceFact[] {
  const facts: PresenceFact[] = [{ type: 'OperatorLoggedIn', data: { session, resource } }];
  const stood = Object.hasOwn(sessions, standIn(resource))
    ? sessions[standIn(resource)]
    : undefined;
  if (stood) {
    // Its presence passes on, or the operator would be offline until the next one.
    if (stood.show !== null) facts.push(shows(session, resource, stood.show, ''));
    facts.push(loggedOut(standIn(resource), resource));
  }
  const [oldest] = Object.entries(sessions);
  if (!stood && oldest && Object.keys(sessions).length >= MAX_SESSIONS) {
    facts.push(loggedOut(oldest[0], oldest[1].resource));
  }
  return facts;
}

function closeSession(presence: Presence, session: string): OperatorFact[] {
  const { sessions } = presence;
  if (!Object.hasOwn(sessions, session)) return [];
  return withAvailability(presence, [loggedOut(session, sessions[session]?.resource ?? '')]);
}

function changePresence(
  presence: Presence,
  command: Extract<PresenceCommand, { type: 'ChangePresence' }>,
): OperatorFact[] {
  const { sessions } = presence;
  const { session, resource, show, status } = command;
  const known = Object.hasOwn(sessions, session) ? sessions[session] : undefined;
  if (known?.show === show && known.responsive) return [];
  // A session that is over may still say that it is unavailable: opened for that, it would never be closed.
  if (!known && show === null) return [];
  // Not heard of before: it is opened as any other, or a stand-in would stay for good and the bound be passed.
  const opened = known ? [] : opening(sessions, session, resource);
  return withAvailability(presence, [...opened, shows(session, resource, show, status)]);
}

function reportPing(presence: Presence, resource: string, answered: boolean): OperatorFact[] {
  const concerned = Object.values(presence.sessions).filter(
    (session) => session.resource === resource,
  );
  if (concerned.every((session) => session.responsive === answered)) return [];
  const type = answered ? 'OperatorResponsive' : 'OperatorUnresponsive';
  return withAvailability(presence, [{ type, data: { resource } }]);
}

/** He says so himself: answered where he said it, also when it was so already. */
function setAvailability(
  presence: Presence,
  { away, visitor, messageId }: Extract<PresenceCommand, { type: 'SetAvailability' }>,
): OperatorFact[] {
  const data = { away, visitor, messageId };
  return withAvailability(presence, [{ type: 'AvailabilitySet', data }]);
}

/** The facts that a report is worth: none for what is known already. */
export function bePresent(presence: Presence, command: PresenceCommand): OperatorFact[] {
  switch (command.type) {
    case 'OpenSession':
      return openSession(presence, command.session, command.resource);
    case 'ChangePresence':
      return changePresence(presence, command);
    case 'CloseSession':
      return closeSession(presence, command.session);
    case 'ReportPing':
      return reportPing(presence, command.resource, command.answered);
    case 'CompareSessions':
      return compareSessions(presence, command);
    case 'SetAvailability':
      return setAvailability(presence, command);
  }
}
