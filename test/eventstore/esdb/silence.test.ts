/** Unknown outcomes when the server, the network or this process stands still: no call hangs, and no event is stored twice. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { EventStoreDBClient, UnavailableError } from '@eventstore/db-client';
import { describe, expect, test } from 'vitest';
import { createConnection } from '../../../src/eventstore/esdb/connection.ts';
import { survivesReconnection } from '../../../src/eventstore/esdb/internals.ts';
import { createRemoval } from '../../../src/eventstore/esdb/removal.ts';
import { openEsdbEventStore } from '../../../src/eventstore/esdb/store.ts';
import { parseEsdbUrl } from '../../../src/eventstore/esdb/url.ts';
import { openEventStore } from '../../../src/eventstore/open.ts';
import type { EventStore } from '../../../src/eventstore/port.ts';
import { type EventStoreDouble, startEventStoreDouble } from '../../support/eventstoredb/server.ts';
import { event, uniquePrefix } from '../events.ts';
import { onDouble } from './on-double.ts';

const TIMING = { tryMs: 500, totalMs: 4000 };
const NEVER_MS = 60_000;
const UNKNOWN = { code: 'unavailable', message: expect.stringContaining('unknown') };

let server: EventStoreDouble;
let store: EventStore;
const closing = onDouble(TIMING, (ownServer, ownStore) => {
  server = ownServer;
  store = ownStore;
});

/** Blocks this process. */
const standStill = (ms: number): void => {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
};

describe('an append', () => {
  test('with any revision is not repeated if the leader changed meanwhile', async () => {
    const leader = await startEventStoreDouble();
    closing.push(() => leader.close());
    const prefix = uniquePrefix();
    server.faults.delayAnswers(NEVER_MS);
    const underWay = store.append(`${prefix}a`, [event(0)], 'any');
    const repeatable = store.append(`${prefix}b`, [event(0)], 'no-stream');
    await repeatable;
    server.faults.notLeader({ host: '127.0.0.1', port: leader.port });
    const next = store.append(`${prefix}b`, [event(1)], 0).catch((error: unknown) => error);
    await expect(underWay).rejects.toMatchObject(UNKNOWN);
    await next;
    const there = await openEventStore(leader.url);
    closing.unshift(() => there.close());
    expect(await there.readStream(`${prefix}a`)).toEqual([]);
  });

  test('is repeated if only other appends are answered, and written once', async () => {
    const prefix = uniquePrefix();
    server.faults.delayAnswers(NEVER_MS);
    let answered = false;
    const lost = store.append(`${prefix}lost`, [event(0)], 'no-stream').finally(() => {
      answered = true;
    });
    for (let i = 0; !answered && i < 10_000; i += 1) {
      await store.append(`${prefix}a`, [event(i)], i === 0 ? 'no-stream' : i - 1);
    }
    expect((await lost).revision).toBe(0);
    expect(await store.readStream(`${prefix}lost`)).toHaveLength(1);
  });

  test('is not given up because this process itself was blocked', async () => {
    const stream = `${uniquePrefix()}a`;
    await store.append(stream, [event(0)], 'any');
    const appended = store.append(stream, [event(1)], 'any');
    standStill(2 * TIMING.tryMs);
    expect((await appended).revision).toBe(1);
  });
});

test('a check does not fail because this process itself was blocked', async () => {
  const checked = store.check();
  standStill(2500);
  await checked;
});

describe('the connection', () => {
  test('stays if no new one can be created, for example while its certificate is exchanged', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'esdb-ca-'));
    const path = join(folder, 'ca.pem');
    writeFileSync(path, rootCertificates[0] ?? '');
    const connection = createConnection(parseEsdbUrl(`esdb://localhost:1?tlsCAFile=${path}`));
    closing.push(() => connection.close());
    rmSync(folder, { recursive: true });
    const session = connection.session();
    connection.replace(session);
    expect(connection.session()).toBe(session);
    expect(session.gone.aborted).toBe(false);
  });

  test('a failed search for another node does not end the process', async () => {
    const client = survivesReconnection(
      EventStoreDBClient.connectionString(
        'esdb://127.0.0.1:1,127.0.0.1:2?tls=false&maxDiscoverAttempts=1',
      ),
    );
    // `never`: of both arguments the client reads no more than is here.
    const unavailable = new UnavailableError(new Error('away') as never);
    // biome-ignore lint/complexity/useLiteralKeys: protected, and the subject of this test
    const discovery = client['getChannel']().catch((error: unknown) => error);
    // biome-ignore lint/complexity/useLiteralKeys: protected, and the subject of this test
    await client['handleError']({ getChannel: () => undefined } as never, unavailable);
    expect(String(await discovery)).toContain('Failed to discover');
  });
});

test('a deletion fails in time if nodes accept connections and stay silent', async () => {
  const sockets = new Set<net.Socket>();
  const mute = net.createServer((socket) => sockets.add(socket.on('error', () => undefined)));
  await new Promise<void>((resolve) => void mute.listen(0, '127.0.0.1', resolve));
  const address = mute.address();
  if (address === null || typeof address === 'string') throw new Error('it listens on a port');
  const host = `127.0.0.1:${address.port}`;
  const connection = createConnection(parseEsdbUrl(`esdb://${host},${host}?tls=false`));
  closing.push(
    () => connection.close(),
    async () => {
      for (const socket of sockets) socket.destroy();
      mute.close();
    },
  );
  const unused = {} as never; // Only truncation needs it.
  const removal = createRemoval(connection, unused, unused, 200);
  await expect(removal.remove('a-b')).rejects.toMatchObject(UNKNOWN);
});

test.each([
  ['esdb://ada:s3cret@10.0.0.1:2113', '10.0.0.1'],
  ['esdb://ada:s3cret@a.example,10.0.0.1:2113?tls=true', '10.0.0.1'],
  ['esdb+discover://10.0.0.1', '10.0.0.1'],
])('%s: TLS with an IP address is refused, and the error says so', async (url, address) => {
  const failed = await openEsdbEventStore(url, { openMs: 100 }).catch((error: unknown) => error);
  expect(failed).toMatchObject({
    code: 'invalid',
    message: expect.stringMatching(new RegExp(`${address}.* name`)),
  });
  expect(String(failed)).not.toContain('s3cret');
});
