/**
 * Finds everything that one request caused: facts of all actors, effects with their attempts, callbacks. The log has the
 * facts, and what became of the effects; attempts and requests are in the notes of a process, if there are any.
 * `trace-tree.ts` makes the tree of it.
 */
import type { EventStore, RecordedEvent } from '../eventstore/port.ts';
import { traceIdOf } from '../kit/trace-context.ts';
import {
  type AwayReason,
  type EffectPlace,
  effectsOf,
  NO_PROGRESS,
  type Note,
  type Place,
  type Progress,
  progressOf,
} from './effects.ts';
import { isReceipt, type TraceNode, traceTree } from './trace-tree.ts';

/** Facts of one trace. */
export const MAX_TRACE_FACTS = 1_000;
/** Streams of one trace. */
export const MAX_TRACE_STREAMS = 100;
/** Nodes of one tree. */
export const MAX_TRACE_NODES = 4_000;
/** Requests of a batch that are looked for by the id of the batch. */
const BATCH_REQUESTS = 100;
/** Requests of one trace. */
const MAX_CORRELATIONS = 100;
/** Messages whose receipts are looked for, and facts behind each of them that are looked at. */
const RECEIPTS = { messages: 20, facts: 200 };

export interface Trace {
  /** As it was asked for. */
  readonly id: string;
  /** null if the facts have several. */
  readonly traceId: string | null;
  /** In order of time. `parent` makes the tree. */
  readonly nodes: readonly TraceNode[];
  /** Not all of it is here. */
  readonly truncated: boolean;
}

export interface TraceSource {
  readonly store: Pick<EventStore, 'readStream'>;
  /** Places of the facts that have one of these ids: their own, of their command, their request or their trace. */
  factsOf(ids: readonly string[], limit: number): Promise<readonly Place[]>;
  /** Notes about these facts, the oldest first. A bare log has none. */
  notesOf(facts: readonly Place[]): readonly Note[];
  /** Requests with this correlation id. */
  requestsOf(id: string): readonly Note[];
  readonly places: readonly EffectPlace[];
  /** A bare log does not know it. */
  readonly away?: AwayReason;
  /** ms since 1970 */
  readonly now: () => number;
  /** ms of a clock that never goes back, for the deadline. */
  readonly monotonic: () => number;
  /** How long the search may take; what was found by then is shown. */
  readonly deadlineMs: number;
}

/**
 * @param id of a request (correlation id; of a batch too), a trace, a command or a fact. A command or a fact stands for its
 * request
 * @returns null if no fact has this id
 */
export async function loadTrace(source: TraceSource, id: string): Promise<Trace | null> {
  const until = source.monotonic() + source.deadlineMs;
  const found = new Found(source, () => source.monotonic() > until);
  await found.add([id]);
  if (found.isEmpty) {
    await found.add(Array.from({ length: BATCH_REQUESTS }, (_, n) => `${id}.${n}`));
  }
  if (found.isEmpty) return null;
  // A command or a fact was asked for: its request has the rest.
  const wider = new Set(
    found.events
      .filter(
        ({ metadata }) => metadata.correlationId !== id && traceIdOf(metadata) !== traceIdIn(id),
      )
      .map(({ metadata }) => metadata.correlationId),
  );
  if (wider.size > 0) await found.add([...wider].slice(0, MAX_CORRELATIONS));
  const receipts = await found.addReceipts();
  const { events } = found;
  const correlations = new Set(events.map(({ metadata }) => metadata.correlationId));
  const notes = [
    ...source.notesOf(events),
    ...[...correlations].slice(0, MAX_CORRELATIONS).flatMap((each) => source.requestsOf(each)),
  ];
  const progress = await found.progress();
  const nodes = traceTree({
    events,
    receipts,
    notes,
    effects: events.flatMap((event) =>
      effectsOf(
        event,
        source.places,
        notes,
        (name) => progress(event.stream, name),
        source.now(),
        source.away,
      ),
    ),
  });
  const traceIds = new Set(
    events.filter((event) => !receipts.has(event.id)).map(({ metadata }) => traceIdOf(metadata)),
  );
  const [only = null] = traceIds;
  return {
    id,
    traceId: traceIds.size === 1 ? only : null,
    nodes: nodes.slice(0, MAX_TRACE_NODES),
    truncated: found.isFull || nodes.length > MAX_TRACE_NODES,
  };
}

