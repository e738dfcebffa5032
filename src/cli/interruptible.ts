/** Long commands that SIGINT and SIGTERM end in order. */
import { AppError } from '../errors.ts';

/**
 * Runs a command's work with a signal that SIGINT and SIGTERM abort.
 * @param message for the administrator, when the work was interrupted
 * @throws {AppError} `refused` with that message, whatever the interrupted work throws
 */
export async function interruptible<T>(
  message: string,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const interrupt = (): void => controller.abort(new AppError('refused', message));
  process.once('SIGINT', interrupt);
  process.once('SIGTERM', interrupt);
  try {
    return await work(controller.signal);
  } catch (error) {
    throw controller.signal.aborted ? controller.signal.reason : error;
  } finally {
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', interrupt);
  }
}
