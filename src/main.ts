/** Runs the service until a signal ends it. */
import pino from 'pino';
import { readConfig } from './config.ts';
import { messageOf } from './errors.ts';
import { startService } from './service/service.ts';
import { version } from './version.ts';

/** How long the process takes from SIGTERM to its end. Effects that are not done by then are done after the next start. */
export const STOP_DEADLINE_MS = 9_500;

/** Resolves when the service runs. SIGTERM or SIGINT ends the process with 0, a fault with 1. */
export async function main(): Promise<void> {
  const config = readConfig();
  const logger = pino({ level: config.logLevel, base: null });
  const starting = startService(config, logger, version);

  const end = (signal: string): void => {
    logger.info({ signal }, 'stopping');
    setTimeout(() => process.exit(1), STOP_DEADLINE_MS).unref();
    starting
      .then((service) => service.stop())
      .then(
        () => process.exit(0),
        (error) => {
          logger.error({ err: error }, 'stop failed');
          process.exit(1);
        },
      );
  };
  // A signal may come during the start: the service answers already, and other processes share the work with it.
  process.once('SIGTERM', () => end('SIGTERM'));
  process.once('SIGINT', () => end('SIGINT'));
  const { url } = await starting;
  logger.info({ url, version }, 'ready');
  process.on('unhandledRejection', (error) => {
    logger.fatal({ err: error }, `unhandled: ${messageOf(error)}`);
    process.exit(1); // the log has everything: the next start goes on from it
  });
}
