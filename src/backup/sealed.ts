/** Whether a secret is the one that a log was written with. */

import { AppError } from '../errors.ts';
import type { LogCopy } from '../eventstore/sqlite/copy.ts';
import { deriveSecrets } from '../runtime/secrets.ts';
import { createVault } from '../runtime/vault.ts';

/** Events that are looked through, newest first, for one with a personal part. */
const LOOK_AT = 20_000;
const PAGE = 1000;

/**
 * Opens the newest personal part that has a key.
 * @returns false when the log has none among its newest events: then nothing is known
 * @throws {AppError} `invalid` when the secret is another one
 */
export async function opensWith(
  { store }: Pick<LogCopy, 'store'>,
  secret: string,
): Promise<boolean> {
  const readOnly = () => Promise.reject(new AppError('refused', 'a copy is only read'));
  const vault = createVault({
    store: { readStream: store.readStream, append: readOnly, deleteStream: readOnly },
    wrapping: deriveSecrets(secret).wrapping,
    now: Date.now,
    newId: () => '',
  });
  let after: Awaited<ReturnType<LogCopy['store']['readAll']>>[number]['position'] | undefined;
  for (let seen = 0; seen < LOOK_AT; seen += PAGE) {
    const page = await store.readAll({
      direction: 'backwards',
      limit: PAGE,
      ...(after !== undefined && { after }),
    });
    for (const { personal } of page) {
      if (!personal) continue;
      try {
        // null: that person was erased.
        if ((await vault.open(personal)) !== null) return true;
      } catch {
        throw new AppError(
          'invalid',
          'the service secret is not the one that the log was written with: nothing personal could be read',
        );
      }
    }
    if (page.length < PAGE) return false;
    after = page.at(-1)?.position;
  }
  return false;
}
