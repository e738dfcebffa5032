/**
 * The live stream: server-sent events of a tenant's changes. The composition root makes the hub, and src/http/app.ts adds
 * the endpoint; nobody else imports the folder.
 *
 * The hub has all live connections of this process. The read models tell it what changed, in the order of the log, so what
 * a reader gets is in the rows that queries see. A reader who reconnects gets what it missed from the log.
 */
import type { Logger } from 'pino';
import type { TenantId, TenantNaming } from '../../actors/ids.ts';
import type { Tenant } from '../../actors/tenant/tenant.ts';
import { AppError, messageOf } from '../../errors.ts';
import type { EventStore, Position } from '../../eventstore/port.ts';
import type { Change, ChangeFeed } from '../../projections/change-feed.ts';
import type { StreamType } from '../../projections/changes.ts';
import { type Connection, type ConnectionEnd, createConnection } from './connection.ts';

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

/** When a caller may try again after there were too many connections, in seconds. */
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
  readonly tenant: Tenant;
  readonly types: ReadonlySet<StreamType>;
  /** Where the reader stopped. */
  readonly lastEventId?: string | undefined;
  /** Asked with each heartbeat: false ends the connection. Its key may have ended meanwhile, or its tenant was removed. */
  isAdmitted(): boolean;
  /** @returns false if there is no socket to close */
  hangUp(): boolean;
}

export interface StreamHub {
  /** True if this tenant has as many connections as a tenant may have. Ask before {@link StreamHub.open}. */
  isFullFor(tenant: TenantId): boolean;
  /**
   * Opens a connection.
   * @throws {AppError} `overloaded` if all tenants together have too many connections; `unavailable` while the read models are being
   *   built and while the service stops
   */
  open(options: OpenOptions): Promise<ReadableStream<Uint8Array>>;
  stats(): StreamStats;
  /** Ends all connections and accepts no more. */
  close(): void;
}

export interface StreamHubOptions {
  readonly changes: ChangeFeed;
  readonly store: Pick<EventStore, 'compare' | 'parsePosition'>;
  readonly random: () => number;
  readonly logger: Logger;
  /** Default {@link STREAM_LIMITS}. */
  readonly limits?: Partial<StreamLimits>;
}

interface Reader extends Pick<OpenOptions, 'isAdmitted'> {
  readonly tenant: Tenant;
  readonly connection: Connection;
  /** The reader has all events up to here; null: up to the beginning of the log. */
  at: Position | null;
  /** True if changes are sent as they come; false while the reader catches up from the log. */
  live: boolean;
}

/** The readers of a tenant. */
interface Audience {
  readonly readers: Set<Reader>;
  /** The latest change that was reported. */
  reported: Position | null;
}

interface Hub extends Omit<StreamHubOptions, 'limits'> {
  readonly limits: StreamLimits;
  readonly byTenant: Map<TenantId, Audience>;
  readonly stats: { -readonly [K in keyof StreamStats]: StreamStats[K] };
}

