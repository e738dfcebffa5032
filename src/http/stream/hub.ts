/**
 * The live stream: server-sent events of a tenant's changes. The composition root makes the hub, and src/http/app.ts adds
 * the endpoint; nobody else imports the folder.
 *
 * The hub has all live connections of this process. One follower of the read models serves every reader, so what a reader gets is in
 * the rows that queries see, in the order of the log. A reader who reconnects gets what it missed from the log.
 */
import type { Logger } from 'pino';
import { actorOf, type TenantId } from '../../actors/ids.ts';
import type { TenantSettings } from '../../actors/tenant/settings.ts';
import { AppError } from '../../errors.ts';
import type { EventStore, Position, RecordedEvent } from '../../eventstore/port.ts';
import { nextInLog } from '../../eventstore/reading.ts';
import { createTurns } from '../../kit/turns.ts';
import type { Projections } from '../../projections/projections.ts';
import { type Connection, type ConnectionEnd, createConnection } from './connection.ts';
import { type StreamEvent, type StreamType, streamEventsOf } from './events.ts';

export interface StreamLimits {
  readonly maxPerTenant: number;
  /** Connections of all tenants together. */
  readonly maxConnections: number;
  /** Bytes that may wait for one reader. */
  readonly maxBufferBytes: number;
  /** How long a reader may take to read half of the buffer. */
  readonly drainWithinMs: number;
  /** A reader who missed more events of the tenant has to query anew. */
  readonly maxMissedEvents: number;
  /** A reader whose first missed event is older has to query anew. */
  readonly maxMissedMs: number;
  readonly heartbeatMs: number;
}

export const STREAM_LIMITS: StreamLimits = {
  maxPerTenant: 32,
  maxConnections: 256,
  maxBufferBytes: 1024 * 1024,
  drainWithinMs: 30_000,
  maxMissedEvents: 10_000,
  maxMissedMs: 3_600_000,
  heartbeatMs: 15_000,
};

/** Missed events that are read from the log at once. */
const PAGE_EVENTS = 500;
/** Missed events that are sent in one turn of the event loop: some 3 ms. */
const EVENTS_PER_TURN = 50;
/** When a caller may try again after `overloaded`, in seconds. */
export const STREAM_RETRY_AFTER_S = 10;
/** When a browser reconnects after the stream ended. Random within the range, so that not all come at once. */
export const RECONNECT_MS = { least: 2_000, most: 5_000 };

export interface StreamStats {
  readonly connections: number;
  /** Since the start: events sent, readers cut because they were too slow, readers who had to query anew. */
  readonly sent: number;
  readonly cut: number;
  readonly resets: number;
}

export interface OpenOptions {
  readonly tenant: TenantSettings;
  readonly types: ReadonlySet<StreamType>;
  /** Where the reader stopped. */
  readonly lastEventId?: string | undefined;
  /** @returns false if there is no socket to close */
  hangUp(): boolean;
}

export interface StreamHub {
  /**
   * Opens a connection.
   * @throws {AppError} `overloaded` if there are too many connections; `unavailable` while the read models are being
   *   built and while the service stops
   */
  open(options: OpenOptions): ReadableStream<Uint8Array>;
  stats(): StreamStats;
  /** Ends all connections and accepts no more. */
  close(): void;
}

export interface StreamHubOptions {
  readonly projections: Pick<
    Projections,
    'visitors' | 'chats' | 'operators' | 'messages' | 'position' | 'follow'
  >;
  readonly store: Pick<EventStore, 'readAll' | 'head' | 'compare' | 'parsePosition'>;
  /** ms since 1970 */
  readonly now: () => number;
  readonly random: () => number;
  readonly logger: Logger;
  /** Default {@link STREAM_LIMITS}. */
  readonly limits?: Partial<StreamLimits>;
}

interface Reader {
  readonly tenant: TenantSettings;
  readonly connection: Connection;
  /** The reader has all events up to here; null: up to the beginning of the log. */
  at: Position | null;
  /** True if the follower sends to this reader; false while the reader catches up from the log. */
  live: boolean;
}

