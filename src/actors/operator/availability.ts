/** How available an operator is, from his sessions and from what he says himself. */
import type {
  Availability,
  OperatorEvent,
  OperatorFacts,
  OperatorPersonal,
  Presence,
  Sessions,
} from './facts.ts';

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

const PRESENCE_FACTS = [
  'OperatorLoggedIn',
  'PresenceChanged',
  'OperatorLoggedOut',
  'OperatorUnresponsive',
  'OperatorResponsive',
  'AvailabilitySet',
] as const;
type PresenceFactType = (typeof PRESENCE_FACTS)[number];

/** A fact that an operator's availability may change by, as far as it is known before the change is worked out. */
export type PresenceFact = {
  [T in PresenceFactType]: {
    readonly type: T;
    readonly data: Omit<OperatorFacts[T], 'availability'>;
    readonly personal?: T extends keyof OperatorPersonal ? OperatorPersonal[T] : undefined;
  };
}[PresenceFactType];

const types: ReadonlySet<string> = new Set(PRESENCE_FACTS);

export const isPresenceEvent = (
  event: OperatorEvent,
): event is Extract<OperatorEvent, { type: PresenceFactType }> => types.has(event.type);

function sessionsAfter(sessions: Sessions, fact: PresenceFact): Sessions {
  switch (fact.type) {
    case 'OperatorLoggedIn': {
      const { session, resource } = fact.data;
      return { ...sessions, [session]: { resource, show: null, responsive: true } };
    }
    case 'PresenceChanged': {
      const { session, resource, show } = fact.data;
      return { ...sessions, [session]: { resource, show, responsive: true } };
    }
    case 'OperatorLoggedOut': {
      const { [fact.data.session]: _gone, ...others } = sessions;
      return others;
    }
    case 'OperatorUnresponsive':
    case 'OperatorResponsive': {
      const { resource } = fact.data;
      const responsive = fact.type === 'OperatorResponsive';
      return Object.fromEntries(
        Object.entries(sessions).map(([id, known]) => [
          id,
          known.resource === resource ? { ...known, responsive } : known,
        ]),
      );
    }
    case 'AvailabilitySet':
      return sessions;
  }
}

/** An operator's presence after a fact. */
export const presenceAfter = ({ sessions, away }: Presence, fact: PresenceFact): Presence => ({
  sessions: sessionsAfter(sessions, fact),
  away: fact.type === 'AvailabilitySet' ? fact.data.away : away,
});
