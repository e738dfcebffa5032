/** The event store: whether it answers, and how far it is. */
import { AppError } from '../errors.ts';
import type { EventStore } from '../eventstore/port.ts';
import { type Check, ok, problem, warning } from './check.ts';

export interface StorePorts {
  /** For reading only. @throws {AppError} `not-found` when there is none yet */
  open(): Promise<Pick<EventStore, 'check' | 'head' | 'readAll' | 'close'>>;
  /** ms since 1970 */
  readonly now: () => number;
}

export const storeCheck = ({ open, now }: StorePorts): Check => ({
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
          'compare EVENT_STORE with what is there; do not start the service on a damaged log: restore a backup (docs/operations.md)',
        ),
      ];
    }
    try {
      await store.check();
      const [last] = await store.readAll({ direction: 'backwards', limit: 1 });
      if (!last) return [ok('it answers; the log is empty')];
      const age = Math.max(0, Math.round((now() - last.metadata.at) / 1000));
      return [ok(`it answers; the log ends at ${last.position}, ${age} s ago`)];
    } finally {
      await store.close();
    }
  },
});
