/** The faults of the double, as the client sees them. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import {
  type AppendExpectedRevision,
  type AppendToStreamOptions,
  EventStoreDBClient,
  jsonEvent,
} from '@eventstore/db-client';
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { waitFor } from '../wait.ts';
import { type EventStoreDouble, startEventStoreDouble } from './server.ts';

const event = () => jsonEvent({ type: 'happened', data: {} });
const paths: [string, AppendToStreamOptions][] = [
  ['batch', {}],
  ['call', { credentials: { username: 'a', password: 'b' } }],
];

describe('faults of the double of EventStoreDB', () => {
  let server: EventStoreDouble;
  let client: EventStoreDBClient;
  beforeEach(async () => {
    server = await startEventStoreDouble();
    client = EventStoreDBClient.connectionString(server.url);
  });
  afterEach(async () => {
    await client.dispose();
    await server.close();
  });
  const append = (
    one = event(),
    expectedRevision: AppendExpectedRevision = 'any',
    options: AppendToStreamOptions = {},
  ) => client.appendToStream('stream', one, { expectedRevision, ...options });
  const read = async (from = client): Promise<string[]> => {
    const found: string[] = [];
    for await (const { event } of from.readStream('stream')) if (event) found.push(event.id);
    return found;
  };
  /** The error of a live subscription. */
  const subscribed = async (): Promise<{ readonly error: Promise<unknown> }> => {
    const subscription = client.subscribeToAll();
    const error = new Promise((resolve) => subscription.once('error', resolve));
    subscription.on('data', () => {});
    await new Promise<void>((resolve) => subscription.once('caughtUp', () => resolve()));
    return { error };
  };

  describe.each(paths)('appends by %s', (_, options) => {
    test('a delayed answer comes after the write', async () => {
      await append(event(), 'no_stream', options);
      server.faults.delayAnswers(150);
      const began = performance.now();
      const slow = append(event(), 0n, options);
      await waitFor(async () => (await read()).length === 2, { what: 'the append to be written' });
      expect((await slow).nextExpectedRevision).toBe(1n);
      expect(performance.now() - began).toBeGreaterThan(145);
    });

    test('a lost answer comes after the write, and a repeat succeeds', async () => {
      const one = event();
      await append(event(), 'no_stream', options);
      server.faults.loseAnswers();
      await expect(append(one, 0n, options)).rejects.toMatchObject({ code: 14 });
      const again = await waitFor(() => append(one, 0n, options), { what: 'the connection' });
      expect(again.nextExpectedRevision).toBe(1n);
      // The client may ask over the lost connection once more.
      expect(await waitFor(() => read(), { what: 'the connection' })).toHaveLength(2);
    });

    test('a node that is not the leader sends the client to the leader', async () => {
      const leader = await startEventStoreDouble();
      server.faults.notLeader({ host: '127.0.0.1', port: leader.port });
      await expect(append(event(), 'any', options)).rejects.toMatchObject({
        type: 'not-leader',
        leader: { address: '127.0.0.1', port: leader.port },
      });
      const one = event();
      await append(one, 'no_stream', options);
      const there = EventStoreDBClient.connectionString(leader.url);
      expect(await read(there)).toEqual([one.id]);
      await there.dispose();
      await leader.close();
    });

    test('an append without the right is denied', async () => {
      await append(event(), 'any', options);
      server.faults.denyAccess(true);
      await expect(append(event(), 'any', options)).rejects.toMatchObject({
        type: 'access-denied',
      });
      await expect(read()).rejects.toMatchObject({ type: 'access-denied' });
      server.faults.denyAccess(false);
      expect(await read()).toHaveLength(1);
    });

    test('a frozen double answers the waiting calls when it continues', async () => {
      await append(event(), 'no_stream', options);
      server.faults.freeze(true);
      let answered = false;
      const appended = append(event(), 0n, options).finally(() => {
        answered = true;
      });
      const other = EventStoreDBClient.connectionString(server.url);
      const joined = read(other);
      await new Promise((resolve) => setTimeout(resolve, 100));
      expect(answered).toBe(false);
      server.faults.freeze(false);
      expect((await appended).nextExpectedRevision).toBe(1n);
      await joined;
      await other.dispose();
    });

    test('after a kill and a restart the log is the same, and the client continues', async () => {
      const one = event();
      await append(one, 'no_stream', options);
      await server.stop();
      await expect(append(event(), 0n, options)).rejects.toMatchObject({ code: 14 });
      await server.start();
      await waitFor(() => append(one, 'no_stream', options), { what: 'the server again' });
      expect(await read()).toEqual([one.id]);
      // The ids of appends with any revision were known only to the process.
      await append(one, 'any', options);
      expect(await read()).toHaveLength(2);
    });
  });

  test.each([
    ['stop', 'unavailable'],
    ['dropConnections', 'unavailable'],
    ['dropSubscriptions', 'timeout'],
  ] as const)('a subscription ends with an error: %s', async (fault, type) => {
    const { error } = await subscribed();
    if (fault === 'dropSubscriptions') server.faults.dropSubscriptions();
    else await server[fault]();
    expect(await error).toMatchObject({ type });
    if (fault === 'stop') await server.start();
    await waitFor(() => append(), { what: 'an append over a new connection' });
    await subscribed();
  });
});

test('a double in a process of its own can be frozen and killed like a server', async () => {
  const main = fileURLToPath(new URL('./main.ts', import.meta.url));
  const child = spawn(process.execPath, [main], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const exited = once(child, 'exit');
  const [url] = await once(child.stdout.setEncoding('utf8'), 'data');
  const client = EventStoreDBClient.connectionString(String(url).trim());
  const append = () => client.appendToStream('stream', event());
  await append();
  child.kill('SIGSTOP');
  const frozen = append();
  child.kill('SIGCONT');
  expect((await frozen).nextExpectedRevision).toBe(1n);
  child.kill('SIGKILL');
  await exited;
  await expect(append()).rejects.toMatchObject({ code: 14 });
  await client.dispose();
});
