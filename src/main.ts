/** Runs the service until a signal ends it. */
import pino from 'pino';
import { readConfig } from './config/config.ts';
import { messageOf } from './errors.ts';
import { traceOfLine } from './runtime/cause.ts';
import { startService } from './service/service.ts';
import { version } from './version.ts';

/** How long the process takes from SIGTERM to its end. Effects that are not done by then are done after the next start. */
export const STOP_DEADLINE_MS = 9_500;

/**
 * Resolves when the service runs. SIGTERM or SIGINT ends the process with 0, a fault with 1.
 * @param onListening called when it listens for these signals itself
 */
export async function main(onListening: () => void): Promise<void> {
  const config = readConfig();
  const logger = pino({ level: config.logLevel, base: null, mixin: traceOfLine });
  for (const warning of config.warnings) logger.warn({ warning }, 'a setting is probably a slip');
  const ending = new AbortController();
  const starting = startService(config, logger, version, ending.signal);

  const end = (signal: string): void => {
    logger.info({ signal }, 'stopping');
    setTimeout(() => process.exit(1), STOP_DEADLINE_MS).unref();
    ending.abort();
    starting
      .then((service) => service.stop())
      .then(
        () => process.exit(0),
        (error) => {
          if (error === ending.signal.reason) process.exit(0); // nothing had begun
          logger.error({ err: error }, 'stop failed');
          process.exit(1);
        },
      );
  };
  // A signal may come during the start: the service answers already, and other processes share the work with it.
  process.once('SIGTERM', () => end('SIGTERM'));
  process.once('SIGINT', () => end('SIGINT'));
  onListening();
  const service = await starting.catch((error: unknown) => {
    if (!ending.signal.aborted) throw error;
    return null;
  });
  if (!service || ending.signal.aborted) return;
  const { url, xmppserviceUrl, xmlRpcUrl } = service;
  const others = {
    ...(xmppserviceUrl !== null && { xmppserviceUrl }),
    ...(xmlRpcUrl !== null && { xmlRpcUrl }),
  };
  logger.info({ url, ...others, version }, 'ready');
  process.on('unhandledRejection', (error) => {
    logger.fatal({ err: error }, `unhandled: ${messageOf(error)}`);
    process.exit(1); // the log has everything: the next start goes on from it
  });
}
