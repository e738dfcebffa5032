/** Free ports on loopback, for a server that will be restarted on the same ports. */
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { AppError } from '../../src/errors.ts';

// Below the ephemeral range (32768…60999 on Linux), so no outgoing connection takes one during a restart.
const LOWEST_PORT = 15_000;
const HIGHEST_PORT = 32_000;
/**
 * A port is free from the choice to the start of its server, and others choose meanwhile. Files of tests that run at the same
 * time have a part of the range each, by the number of their worker, so none takes what another one has chosen.
 */
const PARTS = 16;
const PART_PORTS = Math.floor((HIGHEST_PORT - LOWEST_PORT) / PARTS);
/** Choices in a row that are in use, before it is given up. */
const MOST_TRIES = 10_000;
/** How long a given port may still be in use: `make run`, Ctrl-C, `make run` again. */
const RELEASE_DEADLINE_MS = 5_000;

/** Of this process: two servers of one file start at the same time. */
const chosen = new Set<number>();

/** @param worker `VITEST_POOL_ID`, from 1 on; undefined outside of tests: the whole range */
export function rangeOf(worker: string | undefined): readonly [number, number] {
  const number = Number(worker);
  if (worker === undefined || !Number.isInteger(number)) return [LOWEST_PORT, HIGHEST_PORT];
  const from = LOWEST_PORT + (number % PARTS) * PART_PORTS;
  return [from, from + PART_PORTS];
}

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
  const [from, end] = rangeOf(process.env.VITEST_POOL_ID);
  async function one(name: keyof Ports): Promise<number> {
    const port = given[name];
    if (port !== undefined) {
      const until = Date.now() + RELEASE_DEADLINE_MS;
      while (!(await canListen(port)) && Date.now() < until) await delay(100);
      if (await canListen(port)) return port;
      throw new AppError('unavailable', `Port ${port} (ejabberd, ${name}) is in use.`, {
        port,
        name,
      });
    }
    for (let tries = 0; tries < MOST_TRIES; tries++) {
      const port = randomInt(from, end);
      if (chosen.has(port)) continue;
      chosen.add(port); // also while the look at it goes on
      if (await canListen(port)) return port;
    }
    throw new AppError('unavailable', `no port from ${from} to ${end - 1} is free`);
  }
  return { c2s: await one('c2s'), http: await one('http'), component: await one('component') };
}
