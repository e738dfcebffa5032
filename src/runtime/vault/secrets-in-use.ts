/**
 * Which service secret wraps the data keys of a log, and which others some data keys may still need: stream
 * `service-secrets` (ADR 0023). A log whose secret was never changed has no such stream.
 */
import type { EventStore } from '../../eventstore/port.ts';
import { lastEvent } from '../../eventstore/reading.ts';
import type { ServiceFact } from '../service-facts.ts';
import type { WrappingKey } from './secrets.ts';

export const SECRETS_STREAM = 'service-secrets';

export interface SecretsInUse {
  /** The id of the secret that wraps data keys from now on. */
  readonly current: string;
  /** The ids of all secrets that data keys may need. `current` alone: no other one is needed any more. */
  readonly needed: readonly string[];
  /** Since when, in ms since 1970. */
  readonly since: number;
  /** Of the fact that says so. */
  readonly revision: number;
}

/** @returns null if the secret of this log was never changed */
export async function readSecretsInUse(
  store: Pick<EventStore, 'readStream'>,
): Promise<SecretsInUse | null> {
  const last = await lastEvent(store, SECRETS_STREAM);
  if (!last) return null;
  // Only the two facts below are in this stream.
  const { current, needed } = last.data as Pick<SecretsInUse, 'current'> & { needed: string[] };
  return { current, needed, since: last.metadata.at, revision: last.revision };
}

/** The first of these secrets wraps from now on. */
export const secretChanged = (wrapping: readonly WrappingKey[]): ServiceFact => {
  const needed = wrapping.map(({ id }) => id);
  return {
    type: 'ServiceSecretChanged',
    data: { current: needed[0] ?? '', needed },
    tenant: null,
  };
};

/** Every data key is wrapped with this secret. */
export const secretSettled = (current: string): ServiceFact => ({
  type: 'ServiceSecretSettled',
  data: { current, needed: [current] },
  tenant: null,
});
