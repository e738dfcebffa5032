/**
 * Everything that one request caused, as a tree: facts of all actors, effects with their attempts, callbacks. The log has
 * the facts, and what became of the effects; attempts and requests are in the notes of a process, if there are any.
 */
import type { EventStore, RecordedEvent } from '../eventstore/port.ts';
import { traceIdOf } from '../kit/trace-context.ts';
import {
  type Effect,
  type EffectPlace,
  effectsOf,
  NO_PROGRESS,
  type Note,
  notesAbout,
  type Place,
  type Progress,
  progressOf,
} from './effects.ts';

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

export interface TraceNode {
  readonly id: string;
  /** null for a root. */
  readonly parent: string | null;
  readonly kind: 'request' | 'fact' | 'effect' | 'attempt' | 'callback';
  readonly name: string;
  /** Of the fact that the node is, or is about. */
  readonly stream: string;
  readonly revision: number;
  /** When it began, ms since 1970. */
  readonly at: number;
  /** How long it took: an effect from its fact to the end of its last attempt. null for a fact, and where nothing says so. */
  readonly ms: number | null;
  readonly outcome: string | null;
  readonly detail: string | null;
}

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
      effectsOf(event, source.places, notes, (name) => progress(event.stream, name), source.now()),
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

const RECEIPT_TYPES: ReadonlySet<string> = new Set([
  'MessageTaken',
  'MessageDelivered',
  'MessageDisplayed',
  'MessageFailed',
  'MessageReturned',
]);

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
        if (!RECEIPT_TYPES.has(event.type) || !isAbout(event, data.messageId)) continue;
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
    for (const event of this.#events.values()) {
      for (const place of places) {
        const lane = `${event.stream} ${place.name}`;
        if (known.has(lane) || !place.concerns(event) || this.#isLate()) continue;
        known.set(lane, await progressOf(store, event.stream, place.name));
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

export interface TraceParts {
  readonly events: readonly RecordedEvent[];
  /** As {@link Found.addReceipts} returns it. */
  readonly receipts: ReadonlyMap<string, string>;
  readonly notes: readonly Note[];
  readonly effects: readonly Effect[];
}

/** Facts that say what became of an effect of their cause, with the place of the effect. */
const OUTCOME_AT: Readonly<Record<string, string>> = {
  MessageTaken: 'xmpp',
  MessageDelivered: 'xmpp',
  MessageDisplayed: 'xmpp',
  MessageFailed: 'xmpp',
  MessageReturned: 'xmpp',
  OperatorMessageAccepted: 'lhc',
  LhcRefused: 'lhc',
  LhcAnswered: 'lhc',
};

const effectId = (eventId: string, destination: string): string => `${eventId}/${destination}`;
const detailOf = (...parts: unknown[]): string | null =>
  parts.filter((part) => typeof part === 'string' && part !== '').join(' · ') || null;

/** @returns the nodes of a trace in order of time */
export function traceTree({ events, receipts, notes, effects }: TraceParts): TraceNode[] {
  const byId = new Map(events.map((event) => [event.id, event]));
  const byCommand = new Map<string, RecordedEvent>();
  for (const event of events) {
    const { commandId } = event.metadata;
    if (!byCommand.has(commandId)) byCommand.set(commandId, event);
  }
  const effectIds = new Set(
    effects.map(({ event, destination }) => effectId(event.id, destination)),
  );
  const requests = requestsIn(events, notes);

  /** The node that a fact is under, if there is no request between them. */
  const causeOf = (event: RecordedEvent): string | null => {
    const { causationId } = event.metadata;
    const cause =
      byId.get(receipts.get(event.id) ?? causationId) ?? byCommand.get(causationId) ?? null;
    if (cause === null || cause.metadata.commandId === event.metadata.commandId) return null;
    const at = OUTCOME_AT[event.type];
    const effect = at === undefined ? null : effectId(cause.id, at);
    return effect !== null && effectIds.has(effect) ? effect : cause.id;
  };

  const nodes: TraceNode[] = [];
  for (const { note, first } of requests.all) {
    const { at, ms, stream, revision, name, status, reason } = note;
    nodes.push({
      id: `request/${note.id}`,
      parent: causeOf(first),
      kind: 'request',
      name,
      stream,
      revision,
      at,
      ms,
      outcome: status === null ? (reason === null ? 'done' : 'failed') : String(status),
      detail: detailOf(note.id, reason),
    });
  }
  for (const event of events) {
    const { id, type, stream, revision, metadata, data } = event;
    const request = requests.of(event);
    nodes.push({
      id,
      parent: request === null ? causeOf(event) : `request/${request.id}`,
      kind: 'fact',
      name: type,
      stream,
      revision,
      at: metadata.at,
      ms: null,
      outcome: null,
      detail: detailOf(data.messageId, ...idsIn(data.messageIds), data.operator, data.reason),
    });
  }
  for (const effect of effects) nodes.push(...effectNodes(effect));
  return inTime(nodes);
}

const idsIn = (ids: unknown): unknown[] => (Array.isArray(ids) ? ids : []);

/** Requests, each with the first fact that it caused. */
function requestsIn(events: readonly RecordedEvent[], notes: readonly Note[]) {
  type Request = Extract<Note, { kind: 'request' }>;
  const all = new Map<string, { note: Request; first: RecordedEvent }>();
  const byCommand = new Map<string, Request>();
  const own = notes.filter((note): note is Request => note.kind === 'request');
  for (const event of events) {
    const { commandId, correlationId } = event.metadata;
    const at = notesAbout(event, own);
    const note = at[0] ?? own.find(({ id }) => id === correlationId && !isCaused(event));
    if (!note) continue;
    if (!all.has(note.id)) all.set(note.id, { note, first: event });
    byCommand.set(`${event.stream} ${commandId}`, note);
  }
  return {
    all: [...all.values()],
    of: ({ stream, metadata }: RecordedEvent): Request | null =>
      byCommand.get(`${stream} ${metadata.commandId}`) ?? null,
  };
}

/** The fact was caused by another fact, or by another command. */
const isCaused = ({ metadata: { causationId, commandId } }: RecordedEvent): boolean =>
  causationId !== commandId;

function effectNodes({ event, destination, name, outcome, at, attempts }: Effect): TraceNode[] {
  const { id: eventId, stream, revision, metadata } = event;
  const id = effectId(eventId, destination);
  const place = { stream, revision };
  const nodes: TraceNode[] = [
    {
      id,
      parent: eventId,
      kind: 'effect',
      name: `${destination} ${name}`,
      ...place,
      at: metadata.at,
      ms: at === null || outcome === 'pending' ? null : Math.max(0, at - metadata.at),
      outcome,
      detail: null,
    },
  ];
  for (const [index, { note, callbacks }] of attempts.entries()) {
    const attempt = `${id}/${index + 1}`;
    nodes.push({
      id: attempt,
      parent: id,
      kind: 'attempt',
      name: `attempt ${index + 1}`,
      ...place,
      at: note.at,
      ms: note.ms,
      outcome: note.outcome,
      detail: note.reason,
    });
    for (const callback of callbacks) {
      nodes.push({
        id: `callback/${callback.id}`,
        parent: attempt,
        kind: 'callback',
        name: callback.name,
        ...place,
        at: callback.at,
        ms: callback.ms,
        outcome: callback.status === null ? 'no answer' : String(callback.status),
        detail: callback.reason,
      });
    }
  }
  return nodes;
}

/** In order of time, and no node before its parent. A parent that is not there makes a root. */
function inTime(nodes: readonly TraceNode[]): TraceNode[] {
  const ids = new Set(nodes.map(({ id }) => id));
  const children = Map.groupBy(
    nodes.map((node) =>
      node.parent !== null && !ids.has(node.parent) ? { ...node, parent: null } : node,
    ),
    ({ parent }) => parent,
  );
  const ordered: TraceNode[] = [];
  const open = [...(children.get(null) ?? [])];
  while (open.length > 0) {
    let next = 0;
    for (const [i, { at }] of open.entries()) if (at < (open[next]?.at ?? 0)) next = i;
    const [node] = open.splice(next, 1);
    if (!node) break;
    ordered.push(node);
    open.push(...(children.get(node.id) ?? []));
  }
  return ordered;
}
