/** How available an operator is, from his sessions and from what he says himself. */
import type { Availability, Presence, Sessions, Show } from './facts.ts';

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

/** What follows for his presence from a fact. */
export const presenceAfter = (
  { sessions, away }: Presence,
  fact: { type: string; data: { away?: boolean } & Parameters<typeof sessionsAfter>[1]['data'] },
): Presence => ({
  sessions: sessionsAfter(sessions, fact),
  away: fact.type === 'AvailabilitySet' ? fact.data.away === true : away,
});
