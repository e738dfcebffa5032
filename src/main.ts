/** Runs the service until a signal ends it. */
import pino from 'pino';
import { readConfig } from './config.ts';
import { messageOf } from './errors.ts';
import { startService } from './service/service.ts';
import { version } from './version.ts';

/** SIGTERM drains and logs visitors out; what is not done by then is done at the next start. */
const STOP_WITHIN_MS = 9_500;

/** @returns when the service runs; the process ends by SIGTERM or SIGINT (0), or by a fault (1) */
export async function main(): Promise<void> {
  const config = readConfig();
  const logger = pino({ level: config.logLevel, base: null });
  const starting = startService(config, logger, version);

  const end = (signal: string): void => {
    logger.info({ signal }, 'stopping');
    setTimeout(() => process.exit(1), STOP_WITHIN_MS).unref();
    starting
      .then((service) => service.stop())
      .then(
        () => process.exit(0),
        (error) => {
          logger.error({ err: error }, 'not stopped in order');
          process.exit(1);
        },
      );
  };
  // Heard before it runs: it answers, and others share the work with it, while it still starts.
  process.once('SIGTERM', () => end('SIGTERM'));
  process.once('SIGINT', () => end('SIGINT'));
  const { url } = await starting;
  logger.info({ url, version }, 'ready');
  process.on('unhandledRejection', (error) => {
    logger.fatal({ err: error }, `unhandled: ${messageOf(error)}`);
    process.exit(1); // the log has everything: the next start goes on from it
  });
}
