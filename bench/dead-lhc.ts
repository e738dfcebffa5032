/**
 * What a tenant pays for another tenant's dead LHC: callbacks of one tenant, beside 50,000 waiting visitors of a tenant
 * whose LHC refuses every connection, and without them. Both are measured in turns in the same process, on the same code:
 * a log, pending work, lanes and the HTTP client.
 */
import { randomUUIDv7 } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pino } from 'pino';
import type { NewEvent, RecordedEvent } from '../src/eventstore/port.ts';
import { openSqliteEventStore } from '../src/eventstore/sqlite/store.ts';
import { createBreakers } from '../src/kit/breaker.ts';
import { createCallbackClient } from '../src/lhc/callback-client.ts';
import {
  CALLBACK_RETRY,
  LHC_BREAKER,
  LHC_LANES_AT_ONCE,
} from '../src/reactors/lhc/callback-lane.ts';
import type { Destination } from '../src/runtime/lanes/destination.ts';
import { createLanes } from '../src/runtime/lanes/lanes.ts';
import { laneTable } from '../src/runtime/lanes/pending-effects.ts';
import { soleOwner } from '../src/runtime/leases/ownership.ts';
import { createPendingWork, openWorkFile } from '../src/runtime/pending-work.ts';
import { median, quantile, type Row } from './row.ts';

/** Visitors of the dead LHC, each with one callback that waits. */
const WAITING = 50_000;
const CALLBACKS = 2_000;
/** Facts appended at once. */
const AT_ONCE = 8;
const ROUNDS = 7;
const SEED_PAGE = 500;
const OUTAGE_DEADLINE_MS = 60_000;
/** Nobody listens there: port 1 of the loopback. */
const DEAD = 'http://127.0.0.1:2/';
const silent = pino({ level: 'silent' });

const fact = (tenant: string): NewEvent => {
  const id = randomUUIDv7();
  const causes = { commandId: id, correlationId: id, causationId: id };
  return {
    id,
    type: 'Said',
    schemaVersion: 1,
    data: {},
    personal: null,
    metadata: { tenant, at: Date.now(), ...causes, machine: 'visitor/1' },
  };
};

/** A log with this many callbacks of the dead tenant, and what performs them. */
async function world(waiting: number, url: string) {
  const folder = mkdtempSync(join(tmpdir(), 'bench-dead-lhc-'));
  const store = await openSqliteEventStore(join(folder, 'events.db'));
  for (let n = 0; n < waiting; n += SEED_PAGE) {
    const streams = Array.from({ length: SEED_PAGE }, (_, i) => `visitor-dead.${n + i}`);
    await Promise.all(streams.map((stream) => store.append(stream, [fact('dead')], 'any')));
  }
  const clocks = { now: Date.now, monotonic: () => performance.now(), random: Math.random };
  const client = createCallbackClient();
  const destination: Destination = {
    name: 'lhc',
    concurrency: LHC_LANES_AT_ONCE,
    retry: CALLBACK_RETRY,
    breakers: createBreakers(LHC_BREAKER, clocks),
    concerns: ({ type }) => type === 'Said',
    async perform({ id, stream, metadata: { tenant } }: RecordedEvent) {
      const at = new Date().toISOString();
      const data = { visitor: stream, reason: 'bench' };
      const callback = { id, type: 'visitor.failed', tenant: tenant ?? '', at, data } as const;
      const answer = await client.deliver(
        { url: tenant === 'dead' ? DEAD : url, isDeclared: true },
        callback,
      );
      if (answer.outcome === 'accepted') return { kind: 'done' };
      return { kind: 'retry', reason: 'no answer', away: true };
    },
  };
  const db = openWorkFile(join(folder, 'work.db'));
  const work = createPendingWork({
    db,
    store,
    tables: [laneTable([destination])],
    logger: silent,
  });
  const newId = (): string => randomUUIDv7();
  const lanes = createLanes({
    ...clocks,
    age: (at) => Date.now() - at,
    db,
    store,
    destinations: [destination],
    ownership: soleOwner,
    newId,
    logger: silent,
  });
  work.subscribe(lanes);
  const ending = new AbortController();
  const following = work.run(ending.signal);
  await work.caughtUp();
  lanes.start();
  const until = performance.now() + OUTAGE_DEADLINE_MS;
  while (waiting > 0 && lanes.failures('lhc').get('dead')?.away !== true) {
    if (performance.now() > until) throw new Error('the dead LHC does not count as away');
    await delay(20);
  }
  return {
    store,
    async close() {
      await lanes.stop();
      ending.abort();
      await following;
      db.close();
      await store.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

interface Measured {
  /** Of the whole process, in µs for each callback. */
  readonly cpu: number;
  /** From before the append to LHC, in ms. */
  readonly p99: number;
}

export async function benchDeadLhc(): Promise<Row[]> {
  const arrived = new Map<string, () => void>();
  const server = createServer((request, response) => {
    arrived.get(String(request.headers['webhook-id']))?.();
    request.resume();
    request.on('end', () => response.writeHead(204).end());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo; // The server listens on a TCP port.

  async function measure(waiting: number, round: number): Promise<Measured> {
    const { store, close } = await world(waiting, `http://127.0.0.1:${port}/`);
    const times: number[] = [];
    let next = 0;
    const cpu = process.cpuUsage();
    const write = async (): Promise<void> => {
      while (next < CALLBACKS) {
        const event = fact('living');
        const there = Promise.withResolvers<void>();
        arrived.set(event.id, there.resolve);
        const began = performance.now();
        await store.append(`visitor-living.${round}-${next++}`, [event], 'any');
        await there.promise;
        arrived.delete(event.id);
        times.push(performance.now() - began);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, write));
    const { user, system } = process.cpuUsage(cpu);
    await close();
    return { cpu: (user + system) / CALLBACKS, p99: quantile(times, 0.99) };
  }

  const rounds: { value: Measured; reference: Measured }[] = [];
  for (let round = -1; round < ROUNDS; round++) {
    const both = { value: await measure(WAITING, round), reference: await measure(0, round) };
    if (round >= 0) rounds.push(both); // the first one warms up
  }
  server.close();
  server.closeAllConnections();
  const row = (
    name: string,
    unit: string,
    of: (measured: Measured) => number,
    aim: number,
  ): Row => ({
    name,
    unit,
    value: median(rounds.map(({ value }) => of(value))),
    reference: median(rounds.map(({ reference }) => of(reference))),
    ratio: median(rounds.map(({ value, reference }) => of(value) / of(reference))),
    aim,
    better: 'lower',
  });
  return [
    row('callback beside a dead LHC, CPU', 'µs', ({ cpu }) => cpu, 1.1),
    row('callback beside a dead LHC, p99', 'ms', ({ p99 }) => p99, 1.5),
  ];
}
