/**
 * Changes of the read models for the live stream, beside the rows: each fact as the rows that it changed, as they are now.
 * It reports the changes of tenants that somebody watches, in the order of the log, and finds those that a reader missed.
 */
import { actorOf, type TenantId, type TenantNaming } from '../actors/ids.ts';
import type { EventStore, Position, RecordedEvent } from '../eventstore/port.ts';
import { nextInLog } from '../eventstore/reading.ts';
import { type StreamEvent, streamEventsOf } from './changes.ts';
import type { Projections } from './projections.ts';
import { nextTurn } from './turns.ts';

/** What one fact changed. */
export interface Change {
  readonly tenant: TenantId;
  readonly position: Position;
  readonly events: readonly StreamEvent[];
}

/** Changes that a reader missed. */
export interface MissedChanges {
  readonly changes: readonly Change[];
  /** The reader has everything up to here after these changes. */
  readonly at: Position | null;
  /** True if this is the position of the rows: every later change of a watched tenant is reported. */
  readonly live: boolean;
  /** Facts of the tenant that were read. */
  readonly facts: number;
}

/** Why a reader cannot be told what it missed. */
export interface TooLate {
  readonly tooLate: string;
}

export interface ChangeFollower {
  /** Changes of watched tenants, in the order of the log. They are in the rows that queries see. */
  onChanges(changes: readonly Change[]): void;
  /** Queries read other rows from now on. Nobody reports the changes between the old rows and the new ones. */
  onReplaced(): void;
}

export interface ChangeFeed {
  /** Reports the changes of this tenant, until {@link unwatch}. */
  watch(tenant: TenantNaming): Promise<void>;
  unwatch(tenant: TenantId): Promise<void>;
  /**
   * The rows contain everything up to this position; null without any event.
   * @throws {AppError} `unavailable` while the rows are being built
   */
  position(): Promise<Position | null>;
  /**
   * True if the rows can have changes after this position that are not older than this.
   * @param maxAgeMs of the first missed event
   * @returns null if a reader may go on from there
   */
  tooLate(after: Position | null, maxAgeMs: number): Promise<TooLate | null>;
  /** The next changes of this tenant after a position, {@link PAGE_FACTS} at most. */
  missed(tenant: TenantNaming, after: Position | null): Promise<MissedChanges>;
  /** Calls the follower until the returned function is called. */
  follow(follower: ChangeFollower): () => void;
}

/** Missed facts that are read and shown at once: some 3 ms of work. */
export const PAGE_FACTS = 50;

interface Feed {
  readonly projections: FeedOptions['projections'];
  readonly store: FeedOptions['store'];
  readonly now: () => number;
  readonly watched: Map<TenantId, TenantNaming>;
}

export interface FeedOptions {
  readonly projections: Pick<
    Projections,
    'visitors' | 'chats' | 'operators' | 'messages' | 'position' | 'follow'
  >;
  readonly store: Pick<EventStore, 'readAll' | 'head' | 'compare'>;
  /** ms since 1970 */
  readonly now: () => number;
}

export function createChangeFeed(options: FeedOptions): ChangeFeed {
  const feed: Feed = { ...options, watched: new Map() };
  const { projections, watched } = feed;
  return {
    watch: async (tenant) => {
      watched.set(tenant.id, tenant);
    },
    unwatch: async (tenant) => {
      watched.delete(tenant);
    },
    position: async () => {
      requireRows(projections);
      return projections.position();
    },
    tooLate: (after, maxAgeMs) => tooLate(feed, after, maxAgeMs),
    missed: (tenant, after) => missed(feed, tenant, after),
    follow: ({ onChanges, onReplaced }) =>
      projections.follow({
        onReplaced,
        onApplied: ({ events }) => {
          const changes = watched.size > 0 ? events.flatMap((fact) => changeOf(feed, fact)) : [];
          if (changes.length > 0) onChanges(changes);
        },
      }),
  };
}

/** @throws {AppError} `unavailable` while rows are being built */
function requireRows(projections: Feed['projections']): void {
  for (const part of ['visitors', 'chats', 'operators', 'messages'] as const) {
    void projections[part]; // each getter throws
  }
}

/** The change that a fact of a watched tenant made. */
function changeOf({ watched, projections }: Feed, fact: RecordedEvent): readonly Change[] {
  const actor = actorOf(fact.stream);
  const tenant = actor && watched.get(actor.tenant);
  if (!tenant) return [];
  const events = streamEventsOf(fact, tenant, projections);
  return [{ tenant: tenant.id, position: fact.position, events }];
}

/** True if `a` comes before `b` in the log. null is the beginning of the log. */
const isBefore = ({ store }: Feed, a: Position | null, b: Position | null): boolean =>
  b !== null && (a === null || store.compare(a, b) < 0);

async function tooLate(
  feed: Feed,
  after: Position | null,
  maxAgeMs: number,
): Promise<TooLate | null> {
  const { store, now } = feed;
  if (isBefore(feed, await store.head(), after)) {
    return { tooLate: 'this position is not in the log: the log is an older copy' };
  }
  const next = await nextInLog(store, after);
  return next && now() - next.metadata.at > maxAgeMs
    ? { tooLate: 'this position is too old' }
    : null;
}

async function missed(
  feed: Feed,
  tenant: TenantNaming,
  after: Position | null,
): Promise<MissedChanges> {
  const { store, projections } = feed;
  await nextTurn(tenant.id); // after a restart all readers come at once
  const target = projections.position();
  if (!isBefore(feed, after, target)) return { changes: [], at: after, live: true, facts: 0 };
  const prefixes = [`visitor-${tenant.id}.`, `operator-${tenant.id}.`];
  const page = await store.readAll({
    ...(after !== null && { after }),
    prefixes,
    limit: PAGE_FACTS,
  });
  // Later facts are not in the rows yet.
  const facts = page.filter(({ position }) => !isBefore(feed, target, position));
  const changes = facts.map((fact) => ({
    tenant: tenant.id,
    position: fact.position,
    events: streamEventsOf(fact, tenant, projections),
  }));
  const isWhole = page.length < PAGE_FACTS || facts.length < page.length;
  const at = isWhole ? target : (page.at(-1)?.position ?? target);
  // The rows may have moved on during the read.
  const live = !isBefore(feed, at, projections.position());
  return { changes, at, live, facts: facts.length };
}
