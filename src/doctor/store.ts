/** The event store: whether it answers, and how far it is. */
import { AppError } from '../errors.ts';
import type { EventStore } from '../eventstore/port.ts';
import { lastInLog } from '../eventstore/reading.ts';
import { type Check, type Finding, ok, problem, warning } from './check.ts';

type Readable = Pick<EventStore, 'check' | 'head' | 'readAll' | 'readStream' | 'close'>;

export interface StorePorts {
  /** For reading only. @throws {AppError} `not-found` when there is none yet */
  open(): Promise<Readable>;
  /**
   * Opens the newest of what is sealed with the service secret.
   * @returns false: nothing is sealed yet
   * @throws {AppError} `invalid` when the secret is another one; `not-found` when there is none
   */
  opens(store: Readable): Promise<boolean>;
  /** ms since 1970 */
  readonly now: () => number;
}

export const storeCheck = ({ open, opens, now }: StorePorts): Check => ({
  name: 'event store',
  async run() {
    let store: Awaited<ReturnType<StorePorts['open']>>;
    try {
      store = await open();
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      if (error.code === 'not-found') {
        return [
          warning(
            error.message,
            'the service makes it at its first start; if it ran already, EVENT_STORE is not that of the service',
          ),
        ];
      }
      return [
        problem(
          error.message,
          error.code === 'unavailable'
            ? 'is EVENT_STORE right, is its server up, and may the user that runs the doctor (that of the service) read and write it?'
            : 'compare EVENT_STORE with what is there; do not start the service on a damaged log: restore a backup (docs/operations.md)',
        ),
      ];
    }
    try {
      await store.check();
      const last = await lastInLog(store);
      if (!last) return [ok('it answers; the log is empty')];
      const age = Math.max(0, Math.round((now() - last.metadata.at) / 1000));
      return [
        ok(`it answers; the log ends at ${last.position}, ${age} s ago`),
        ...(await judgeSecret(() => opens(store))),
      ];
    } finally {
      await store.close();
    }
  },
});

async function judgeSecret(opens: () => Promise<boolean>): Promise<Finding[]> {
  try {
    return (await opens()) ? [ok('the service secret opens what is sealed in it')] : [];
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return [
      problem(
        error.message,
        'look for it in your backups (docs/operations.md, Backup and restore); do not start the service with another one: it refuses',
      ),
    ];
  }
}
