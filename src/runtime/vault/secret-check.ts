/** Tells whether the service secrets are those that a log needs. */
import { AppError } from '../../errors.ts';
import type { EventStore } from '../../eventstore/port.ts';
import { logBackwards } from '../../eventstore/reading.ts';
import { deriveSecrets, type WrappingKey } from './secrets.ts';
import { readSecretsInUse, type SecretsInUse } from './secrets-in-use.ts';
import { createVault } from './vault.ts';

export { secretsInFile } from './secrets.ts';

/** Events that are searched, the newest first, for one with a personal part. */
export const SECRET_CHECK_EVENTS = 20_000;

export interface CheckedSecrets {
  /** False if nothing is known about the secrets: there is no personal data among the newest events. */
  readonly opened: boolean;
  /**
   * Where a change of the secret is. `none`: there is one secret. `ahead`: no service has started with these secrets.
   * `running`: data keys may need the older ones. `done`: only the first is needed.
   */
  readonly rotation: 'none' | 'ahead' | 'running' | 'done';
}

type Log = Pick<EventStore, 'readStream' | 'readAll'>;

/**
 * Compares the secrets with the record of the last change of the secret. A log without such a record: opens the newest
 * personal part whose person was not erased.
 * @param secrets in the order of SERVICE_SECRET
 * @throws {AppError} `invalid` if the log needs a secret that is not among them
 */
export async function checkSecrets(
  store: Log,
  secrets: readonly string[],
): Promise<CheckedSecrets> {
  const { wrapping } = deriveSecrets(secrets);
  const inUse = await readSecretsInUse(store);
  if (inUse) requireSecrets(wrapping, inUse);
  return {
    opened: inUse !== null || (await openNewest(store, wrapping)),
    rotation: rotationOf(wrapping, inUse),
  };
}

const wrongSecret = (): AppError =>
  new AppError(
    'invalid',
    'the service secret is not the one that the log was written with, and nothing personal could be read: set SERVICE_SECRET to that one, or put its file service-secret back into DATA_DIR',
  );

function requireSecrets(wrapping: readonly WrappingKey[], { current, needed }: SecretsInUse): void {
  const has = (id: string): boolean => wrapping.some((each) => each.id === id);
  if (needed.every(has)) return;
  if (!has(current)) throw wrongSecret();
  throw new AppError(
    'invalid',
    'an older service secret was removed too early: data keys are still wrapped with it. Put it back behind the first one (SERVICE_SECRET=new,old) until xmpp-chat doctor says that it can be removed',
  );
}

function rotationOf(
  [first, ...others]: readonly WrappingKey[],
  inUse: SecretsInUse | null,
): CheckedSecrets['rotation'] {
  if (others.length === 0) return 'none';
  if (inUse?.current !== first?.id) return 'ahead';
  return inUse?.needed.length === 1 ? 'done' : 'running';
}

/** @returns false if there is no personal data among the newest events */
async function openNewest(store: Log, wrapping: readonly WrappingKey[]): Promise<boolean> {
  const readOnly = () => Promise.reject(new AppError('refused', 'this vault only reads'));
  const vault = createVault({
    store: {
      readStream: (stream, options) => store.readStream(stream, options),
      append: readOnly,
      deleteStream: readOnly,
      truncateBefore: readOnly,
    },
    wrapping,
    now: Date.now,
    newId: () => '',
  });
  for await (const event of logBackwards(store, SECRET_CHECK_EVENTS)) {
    try {
      if ((await vault.open(event)) !== null) return true;
    } catch (error) {
      if (!(error instanceof AppError) || error.details.reason !== 'secret') throw error;
      throw wrongSecret();
    }
  }
  return false;
}
