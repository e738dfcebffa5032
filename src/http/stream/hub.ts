/**
 * Everybody who follows a tenant's changes live. One follower of the read models for all of them: what is told is in the
 * rows that queries see, in the order of the log. Who comes again with a last event id gets what was missed from the log.
 */
import type { Logger } from 'pino';
import { actorOf, type TenantId } from '../../actors/ids.ts';
import type { TenantSettings } from '../../actors/tenant/machine.ts';
import { AppError } from '../../errors.ts';
import type { EventStore, Position, RecordedEvent } from '../../eventstore/port.ts';
import { nextInLog } from '../../eventstore/reading.ts';
import { createTurns } from '../../kit/turns.ts';
import type { Projections } from '../../projections/projections.ts';
import { type Connection, createConnection } from './connection.ts';
import { type StreamType, type Told, toldOf } from './events.ts';

export interface StreamLimits {
  /** Connections of one tenant, and of all. */
  readonly perTenant: number;
  readonly overall: number;
  /** Bytes that may wait for one reader. */
  readonly maxBuffer: number;
  /** How long a reader may take to take half of them, in ms. */
  readonly drainWithinMs: number;
  /** Events of a tenant that are read from the log for one who comes again, and how old the first may be, in ms. */
  readonly maxBehind: number;
  readonly maxAgeMs: number;
  readonly heartbeatMs: number;
}

const STREAM_LIMITS: StreamLimits = {
  perTenant: 32,
  overall: 256,
  maxBuffer: 1024 * 1024,
  drainWithinMs: 30_000,
  maxBehind: 10_000,
  maxAgeMs: 3_600_000,
  heartbeatMs: 15_000,
};

export interface StreamStats {
  readonly connections: number;
  /** Since the start: events that were sent, readers that were too slow, readers who had to begin anew. */
  readonly sent: number;
  readonly cut: number;
  readonly resets: number;
}

export interface StreamHub {
  /**
   * Begins a connection.
   * @param wish.lastEventId where the caller was
   * @throws {AppError} `overloaded` when there are too many; `unavailable` while the read models are being built, and
   *   when the service stops
   */
  open(wish: {
    readonly tenant: TenantSettings;
    readonly types: ReadonlySet<StreamType>;
    readonly lastEventId?: string | undefined;
    /** @returns false where there is no socket to close */
    hangUp(): boolean;
  }): ReadableStream<Uint8Array>;
  stats(): StreamStats;
  /** Ends all connections, and takes no more. */
  close(): void;
}

interface Reader {
  readonly tenant: TenantSettings;
  readonly connection: Connection;
  /** What is told up to here; null: nothing was in the log. */
  at: Position | null;
  /** Told by the follower; else it is still catching up. */
  live: boolean;
}

const PARTS = ['visitors', 'chats', 'operators', 'messages'] as const;
/** Events that are read from the log at once. */
const PAGE = 500;
/** Of these, so many are told in one turn: some 3 ms. */
const TURN_EVERY = 50;
/** Seconds after which a caller may come again. */
const RETRY_AFTER = 10;
/** ms after which a browser comes again: not all of them at once. */
const RETRY_MS = { least: 2_000, spread: 3_000 };

