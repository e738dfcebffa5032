/** Free ports on loopback, for a server that will be restarted on the same ports. */
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { AppError } from '../../src/errors.ts';

// Below the ephemeral range (32768…60999 on Linux), so no outgoing connection takes one during a restart.
const LOWEST_PORT = 15_000;
const HIGHEST_PORT = 32_000;
/** How long a given port may still be in use: `make run`, Ctrl-C, `make run` again. */
const RELEASE_DEADLINE_MS = 5_000;

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1' }, () => server.close(() => resolve(true)));
  });
}

export interface Ports {
  readonly c2s: number;
  readonly http: number;
  readonly component: number;
}

/**
 * Keeps the given ports, which have to be free, and chooses the others.
 * @throws {AppError} `unavailable` naming the port that is in use
 */
export async function freePorts(given: Partial<Ports>): Promise<Ports> {
  const chosen = new Set<number>();
  async function one(name: keyof Ports): Promise<number> {
    const port = given[name];
    if (port !== undefined) {
      const end = Date.now() + RELEASE_DEADLINE_MS;
      while (!(await canListen(port)) && Date.now() < end) await delay(100);
      if (await canListen(port)) return port;
      throw new AppError('unavailable', `Port ${port} (ejabberd, ${name}) is in use.`, {
        port,
        name,
      });
    }
    for (;;) {
      const port = randomInt(LOWEST_PORT, HIGHEST_PORT);
      if (!chosen.has(port) && (await canListen(port))) {
        chosen.add(port);
        return port;
      }
    }
  }
  return { c2s: await one('c2s'), http: await one('http'), component: await one('component') };
}
