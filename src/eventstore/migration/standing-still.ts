/** A log is copied while nobody writes to it: how a running service is noticed where no lock tells. */
import { AppError } from '../../errors.ts';
import type { EventStore, Position } from '../port.ts';
import { backwards, lastInLog } from '../reading.ts';

/** The stream in which processes that share a log say every few seconds that they live. */
const LEASES = 'lease-partitions';
/** Who was silent for longer has lost what it owned. */
const ALIVE_MS = 15_000;
const FACTS = 200;

/** @throws {AppError} `conflict` when a process that owns a part of the work lives, or lived until a moment ago */
export const refuseInUse = async (
  store: EventStore,
  role: 'source' | 'target',
  now: () => number,
): Promise<void> => {
  const known = new Set<unknown>();
  for await (const { type, data, metadata } of backwards(store, LEASES, { most: FACTS })) {
    // Each process speaks for itself, and the last one says it all.
    if (known.has(data.owner)) continue;
    known.add(data.owner);
    const silentMs = now() - metadata.at;
    if (Math.abs(silentMs) < ALIVE_MS && type !== 'LeaseEnded' && type !== 'LeaseExpired') {
      throw new AppError(
        'conflict',
        `the ${role} is in use: a service that works on it was alive ${Math.round(silentMs / 1000)} s ago. Stop the service, every process of it; if one was killed, wait ${ALIVE_MS / 1000} s`,
      );
    }
  }
};

/** How often it is looked whether a log stands still. */
const LOOK_MS = 5_000;

export interface StandStill {
  /** Of the last event; undefined in an empty log. */
  readonly end: Position | undefined;
  /** @throws {AppError} `conflict` when the log grew since it was looked at first */
  check(): Promise<void>;
  /** The same, every few seconds; to be called often. */
  checkNowAndThen(): Promise<void>;
}

/** Remembers where a log ends. */
export const watchHead = async (store: EventStore, now: () => number): Promise<StandStill> => {
  // Not the head: a store's own bookkeeping may move that.
  const lastPosition = async (): Promise<Position | undefined> =>
    (await lastInLog(store))?.position;
  const end = await lastPosition();
  let lookedAt = now();

  const check = async (): Promise<void> => {
    lookedAt = now();
    if ((await lastPosition()) === end) return;
    throw new AppError(
      'conflict',
      'the source is in use: something was written to it meanwhile. Stop the service, every process of it, and start the migration again: it goes on where it was',
    );
  };
  return {
    end,
    check,
    checkNowAndThen: async () => {
      if (now() - lookedAt >= LOOK_MS) await check();
    },
  };
};
