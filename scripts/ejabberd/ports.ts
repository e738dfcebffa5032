/** Free ports on loopback for a server that will be started, stopped and started again. */
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { AppError } from '../../src/errors.ts';

// Below the ephemeral range (32768…60999 on Linux): no outgoing connection takes one while the server is restarted.
const lowest = 15_000;
const highest = 32_000;

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
 * Chooses those that are left out. Those that are given have to be free.
 * @throws {AppError} `unavailable` naming the port that is taken
 */
export async function freePorts(given: Partial<Ports>): Promise<Ports> {
  const chosen = new Set<number>();
  async function one(name: keyof Ports): Promise<number> {
    const wanted = given[name];
    if (wanted !== undefined) {
      // The one that ran before may be on its way out (make run, Ctrl-C, make run).
      const end = Date.now() + 5_000;
      while (!(await canListen(wanted)) && Date.now() < end) await delay(100);
      if (await canListen(wanted)) return wanted;
      throw new AppError('unavailable', `Port ${wanted} (ejabberd, ${name}) is taken.`, {
        port: wanted,
        name,
      });
    }
    for (;;) {
      const port = randomInt(lowest, highest);
      if (!chosen.has(port) && (await canListen(port))) {
        chosen.add(port);
        return port;
      }
    }
  }
  return { c2s: await one('c2s'), http: await one('http'), component: await one('component') };
}
