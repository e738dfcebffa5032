/** Streams and facts of a bare store, found by a scan of the whole log: there is no index beside it. */
import { actorOf, generationOf, streamOfLane } from '../../actors/ids.ts';
import { AppError } from '../../errors.ts';
import type { EventStore, Position, RecordedEvent } from '../../eventstore/port.ts';
import { idsOf, indexedId } from '../../projections/fact-ids.ts';
import { categoryOf, nameIn, tenantOf } from '../../projections/stream-queries.ts';
import type { Place } from '../../replay/effects.ts';
import type { OnProgress, StreamFilter, StreamRow } from './source.ts';

/** Streams of one answer: all are kept until the newest is known. */
export const MOST_STREAMS = 1_000_000;
const PAGE_EVENTS = 1_000;
const KEY_PREFIX = 'key-';

/** @throws {AppError} `too-large` past {@link MOST_STREAMS} */
export async function* scanStreams(
  store: Pick<EventStore, 'readAll'>,
  filter: StreamFilter,
  onProgress: OnProgress,
  signal?: AbortSignal,
): AsyncGenerator<StreamRow> {
  const rows = new Map<string, StreamRow>();
  /** Visitors with a fact of the chat that is looked for. */
  const ofChat = new Set<string>();
  let events = 0;
  for await (const event of wholeLog(store, signal)) {
    events += 1;
    if (events % PAGE_EVENTS === 0) onProgress(events);
    const isOfChat = filter.chat !== undefined && event.data.chatId === filter.chat;
    if (isOfChat && categoryOf(event.stream) === 'visitor') ofChat.add(event.stream);
    const before = rows.get(event.stream);
    if (!before && !isWanted(event, filter)) continue;
    rows.set(event.stream, rowOf(event, before));
    if (rows.size > MOST_STREAMS) {
      throw new AppError('too-large', `more than ${MOST_STREAMS} streams match: ask for fewer`);
    }
  }
  const found = [...rows.values()].filter(
    ({ stream }) => filter.chat === undefined || ofChat.has(streamAround(stream)),
  );
  yield* found.sort((a, b) => b.lastAt - a.lastAt);
}

/**
 * The facts that have one of these ids, as the index of the service finds them.
 * @param limit facts at most
 * @param onEvent called with each event that is looked at
 */
export async function scanFacts(
  store: Pick<EventStore, 'readAll'>,
  ids: readonly string[],
  limit: number,
  onEvent: () => void,
  signal?: AbortSignal,
): Promise<Place[]> {
  const wanted = new Set(ids.map(indexedId));
  const found: Place[] = [];
  for await (const event of wholeLog(store, signal)) {
    onEvent();
    const { stream, revision } = event;
    // As in the index: a lane says how far it came, and is no part of what happened.
    if (categoryOf(stream) === 'lane') continue;
    if (![...idsOf(event)].some((id) => wanted.has(id))) continue;
    found.push({ stream, revision });
    if (found.length >= limit) break;
  }
  return found;
}

/** The events of the log, in pages. */
async function* wholeLog(
  store: Pick<EventStore, 'readAll'>,
  signal?: AbortSignal,
): AsyncGenerator<RecordedEvent> {
  for (let after: Position | undefined; ; ) {
    signal?.throwIfAborted();
    const page = await store.readAll({ limit: PAGE_EVENTS, ...(after !== undefined && { after }) });
    yield* page;
    if (page.length < PAGE_EVENTS) return;
    after = page.at(-1)?.position;
  }
}

/** A deleted stream that was written anew begins again. */
function rowOf(event: RecordedEvent, before: StreamRow | undefined): StreamRow {
  const { stream, revision, type, metadata } = event;
  return {
    stream,
    category: categoryOf(stream),
    tenant: tenantOf(event),
    name: nameIn(stream),
    jid: null,
    firstAt: before?.firstAt ?? metadata.at,
    lastAt: metadata.at,
    lastRevision: revision,
    lastType: type,
    erased: type === 'PersonalDataErased' || (before?.erased ?? false),
  };
}

function isWanted(event: RecordedEvent, filter: StreamFilter): boolean {
  const { stream } = event;
  const { category, tenant, jid, text } = filter;
  return (
    (category === undefined || categoryOf(stream) === category) &&
    (tenant === undefined || tenantOf(event) === tenant) &&
    (text === undefined || stream.toLowerCase().includes(text.toLowerCase())) &&
    (jid === undefined || fitsJid(stream, jid))
  );
}

/** The stream of the actor that a lane or a data key of a visitor belongs to; of any other stream the stream itself. */
const streamAround = (stream: string): string =>
  stream.startsWith(KEY_PREFIX)
    ? `visitor-${generationOf(stream.slice(KEY_PREFIX.length)).person}`
    : streamOfLane(stream);

/** A store does not say which host a tenant has. So the local part alone is compared, which may end with an instance. */
function fitsJid(stream: string, jid: string): boolean {
  const actor = actorOf(streamAround(stream));
  if (!actor || actor.kind === 'tenant') return false;
  const local = (jid.split('@', 1)[0] ?? '').toLowerCase();
  const name = actor.kind === 'visitor' ? `visitor.${actor.name}` : actor.name;
  return local === name || local.startsWith(`${name}.`);
}
