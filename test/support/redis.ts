/** A real redis-server on a free loopback port, in a folder of its own. It keeps nothing. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { createClient } from '@redis/client';
import { freePorts } from '../../scripts/ejabberd/ports.ts';
import { temporaryFolder } from './folder.ts';
import { waitFor } from './wait.ts';

export interface Redis {
  readonly url: string;
  /** Publishes as LHC's Node helper does, if `payload` has its form. */
  publish(channel: string, payload: string): Promise<void>;
  /** What was published since the start of this process, as `channel payload`. Ends with a kill. */
  readonly published: readonly string[];
  /** Connections that listen to a pattern, without the one of the tests. */
  listeners(): Promise<number>;
  /** It takes connections and answers nothing. */
  pause(): void;
  resume(): void;
  kill(): Promise<void>;
  /** On the same port. */
  start(): Promise<void>;
  close(): Promise<void>;
}

/** @param password that Redis asks for */
export async function startRedis(password?: string): Promise<Redis> {
  const folder = temporaryFolder('redis');
  const { http: port } = await freePorts({});
  const url = `redis://${password ? `:${password}@` : ''}127.0.0.1:${port}`;
  const published: string[] = [];
  let server: ChildProcess | null = null;
  const open = () => {
    const client = createClient({ url, RESP: 2, socket: { reconnectStrategy: false } });
    client.on('error', () => undefined); // a kill ends it
    return client;
  };
  let clients: ReturnType<typeof open>[] = [];

  async function start(): Promise<void> {
    const options = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', ''];
    if (password) options.push('--requirepass', password);
    server = spawn('redis-server', options, { stdio: 'ignore' });
    const failed = once(server, 'error').then(([error]) => {
      throw new Error('redis-server cannot be started: sh scripts/install-redis.sh', {
        cause: error,
      });
    });
    failed.catch(() => undefined); // whoever waits below gets it
    const connected = waitFor(
      async () => {
        const publisher = open();
        await publisher.connect();
        const subscriber = open();
        await subscriber.connect();
        await subscriber.pSubscribe('*', (payload, channel) => {
          published.push(`${channel} ${payload}`);
        });
        clients = [publisher, subscriber];
        return true;
      },
      { what: 'redis-server' },
    );
    await Promise.race([connected, failed]);
  }

  async function kill(): Promise<void> {
    for (const client of clients) if (client.isOpen) client.destroy();
    clients = [];
    const running = server;
    server = null;
    if (!running || running.exitCode !== null) return;
    const ended = once(running, 'exit');
    running.kill('SIGKILL');
    await ended;
  }

  await start();
  return {
    url,
    published,
    publish: async (channel, payload) => {
      await clients[0]?.publish(channel, payload);
    },
    listeners: async () => Number(await clients[0]?.pubSubNumPat()) - 1,
    pause: () => server?.kill('SIGSTOP'),
    resume: () => server?.kill('SIGCONT'),
    kill,
    start,
    async close() {
      await kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