interface Hub extends Omit<StreamHubOptions, 'limits'> {
  readonly limits: StreamLimits;
  readonly byTenant: Map<TenantId, Set<Reader>>;
  /** Readers that catch up share the event loop: after a restart all of them come at once. */
  readonly nextTurn: () => Promise<void>;
  readonly stats: { -readonly [K in keyof StreamStats]: StreamStats[K] };
}

export function createStreamHub(options: StreamHubOptions): StreamHub {
  const hub: Hub = {
    ...options,
    limits: { ...STREAM_LIMITS, ...options.limits },
    byTenant: new Map(),
    nextTurn: createTurns(),
    stats: { connections: 0, sent: 0, cut: 0, resets: 0 },
  };
  let closed = false;
  const unfollow = hub.projections.follow({
    onApplied: ({ events }) => {
      if (hub.stats.connections > 0) for (const event of events) sendLive(hub, event);
    },
    // Nobody sends the events between the old rows and the new ones: readers get them from the log when they reconnect.
    onReplaced: () => endAll(hub),
  });
  const heart = setInterval(() => heartbeat(hub), hub.limits.heartbeatMs).unref();

  return {
    open: (wish) => {
      if (closed) throw new AppError('unavailable', 'stopping', { part: 'the service' });
      return open(hub, wish);
    },
    stats: () => ({ ...hub.stats }),
    close: () => {
      closed = true;
      clearInterval(heart);
      unfollow();
      endAll(hub);
    },
  };
}

const readersOf = ({ byTenant }: Hub): Reader[] =>
  [...byTenant.values()].flatMap((readers) => [...readers]);

const endAll = (hub: Hub): void => {
  for (const { connection } of readersOf(hub)) connection.end();
};

/** True if `a` comes before `b` in the log. null is the beginning of the log. */
const isBefore = ({ store }: Hub, a: Position | null, b: Position | null): boolean =>
  b !== null && (a === null || store.compare(a, b) < 0);

/** Sends a fact, just applied to the rows, to the live readers of its tenant. */
function sendLive(hub: Hub, fact: RecordedEvent): void {
  const actor = actorOf(fact.stream);
  const readers = actor && hub.byTenant.get(actor.tenant);
  if (!readers) return;
  let events: readonly StreamEvent[] | undefined;
  for (const reader of readers) {
    if (!reader.live || !isBefore(hub, reader.at, fact.position)) continue;
    events ??= streamEventsOf(fact, reader.tenant, hub.projections);
    const count = reader.connection.send(events, fact.position);
    if (count === null) {
      // A burst can exceed the buffer of any reader, however fast: the rest comes from the log.
      follow(hub, reader, reader.at);
    } else {
      hub.stats.sent += count;
      reader.at = fact.position;
    }
  }
}

/** A live reader has everything in the rows, so its last event id may move to their position. */
function heartbeat(hub: Hub): void {
  const position = hub.projections.position();
  for (const { connection, live, at } of readersOf(hub)) {
    connection.heartbeat(live && isBefore(hub, at, position) ? position : null);
  }
}

function open(hub: Hub, { tenant, types, lastEventId, hangUp }: OpenOptions): ReadableStream {
  const { limits, projections, byTenant, stats, random } = hub;
  if (stats.connections >= limits.maxConnections) throw tooMany('this service');
  if ((byTenant.get(tenant.id)?.size ?? 0) >= limits.maxPerTenant) throw tooMany('this tenant');
  requireRows(projections);
  const position = projections.position();

  const connection = createConnection({
    types,
    hangUp,
    maxBufferBytes: limits.maxBufferBytes,
    drainWithinMs: limits.drainWithinMs,
    onEnd: (how) => forget(hub, reader, how),
  });
  const reader: Reader = { tenant, connection, at: position, live: false };
  stats.connections += 1;
  byTenant.set(tenant.id, (byTenant.get(tenant.id) ?? new Set()).add(reader));

  const resumed = lastEventId ? parsePosition(hub, lastEventId) : undefined;
  const from = resumed ?? position;
  const { least, most } = RECONNECT_MS;
  const retryMs = Math.round(least + random() * (most - least));
  const hello = { position: from, resumed: Boolean(resumed) };
  connection.control('hello', hello, { id: from, retryMs });
  if (resumed === null) reset(hub, reader, 'this is not a position of this event store');
  else if (resumed === undefined) reader.live = true;
  else follow(hub, reader, resumed);
  return connection.stream;
}

