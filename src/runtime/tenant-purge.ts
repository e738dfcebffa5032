/**
 * Deletes what the log has of a tenant: its data keys first, so that nothing personal opens even if the rest is never
 * reached, then its streams. The tenant's own stream stays, for the caller to cut: its facts say how far the removal is.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { TenantId } from '../actors/ids.ts';
import type { EventStore, Position, RecordedEvent } from '../eventstore/port.ts';
import { firstEvent } from '../eventstore/reading.ts';
import { Lru } from '../kit/lru.ts';
import type { Vault } from './ports.ts';

/** Part of the time that a purge takes of the event store: other tenants' appends wait behind a deletion. */
export const PURGE_SHARE = 0.5;
/** Between two searches: what was in progress at the first one, such as the progress of a lane, is in the log then. */
export const PURGE_SETTLE_MS = 1_000;
/** Searches at most. The first one finds everything but what was in progress. */
export const PURGE_SEARCHES = 5;
/** Streams whose deletion a search remembers. On EventStoreDB their events are found again until a scavenge. */
const STREAMS_REMEMBERED = 10_000;

export interface TenantPurgeOptions {
  readonly store: EventStore;
  readonly vault: Pick<Vault, 'erase'>;
  /** Default {@link PURGE_SETTLE_MS}. */
  readonly settleMs?: number;
}

/**
 * Deletes a tenant's data keys and streams. Call it when nothing acts for the tenant any more. It may be called again, and
 * goes on where it was interrupted.
 * @param mayGoOn asked before each deletion; false ends the purge
 * @returns false if it was ended
 * @throws {AppError} `unavailable` if the event store is away
 */
export type PurgeTenant = (tenant: TenantId, mayGoOn: () => boolean) => Promise<boolean>;

/** The kinds of streams that a tenant's actors have, with their lanes. */
const KINDS = ['visitor', 'operator', 'lane-visitor', 'lane-operator', 'lane-tenant'];

export function createTenantPurge(options: TenantPurgeOptions): PurgeTenant {
  const { vault, store, settleMs = PURGE_SETTLE_MS } = options;
  return async (tenant, mayGoOn) => {
    const keys = {
      prefixes: [`key-${tenant}.`],
      isOne: () => true,
      remove: async (stream: string) => {
        await vault.erase(stream.slice('key-'.length));
        return true;
      },
    };
    const streams = {
      prefixes: [...KINDS.map((kind) => `${kind}-${tenant}.`), 'letter-', 'inbox-'],
      isOne: ({ stream, metadata }: RecordedEvent) =>
        !/^(letter|inbox)-/.test(stream) || metadata.tenant === tenant,
      remove: async (stream: string) => {
        const isMixed = stream.startsWith('inbox-') && (await isOfOthers(store, stream, tenant));
        if (!isMixed) await store.deleteStream(stream);
        return !isMixed;
      },
    };
    if (!mayGoOn()) return false;
    await vault.erase(tenant);
    for (let search = 1; search <= PURGE_SEARCHES; search++) {
      const before = await removeAll(store, keys, mayGoOn);
      const found = before === null ? null : await removeAll(store, streams, mayGoOn);
      if (before === null || found === null) return false;
      if (before + found === 0) return true;
      await delay(settleMs);
    }
    return true;
  };
}

interface Wanted {
  readonly prefixes: readonly string[];
  readonly isOne: (event: RecordedEvent) => boolean;
  /** @returns false if the stream has to stay */
  readonly remove: (stream: string) => Promise<boolean>;
}

/** @returns how many streams with events were removed; null if the purge was ended */
async function removeAll(
  store: EventStore,
  { prefixes, isOne, remove }: Wanted,
  mayGoOn: () => boolean,
): Promise<number | null> {
  const known = new Lru<true>(STREAMS_REMEMBERED);
  let removed = 0;
  for (let after: Position | undefined; ; ) {
    const page = await store.readAll({ prefixes, ...(after !== undefined && { after }) });
    const last = page.at(-1);
    if (!last) return removed;
    after = last.position;
    for (const event of page) {
      const { stream } = event;
      if (known.get(stream) || !isOne(event)) continue;
      known.set(stream, true);
      if (!(await firstEvent(store, stream))) continue; // EventStoreDB keeps them until a scavenge
      if (!mayGoOn()) return null;
      const from = performance.now();
      if (await remove(stream)) removed += 1;
      await delay((performance.now() - from) * (1 / PURGE_SHARE - 1));
    }
  }
}

/** A queue of mod_lhc belongs to a host. It may have had another tenant before, whose letters stay. */
async function isOfOthers(store: EventStore, stream: string, tenant: TenantId): Promise<boolean> {
  for (let from = 0; ; ) {
    const page = await store.readStream(stream, { from });
    if (page.some(({ metadata }) => metadata.tenant !== tenant)) return true;
    const last = page.at(-1);
    if (!last) return false;
    from = last.revision + 1;
  }
}
