/** Tells whether a service secret is the one that a log was written with. */
import { AppError } from '../../errors.ts';
import type { EventStore } from '../../eventstore/port.ts';
import { logBackwards } from '../../eventstore/reading.ts';
import { deriveSecrets } from './secrets.ts';
import { createVault } from './vault.ts';

/** Events that are searched, the newest first, for one with a personal part. */
export const SECRET_CHECK_EVENTS = 20_000;

/**
 * Opens the newest personal part whose person was not erased.
 * @returns false if there is none among the newest events: nothing is known about the secret then
 * @throws {AppError} `invalid` if the secret is not the one of the log
 */
export async function checkSecret(
  store: Pick<EventStore, 'readStream' | 'readAll'>,
  secret: string,
): Promise<boolean> {
  const readOnly = () => Promise.reject(new AppError('refused', 'this vault only reads'));
  const vault = createVault({
    store: {
      readStream: (stream, options) => store.readStream(stream, options),
      append: readOnly,
      deleteStream: readOnly,
    },
    wrapping: deriveSecrets(secret).wrapping,
    now: Date.now,
    newId: () => '',
  });
  for await (const event of logBackwards(store, SECRET_CHECK_EVENTS)) {
    try {
      if ((await vault.open(event)) !== null) return true;
    } catch (error) {
      if (!(error instanceof AppError) || error.details.reason !== 'secret') throw error;
      throw new AppError(
        'invalid',
        'the service secret is not the one that the log was written with, and nothing personal could be read: set SERVICE_SECRET to that one, or put its file service-secret back into DATA_DIR',
      );
    }
  }
  return false;
}