export function createStreamHub(options: StreamHubOptions): StreamHub {
  const hub: Hub = {
    ...options,
    limits: { ...STREAM_LIMITS, ...options.limits },
    byTenant: new Map(),
    stats: { connections: 0, sent: 0, cut: 0, resets: 0 },
  };
  let closed = false;
  const unfollow = hub.changes.follow({
    onChanges: (changes) => {
      for (const change of changes) sendLive(hub, change);
    },
    // Nobody sends the events between the old rows and the new ones: readers get them from the log when they reconnect.
    onReplaced: () => endAll(hub),
  });
  const heart = setInterval(() => heartbeat(hub), hub.limits.heartbeatMs).unref();

  return {
    isFullFor: (tenant) => (hub.byTenant.get(tenant)?.readers.size ?? 0) >= hub.limits.maxPerTenant,
    open: async (wish) => {
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
  [...byTenant.values()].flatMap(({ readers }) => [...readers]);

const endAll = (hub: Hub): void => {
  for (const { connection } of readersOf(hub)) connection.end();
};

const namingOf = ({ id, host, instance, transport }: Tenant): TenantNaming => ({
  id,
  host,
  instance,
  transport,
});

/** True if `a` comes before `b` in the log. null is the beginning of the log. */
const isBefore = ({ store }: Hub, a: Position | null, b: Position | null): boolean =>
  b !== null && (a === null || store.compare(a, b) < 0);

/** Sends a change to the live readers of its tenant. */
function sendLive(hub: Hub, { tenant, position, events }: Change): void {
  const audience = hub.byTenant.get(tenant);
  if (!audience) return;
  audience.reported = position;
  for (const reader of audience.readers) {
    if (!reader.live || !isBefore(hub, reader.at, position)) continue;
    const count = reader.connection.send(events, position);
    if (count === null) {
      // A burst can exceed the buffer of any reader, however fast: the rest comes from the log.
      follow(hub, reader, reader.at);
    } else {
      hub.stats.sent += count;
      reader.at = position;
    }
  }
}

/** A live reader has everything in the rows, so its last event id may move to their position. */
function heartbeat(hub: Hub): void {
  const beat = (position: Position | null): void => {
    for (const { connection, live, at, isAdmitted } of readersOf(hub)) {
      if (isAdmitted()) connection.heartbeat(live && isBefore(hub, at, position) ? position : null);
      else connection.end();
    }
  };
  // Without an answer there is no position, and the connections are still alive.
  hub.changes.position().then(beat, () => beat(null));
}

async function open(
  hub: Hub,
  { tenant, types, lastEventId, isAdmitted, hangUp }: OpenOptions,
): Promise<ReadableStream> {
  const { limits, changes, byTenant, stats, random } = hub;
  if (stats.connections >= limits.maxConnections) {
    throw new AppError('overloaded', 'this service has too many live connections', {
      retryAfter: STREAM_RETRY_AFTER_S,
    });
  }
  const known = byTenant.get(tenant.id);

  const connection = createConnection({
    types,
    hangUp,
    maxBufferBytes: limits.maxBufferBytes,
    drainWithinMs: limits.drainWithinMs,
    onEnd: (how) => forget(hub, reader, how),
  });
  const reader: Reader = { tenant, connection, isAdmitted, at: null, live: false };
  stats.connections += 1;
  const audience = known ?? { readers: new Set(), reported: null };
  byTenant.set(tenant.id, audience);
  audience.readers.add(reader);
  try {
    if (!known) await changes.watch(namingOf(tenant));
    const position = await changes.position();
    const resumed = lastEventId ? parsePosition(hub, lastEventId) : undefined;
    const from = resumed ?? position;
    const { least, most } = RECONNECT_MS;
    const retryMs = Math.round(least + random() * (most - least));
    const hello = { position: from, resumed: Boolean(resumed) };
    connection.control('hello', hello, { id: from, retryMs });
    if (resumed === null) {
      await reset(hub, reader, 'this is not a position of this event store');
    } else {
      follow(hub, reader, from, resumed !== undefined);
    }
    return connection.stream;
  } catch (error) {
    connection.end();
    throw error;
  }
}

/** @returns null if the text is a position of another store, or of none */
function parsePosition({ store }: Hub, text: string): Position | null {
  try {
    return store.parsePosition(text);
  } catch {
    return null;
  }
}

function forget(
  { stats, byTenant, changes, logger }: Hub,
  reader: Reader,
  how: ConnectionEnd,
): void {
  const { id } = reader.tenant;
  stats.connections -= 1;
  if (how === 'cut') {
    stats.cut += 1;
    logger.warn({ tenant: id }, 'a live connection was too slow');
  }
  const audience = byTenant.get(id);
  audience?.readers.delete(reader);
  if (audience?.readers.size !== 0) return;
  byTenant.delete(id);
  changes
    .unwatch(id)
    .catch((error) => logger.debug({ reason: messageOf(error) }, 'a tenant is still watched'));
}

/** Tells a reader to query anew. From here on it gets what changes. */
async function reset(hub: Hub, reader: Reader, reason: string): Promise<void> {
  const { changes, stats } = hub;
  stats.resets += 1;
  const position = await changes.position();
  reader.connection.control('reset', { reason, position }, { id: position });
  follow(hub, reader, position);
}

/**
 * Sends what the reader missed since `from`, and makes the reader live.
 * @param resumed true if the reader comes from an earlier connection
 */
function follow(hub: Hub, reader: Reader, from: Position | null, resumed = false): void {
  reader.live = false;
  reader.at = from;
  catchUp(hub, reader, resumed).catch((error: unknown) => {
    const { id } = reader.tenant;
    hub.logger.warn({ err: error, tenant: id }, 'a live connection could not catch up');
    reader.connection.end(); // the reader reconnects with the last id that it got
  });
}

/** Sends missed changes from the log until the reader has everything in the rows. Later changes are reported. */
async function catchUp(hub: Hub, reader: Reader, resumed: boolean): Promise<void> {
  const { changes, limits, byTenant } = hub;
  const { tenant, connection } = reader;
  const naming = namingOf(tenant);
  const refusal = resumed ? await changes.tooLate(reader.at, limits.maxMissedMs) : null;
  if (refusal) return reset(hub, reader, refusal.tooLate);
  for (let missed = 0; connection.open; ) {
    const page = await changes.missed(naming, reader.at);
    missed += page.facts;
    if (missed > limits.maxMissedEvents) return reset(hub, reader, 'too much has happened since');
    for (const { events, position } of page.changes) {
      if (!connection.open) return;
      hub.stats.sent += await connection.sendWithRoom(events, position);
      reader.at = position;
    }
    reader.at = page.at;
    // A change that was reported meanwhile did not reach this reader.
    const reported = byTenant.get(tenant.id)?.reported ?? null;
    if (page.live && !isBefore(hub, reader.at, reported)) {
      reader.live = true;
      return;
    }
  }
}