export function createStreamHub(options: {
  readonly projections: Pick<
    Projections,
    'visitors' | 'chats' | 'operators' | 'messages' | 'position' | 'follow'
  >;
  readonly store: Pick<EventStore, 'readAll' | 'head' | 'compare' | 'parsePosition'>;
  readonly now: () => number;
  readonly random: () => number;
  readonly logger: Logger;
  readonly limits?: Partial<StreamLimits>;
}): StreamHub {
  const { projections, store, now, random, logger } = options;
  const limits = { ...STREAM_LIMITS, ...options.limits };
  const byTenant = new Map<TenantId, Set<Reader>>();
  let connections = 0;
  let [sent, cut, resets] = [0, 0, 0];
  let closed = false;

  const readers = (): Reader[] => [...byTenant.values()].flatMap((some) => [...some]);

  const before = (a: Position | null, b: Position | null): boolean =>
    b !== null && (a === null || store.compare(a, b) < 0);

  /** To one who is live. A burst may be more than may wait for him, however quick he is: he takes the rest from the log. */
  const tell = (reader: Reader, event: RecordedEvent, told: readonly Told[]): void => {
    const count = reader.connection.tell(told, event.position);
    if (count === null) {
      follow(reader, reader.at);
      return;
    }
    sent += count;
    reader.at = event.position;
  };

  const unfollow = projections.follow({
    applied: ({ events }) => {
      if (connections === 0) return;
      for (const event of events) {
        const actor = actorOf(event.stream);
        const some = actor && byTenant.get(actor.tenant);
        if (!some) continue;
        let told: readonly Told[] | undefined;
        for (const reader of some) {
          if (!reader.live || !before(reader.at, event.position)) continue;
          told ??= toldOf(event, reader.tenant, projections);
          tell(reader, event, told);
        }
      }
    },
    // What was between the two was told to nobody: it is read from the log, when they come again.
    swapped: () => {
      for (const { connection } of readers()) connection.end();
    },
  });

  const heart = setInterval(() => {
    // Whoever is live was told all that is in the rows.
    const position = projections.position();
    for (const { connection, live, at } of readers()) {
      connection.beat(live && before(at, position) ? position : null);
    }
  }, limits.heartbeatMs);
  heart.unref();

  /** Why what comes after a position cannot be told; null when it can. */
  const refusal = async (after: Position | null): Promise<string | null> => {
    const head = await store.head();
    if (before(head, after)) return 'this position is not in the log: the log is an older copy';
    const next = await nextInLog(store, after);
    return next && now() - next.metadata.at > limits.maxAgeMs ? 'this position is too old' : null;
  };

  const reset = (reader: Reader, reason: string): void => {
    resets += 1;
    reader.at = projections.position();
    reader.live = true;
    reader.connection.say('reset', { reason, position: reader.at }, { id: reader.at });
  };

  /** After a restart everybody catches up at once. */
  const nextTurn = createTurns();

  /** Reads from the log what was missed, until the follower tells the rest. */
  const catchUp = async (reader: Reader, from: Position | null): Promise<void> => {
    const { tenant, connection } = reader;
    const prefixes = [`visitor-${tenant.id}.`, `operator-${tenant.id}.`];
    let at = from;
    const refused = await refusal(at);
    if (refused !== null) return reset(reader, refused);
    for (let count = 0; connection.open; ) {
      const target = projections.position();
      if (!before(at, target)) {
        reader.at = at; // ahead of the rows, where it was told so by another process
        reader.live = true; // in the same turn: nothing can have been told between
        return;
      }
      await nextTurn();
      const page = await store.readAll({ ...(at && { after: at }), prefixes, limit: PAGE });
      // What is not yet in the rows is told when it is.
      const events = page.filter(({ position }) => !before(target, position));
      count += events.length;
      if (count > limits.maxBehind) return reset(reader, 'too much has happened since');
      for (const [i, event] of events.entries()) {
        if (i % TURN_EVERY === 0) await nextTurn();
        if (!connection.open) return;
        sent += await connection.tellByAndBy(toldOf(event, tenant, projections), event.position);
        reader.at = event.position;
      }
      const last =
        page.length < PAGE || events.length < page.length ? target : page.at(-1)?.position;
      at = last ?? at;
      reader.at = at;
    }
  };

  const follow = (reader: Reader, from: Position | null): void => {
    reader.live = false;
    catchUp(reader, from).catch((error: unknown) => {
      logger.warn({ err: error, tenant: reader.tenant.id }, 'a live connection could not catch up');
      reader.connection.end(); // it comes again, with the last id that it got
    });
  };

  return {
    open: ({ tenant, types, lastEventId, hangUp }) => {
      const busy = (who: string) =>
        new AppError('overloaded', `${who} has too many live connections; close some`, {
          retryAfter: RETRY_AFTER,
        });
      if (closed) throw new AppError('unavailable', 'stopping', { part: 'the service' });
      if (connections >= limits.overall) throw busy('this service');
      if ((byTenant.get(tenant.id)?.size ?? 0) >= limits.perTenant) throw busy('this tenant');
      // Each throws while its rows are being built.
      for (const part of PARTS) void projections[part];
      const position = projections.position();

      const connection = createConnection({
        types,
        hangUp,
        maxBuffer: limits.maxBuffer,
        drainWithinMs: limits.drainWithinMs,
        ended: (how) => {
          connections -= 1;
          if (how === 'cut') {
            cut += 1;
            logger.warn({ tenant: tenant.id }, 'a live connection was too slow');
          }
          const some = byTenant.get(tenant.id);
          some?.delete(reader);
          if (some?.size === 0) byTenant.delete(tenant.id);
        },
      });
      const reader: Reader = { tenant, connection, at: position, live: false };
      connections += 1;
      byTenant.set(tenant.id, (byTenant.get(tenant.id) ?? new Set()).add(reader));

      let resumed: Position | null = null;
      let unknown = false;
      if (lastEventId !== undefined && lastEventId !== '') {
        try {
          resumed = store.parsePosition(lastEventId);
        } catch {
          unknown = true; // of another store, or no position at all
        }
      }
      const retry = Math.round(RETRY_MS.least + random() * RETRY_MS.spread);
      const from = resumed ?? position;
      connection.say('hello', { position: from, resumed: resumed !== null }, { id: from, retry });
      if (unknown) reset(reader, 'this is no position of this event store');
      else if (resumed === null) reader.live = true;
      else follow(reader, resumed);
      return connection.stream;
    },
    stats: () => ({ connections, sent, cut, resets }),
    close: () => {
      closed = true;
      clearInterval(heart);
      unfollow();
      for (const { connection } of readers()) connection.end();
    },
  };
}