/** A trace id, with or without the dashes of a UUID. */
const traceIdIn = (id: string): string => id.replaceAll('-', '').toLowerCase();

/** The facts that were found so far, within the bounds. */
class Found {
  readonly #source: TraceSource;
  readonly #isLate: () => boolean;
  readonly #events = new Map<string, RecordedEvent>();
  readonly #streams = new Set<string>();
  #isFull = false;

  constructor(source: TraceSource, isLate: () => boolean) {
    this.#source = source;
    this.#isLate = isLate;
  }

  get isEmpty(): boolean {
    return this.#events.size === 0;
  }

  /** A bound was met: there may be more. */
  get isFull(): boolean {
    return this.#isFull;
  }

  /** In order of time; those of one stream in their order. */
  get events(): readonly RecordedEvent[] {
    return [...this.#events.values()].sort(
      (a, b) =>
        a.metadata.at - b.metadata.at || (a.stream === b.stream ? a.revision - b.revision : 0),
    );
  }

  /** Adds the facts with one of these ids. */
  async add(ids: readonly string[]): Promise<void> {
    const places = await this.#source.factsOf(ids, MAX_TRACE_FACTS);
    if (places.length >= MAX_TRACE_FACTS) this.#isFull = true;
    for (const [stream, revisions] of Map.groupBy(places, (place) => place.stream)) {
      const wanted = new Set(revisions.map(({ revision }) => revision));
      for (let left = [...wanted].sort((a, b) => a - b); left.length > 0; ) {
        const [from = 0] = left;
        // Facts of one request are close to each other.
        const near = left.filter((revision) => revision < from + RECEIPTS.facts);
        if (!this.#mayRead(stream)) break;
        const limit = (near.at(-1) ?? from) - from + 1;
        const events = await this.#source.store.readStream(stream, { from, limit });
        for (const event of events) if (wanted.has(event.revision)) this.#keep(event);
        left = left.slice(near.length);
      }
    }
  }

  /**
   * Adds what became of the messages. One fact may be about several messages, and belongs to the trace of the first one.
   * @returns by the id of such a fact: the id of the message's fact
   */
  async addReceipts(): Promise<ReadonlyMap<string, string>> {
    const receipts = new Map<string, string>();
    const sent = this.events.filter(({ type }) => type === 'VisitorMessageSent');
    for (const { id, stream, revision, data } of sent.slice(0, RECEIPTS.messages)) {
      if (!this.#mayRead(stream)) break;
      const options = { from: revision + 1, limit: RECEIPTS.facts };
      for (const event of await this.#source.store.readStream(stream, options)) {
        if (!isReceipt(event) || !isAbout(event, data.messageId)) continue;
        if (!this.#events.has(event.id)) receipts.set(event.id, id);
        this.#keep(event);
      }
    }
    return receipts;
  }

  /** Reads how far the lanes of the streams came. */
  async progress(): Promise<(stream: string, destination: string) => Progress> {
    const { store, places } = this.#source;
    const known = new Map<string, Progress>();
    // The newest fact of a stream first: it says up to where the lane has to be looked at.
    const newestFirst = [...this.#events.values()].sort((a, b) => b.revision - a.revision);
    for (const event of newestFirst) {
      for (const place of places) {
        const lane = `${event.stream} ${place.name}`;
        if (place.hasLane === false || known.has(lane)) continue;
        if (!place.concerns(event) || this.#isLate()) continue;
        known.set(lane, await progressOf(store, event.stream, place, event.revision));
      }
    }
    return (stream, name) => known.get(`${stream} ${name}`) ?? NO_PROGRESS;
  }

  #mayRead(stream: string): boolean {
    const isTooMany = !this.#streams.has(stream) && this.#streams.size >= MAX_TRACE_STREAMS;
    const may = !isTooMany && !this.#isLate();
    if (may) this.#streams.add(stream);
    else this.#isFull = true;
    return may;
  }

  #keep(event: RecordedEvent): void {
    if (this.#events.size >= MAX_TRACE_FACTS) this.#isFull = true;
    else this.#events.set(event.id, event);
  }
}

const isAbout = ({ data }: RecordedEvent, messageId: unknown): boolean =>
  data.messageId === messageId ||
  (Array.isArray(data.messageIds) && data.messageIds.includes(messageId as string));
