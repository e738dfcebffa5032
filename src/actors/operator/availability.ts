/** The availability of an operator: a function of their sessions and of `!away`. */
import type {
  Availability,
  OperatorEvent,
  OperatorFacts,
  OperatorPersonal,
  Presence,
  Session,
  Sessions,
} from './facts.ts';

/**
 * The sessions that get a message to the operator. ejabberd routes it to the sessions with the highest priority, all of
 * them, and to none with a negative one (RFC 6121 §8.5.2.1.1; `ejabberd_sm:route_message`). A client with a lower
 * priority has a copy at most (XEP-0280). docs/adr/0034.
 */
export function receivingSessions<S extends Pick<Session, 'show' | 'priority'>>(
  sessions: readonly S[],
): readonly S[] {
  const priorityOf = ({ show, priority = 0 }: S): number => (show === null ? -1 : priority);
  const highest = Math.max(-1, ...sessions.map(priorityOf));
  return highest < 0 ? [] : sessions.filter((session) => priorityOf(session) === highest);
}

const STAND_IN = 'resource:';

/** The id of a stand-in session. ejabberd's list has no session ids, so the resource stands in until mod_lhc reports the id. */
export const standInId = (resource: string): string => `${STAND_IN}${resource}`;

/** True if mod_lhc has reported none of these sessions. @param ids of an operator's sessions */
export const areStandIns = (ids: readonly string[]): boolean =>
  ids.every((id) => id.startsWith(STAND_IN));

/**
 * The availability that follows from sessions and `!away`: that of the clients that get the messages. Of several, the most
 * available one counts; "do not disturb" outweighs "away". If none of them answers pings, the operator is away: they get no
 * new chats, and keep those that they have. `!away` makes an available operator away.
 */
export function availabilityOf({ sessions, away }: Presence): Availability {
  const availability = availabilityBySessions(sessions);
  return away && availability === 'available' ? 'away' : availability;
}

function availabilityBySessions(sessions: Sessions): Availability {
  const receiving = receivingSessions(Object.values(sessions));
  const shows = receiving.filter(({ responsive }) => responsive).map(({ show }) => show);
  if (shows.some((show) => show === 'available' || show === 'chat')) return 'available';
  if (shows.includes('dnd')) return 'busy';
  return receiving.length > 0 ? 'away' : 'offline';
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
      const { session, resource, show, priority } = fact.data;
      const known = { resource, show, responsive: true, ...(priority && { priority }) };
      return { ...sessions, [session]: known };
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
