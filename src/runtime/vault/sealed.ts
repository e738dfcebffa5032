/** Whether a secret is the one that a log was written with. */
import { AppError } from '../../errors.ts';
import type { EventStore } from '../../eventstore/port.ts';
import { logBackwards } from '../../eventstore/reading.ts';
import { deriveSecrets } from './secrets.ts';
import { createVault } from './vault.ts';

/** Events that are looked through, newest first, for one with a personal part. */
const LOOK_AT = 20_000;

/**
 * Opens the newest personal part that has a key.
 * @returns false when the log has none among its newest events: then nothing is known
 * @throws {AppError} `invalid` when the secret is another one
 */
export async function opensWith(
  store: Pick<EventStore, 'readStream' | 'readAll'>,
  secret: string,
): Promise<boolean> {
  const readOnly = () => Promise.reject(new AppError('refused', 'a log is only read here'));
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
  for await (const { personal } of logBackwards(store, LOOK_AT)) {
    if (!personal) continue;
    try {
      // null: that person was erased.
      if ((await vault.open(personal)) !== null) return true;
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
