/** The availability of an operator: a function of their sessions and of `!away`. */
import type {
  Availability,
  OperatorEvent,
  OperatorFacts,
  OperatorPersonal,
  Presence,
  Sessions,
} from './facts.ts';

/**
 * The availability that follows from sessions and `!away`. The most available session counts, because its client gets the
 * messages. "Do not disturb" outweighs "away". A session that answers no pings does not count. `!away` makes an available
 * operator away.
 */
export function availabilityOf({ sessions, away }: Presence): Availability {
  const availability = availabilityBySessions(sessions);
  return away && availability === 'available' ? 'away' : availability;
}

function availabilityBySessions(sessions: Sessions): Availability {
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

/** A fact that may change the availability, without its field `availability`, which is worked out from it. */
export type PresenceFact = {
  [T in PresenceFactType]: {
    readonly type: T;
    readonly data: Omit<OperatorFacts[T], 'availability'>;
    readonly personal?: T extends keyof OperatorPersonal ? OperatorPersonal[T] : undefined;
  };
}[PresenceFactType];

const types: ReadonlySet<string> = new Set(PRESENCE_FACTS);

/** A stored fact that may change the availability. */
export type PresenceEvent = Extract<OperatorEvent, { type: PresenceFactType }>;

export const isPresenceEvent = (event: { readonly type: string }): event is PresenceEvent =>
  types.has(event.type);

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

/** The presence of an operator after a fact. */
export const presenceAfter = ({ sessions, away }: Presence, fact: PresenceFact): Presence => ({
  sessions: sessionsAfter(sessions, fact),
  away: fact.type === 'AvailabilitySet' ? fact.data.away : away,
});