/** @returns null if the text is a position of another store, or of none */
function parsePosition({ store }: Hub, text: string): Position | null {
  try {
    return store.parsePosition(text);
  } catch {
    return null;
  }
}

const tooMany = (who: string): AppError =>
  new AppError('overloaded', `${who} has too many live connections; close some`, {
    retryAfter: STREAM_RETRY_AFTER_S,
  });

/** @throws {AppError} `unavailable` while rows are being built */
function requireRows(projections: Hub['projections']): void {
  for (const part of ['visitors', 'chats', 'operators', 'messages'] as const) {
    void projections[part]; // each getter throws
  }
}

function forget({ stats, byTenant, logger }: Hub, reader: Reader, how: ConnectionEnd): void {
  const { id } = reader.tenant;
  stats.connections -= 1;
  if (how === 'cut') {
    stats.cut += 1;
    logger.warn({ tenant: id }, 'a live connection was too slow');
  }
  const readers = byTenant.get(id);
  readers?.delete(reader);
  if (readers?.size === 0) byTenant.delete(id);
}

/** Tells a reader to query anew. From here on it is live. */
function reset({ projections, stats }: Hub, reader: Reader, reason: string): void {
  stats.resets += 1;
  reader.at = projections.position();
  reader.live = true;
  reader.connection.control('reset', { reason, position: reader.at }, { id: reader.at });
}

/** Sends what the reader missed since `from`, and makes the reader live. */
function follow(hub: Hub, reader: Reader, from: Position | null): void {
  reader.live = false;
  catchUp(hub, reader, from).catch((error: unknown) => {
    const { id } = reader.tenant;
    hub.logger.warn({ err: error, tenant: id }, 'a live connection could not catch up');
    reader.connection.end(); // the reader reconnects with the last id that it got
  });
}

/** @returns why events after this position cannot be sent; null if they can */
async function refusal(hub: Hub, after: Position | null): Promise<string | null> {
  const { store, now, limits } = hub;
  if (isBefore(hub, await store.head(), after)) {
    return 'this position is not in the log: the log is an older copy';
  }
  const next = await nextInLog(store, after);
  return next && now() - next.metadata.at > limits.maxMissedMs ? 'this position is too old' : null;
}

/** Sends missed events from the log until the reader has everything in the rows. The follower sends what comes later. */
async function catchUp(hub: Hub, reader: Reader, from: Position | null): Promise<void> {
  const { store, projections, limits, nextTurn } = hub;
  const { tenant, connection } = reader;
  const prefixes = [`visitor-${tenant.id}.`, `operator-${tenant.id}.`];
  let at = from;
  const reason = await refusal(hub, at);
  if (reason !== null) return reset(hub, reader, reason);
  for (let missed = 0; connection.open; ) {
    const target = projections.position();
    if (!isBefore(hub, at, target)) {
      reader.at = at; // ahead of the rows if the reader was connected to another process before
      reader.live = true; // in the same turn as the comparison, so the follower skips nothing
      return;
    }
    await nextTurn();
    const page = await store.readAll({ ...(at && { after: at }), prefixes, limit: PAGE_EVENTS });
    // The follower sends later events when they are in the rows.
    const facts = page.filter(({ position }) => !isBefore(hub, target, position));
    missed += facts.length;
    if (missed > limits.maxMissedEvents) return reset(hub, reader, 'too much has happened since');
    for (const [i, fact] of facts.entries()) {
      if (i % EVENTS_PER_TURN === 0) await nextTurn();
      if (!connection.open) return;
      const events = streamEventsOf(fact, tenant, projections);
      hub.stats.sent += await connection.sendWithRoom(events, fact.position);
      reader.at = fact.position;
    }
    const isWhole = page.length < PAGE_EVENTS || facts.length < page.length;
    at = (isWhole ? target : page.at(-1)?.position) ?? at;
    reader.at = at;
  }
}
