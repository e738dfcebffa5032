/** A log is copied while nobody writes to it. This finds a running service where no lock tells. */
import { AppError } from '../../errors.ts';
import type { EventStore } from '../port.ts';
import { lastInLog } from '../reading.ts';

/** Processes that share a log write to this stream every few seconds. */
const LEASE_STREAM = 'lease-partitions';
/** A process that is silent for longer has lost everything that it owned. */
export const PROCESS_ALIVE_MS = 15_000;
export const LEASE_FACTS_READ = 200;
/** Facts that a process ends with. */
const LAST_FACTS = ['LeaseEnded', 'LeaseExpired'];

/** @throws {AppError} `conflict` when a process that owns a part of the work is alive, or was a moment ago */
export async function refuseLogInUse(
  store: EventStore,
  role: 'source' | 'target',
  now: () => number,
): Promise<void> {
  const facts = await store.readStream(LEASE_STREAM, {
    direction: 'backwards',
    limit: LEASE_FACTS_READ,
  });
  const newest = Map.groupBy(facts, ({ data }) => data.owner);
  for (const [fact] of newest.values()) {
    if (!fact || LAST_FACTS.includes(fact.type)) continue;
    const silentMs = now() - fact.metadata.at;
    if (Math.abs(silentMs) >= PROCESS_ALIVE_MS) continue;
    throw new AppError(
      'conflict',
      `the ${role} is in use: a process of the service was alive ${Math.round(silentMs / 1000)} s ago. Stop every process of the service. After a kill, wait ${PROCESS_ALIVE_MS / 1000} s`,
    );
  }
}

/**
 * Remembers where the source ends.
 * @returns a check that throws {AppError} `conflict` when the log has grown since
 */
export async function watchEnd(source: EventStore): Promise<() => Promise<void>> {
  // The head would not do: EventStoreDB's own bookkeeping may move it.
  const end = await lastInLog(source);
  return async () => {
    if ((await lastInLog(source))?.position === end?.position) return;
    throw new AppError(
      'conflict',
      'the source is in use: something was written to it during the migration. Stop every process of the service and start the migration again: it goes on where it was',
    );
  };
}
