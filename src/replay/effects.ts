/** What facts have called for outside, and what became of it: of the log alone, or with what a process has written down. */
import { laneStream } from '../actors/ids.ts';
import type { EventStore, RecordedEvent } from '../eventstore/port.ts';

/** A place outside, as it selects the facts that it performs. */
export interface EffectPlace {
  readonly name: string;
  /**
   * False: what should be there follows from the state, so no lane performs each fact. The log does not say whether a fact
   * called for anything, and what became of it. Only notes do.
   */
  readonly hasLane?: boolean;
  concerns(event: RecordedEvent): boolean;
}

/** A fact by its place. */
export interface Place {
  readonly stream: string;
  readonly revision: number;
}

interface Noted extends Place {
  /** When it began, ms since 1970. */
  readonly at: number;
  readonly ms: number;
  readonly reason: string | null;
}

/** What no fact says. A process has it in its journal; a bare log has none of it. */
export type Note =
  | (Noted & {
      readonly kind: 'request';
      readonly id: string;
      readonly name: string;
      readonly status: number | null;
    })
  | (Noted & {
      readonly kind: 'attempt';
      readonly destination: string;
      readonly outcome: 'done' | 'retry' | 'parked' | 'dead';
      readonly detail?: string | null;
    })
  | (Noted & {
      readonly kind: 'callback';
      readonly id: string;
      readonly name: string;
      readonly status: number | null;
    });
type AttemptNote = Extract<Note, { kind: 'attempt' }>;
type CallbackNote = Extract<Note, { kind: 'callback' }>;

export interface Attempt {
  readonly note: AttemptNote;
  readonly callbacks: readonly CallbackNote[];
}

export interface Effect {
  readonly event: RecordedEvent;
  readonly destination: string;
  /** The name of the callback, if one was sent; otherwise the type of the fact. */
  readonly name: string;
  /** `unknown`: nothing says so, and it is too late for it to be pending. */
  readonly outcome: 'pending' | 'done' | 'dead' | 'unknown';
  /** When the last attempt ended, ms since 1970; null if none is known. */
  readonly at: number | null;
  readonly attempts: readonly Attempt[];
  /** Of a pending effect that was not tried yet: what it waits for. null if nothing is known. */
  readonly waits: string | null;
}

/** Says why the place outside is away for the tenant of a fact; null if it is not, or nobody knows. */
export type AwayReason = (event: RecordedEvent, destination: string) => string | null;

/** The one place that is sent callbacks. */
const CALLED_BACK = 'lhc';

/** How far a lane came. */
export interface Progress {
  /** All effects up to this revision are done or given up; -1: none is, as far as the log says. */
  readonly through: number;
  /** Of effects that were given up: why. */
  readonly dead: ReadonlyMap<number, string>;
  /** The first fact whose effect is not done; null: none was found. A lane goes on in order, so all others wait behind it. */
  readonly first: number | null;
}

/** Of a lane of which the log says nothing. */
export const NO_PROGRESS: Progress = { through: -1, dead: new Map(), first: null };

/** Facts of a lane that are read. Only those that give up an effect say more than the last one. */
const LANE_FACTS = 100;
/** Facts behind the progress of a lane that are read, to find the first one that it concerns. */
const FACTS_BEHIND = 100;
/** An effect becomes a dead letter after a day or, if its place was not seen to fail, an hour later. */
const PENDING_MOST_MS = 26 * 3_600_000;
/** Without a lane: as long after its last failure, an effect is not tried any more. One that goes on is noted every 10 minutes. */
const TRIED_WITHIN_MS = 1_200_000;
/** Clocks of two processes may differ. A note that ended so long before its fact is about an older log. */
const CLOCKS_DIFFER_MS = 60_000;

/**
 * Reads how far the lane of a stream came.
 * @param upTo the newest fact that somebody asks for. If the lane came so far, nothing waits
 */
export async function progressOf(
  store: Pick<EventStore, 'readStream'>,
  stream: string,
  place: EffectPlace,
  upTo: number,
): Promise<Progress> {
  const events = await store.readStream(laneStream(stream, place.name), {
    direction: 'backwards',
    limit: LANE_FACTS,
  });
  const dead = new Map<number, string>();
  for (const { data } of events) {
    if (typeof data.dead === 'string') dead.set(Number(data.revision), data.dead);
  }
  const through = Number(events[0]?.data.revision ?? -1);
  const behind =
    through < upTo
      ? await store.readStream(stream, { from: through + 1, limit: FACTS_BEHIND })
      : [];
  return { through, dead, first: behind.find((event) => place.concerns(event))?.revision ?? null };
}

/** Only what can be about this fact. */
export const notesAbout = <N extends Note>(
  { stream, revision, metadata }: RecordedEvent,
  notes: readonly N[],
): N[] =>
  notes.filter(
    (note) =>
      note.stream === stream &&
      note.revision === revision &&
      note.at + note.ms >= metadata.at - CLOCKS_DIFFER_MS,
  );

/**
 * The effects of a fact, one for each place that it concerns.
 * @param notes about this fact, the oldest first
 * @param now ms since 1970
 */
export function effectsOf(
  event: RecordedEvent,
  places: readonly EffectPlace[],
  notes: readonly Note[],
  progress: (destination: string) => Progress,
  now: number,
  away: AwayReason = () => null,
): Effect[] {
  const own = notesAbout(event, notes);
  return places
    .filter((place) => place.concerns(event))
    .flatMap(({ name: destination, hasLane = true }): Effect[] => {
      const attempts = own
        .filter((note): note is AttemptNote => note.kind === 'attempt')
        .filter((note) => note.destination === destination)
        .map((note) => ({ note, callbacks: callbacksWithin(note, own) }));
      const last = attempts.at(-1)?.note;
      if (!hasLane && !last) return [];
      const lane = progress(destination);
      const outcome =
        hasLane || !last ? outcomeOf(event, last, lane, now) : outcomeWithoutLane(last, now);
      const isUntried = outcome === 'pending' && !last;
      return [
        {
          event,
          destination,
          name: attempts.flatMap((each) => each.callbacks).at(0)?.name ?? event.type,
          outcome,
          at: last ? last.at + last.ms : null,
          attempts,
          waits: isUntried ? waitsFor(event, lane, away(event, destination)) : null,
        },
      ];
    });
}

/** A fact may be performed at other places in the same moment. */
const callbacksWithin = (attempt: AttemptNote, notes: readonly Note[]): CallbackNote[] =>
  attempt.destination !== CALLED_BACK
    ? []
    : notes
        .filter((note): note is CallbackNote => note.kind === 'callback')
        .filter(({ at }) => at >= attempt.at && at <= attempt.at + attempt.ms + 1);

function waitsFor(
  { revision }: RecordedEvent,
  { first }: Progress,
  away: string | null,
): string | null {
  if (away !== null) return `away: ${away}`;
  return first !== null && first < revision ? `waits behind fact ${first}` : null;
}

function outcomeOf(
  { revision, metadata }: RecordedEvent,
  last: AttemptNote | undefined,
  { through, dead }: Progress,
  now: number,
): Effect['outcome'] {
  if (dead.has(revision) || last?.outcome === 'dead') return 'dead';
  if (through >= revision || last?.outcome === 'done') return 'done';
  return now - metadata.at > PENDING_MOST_MS ? 'unknown' : 'pending';
}

function outcomeWithoutLane({ outcome, at, ms }: AttemptNote, now: number): Effect['outcome'] {
  if (outcome === 'done') return 'done';
  return now - at - ms > TRIED_WITHIN_MS ? 'unknown' : 'pending';
}
