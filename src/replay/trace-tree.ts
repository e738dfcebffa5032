/** The tree of what one request caused: requests, facts, effects with their attempts, callbacks. */
import type { RecordedEvent } from '../eventstore/port.ts';
import { type Effect, type Note, notesAbout } from './effects.ts';

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

export interface TraceParts {
  readonly events: readonly RecordedEvent[];
  /** Facts about what became of a message: by their id, the id of the message's fact. */
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
  AccountReady: 'presence',
  LoggedIn: 'presence',
  LoggedOut: 'presence',
  SessionFailed: 'presence',
  OperatorMessageAccepted: 'lhc',
  LhcRefused: 'lhc',
  LhcAnswered: 'lhc',
};

/** The fact says what became of a message. */
export const isReceipt = ({ type }: RecordedEvent): boolean => OUTCOME_AT[type] === 'xmpp';

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

function effectNodes(effect: Effect): TraceNode[] {
  const { event, destination, name, outcome, at, attempts, waits } = effect;
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
      detail: waits,
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
      detail: detailOf(note.detail, note.reason),
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
