/**
 * What the extension costs a visitor of a real LHC: a page view (`widgetrestapi/settings`) with a service that answers, one
 * that is dead and one that hangs, beside the same LHC without the extension. All four have a MariaDB, a PHP-FPM and an
 * nginx of their own, and are asked in turns: one request at a time, and by four clients without a pause on four workers.
 * Needs `LHC_DIR`, a checkout of LHC.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Lhc, startLhc } from '../scripts/lhc/real-lhc.ts';
import { createVisitor, type Visitor } from '../scripts/lhc/visitor.ts';
import { mediansOf, quantile, type Row } from './row.ts';

const ROUNDS = 9;
const WARM_UP = 10;
/** Page views of each in a round, one at a time. */
const VIEWS = 40;
const WORKERS = 4;
/** Page views of each client in a round, without a pause. */
const BUSY_VIEWS = 15;
const AIM = 1.05;
/** Nobody listens there. */
const DEAD = 'http://127.0.0.1:2';
const STATES = ['alive', 'dead', 'hanging'] as const;

interface Site {
  readonly lhc: Lhc;
  readonly visitors: readonly Visitor[];
}

/** A service that takes every command, or one that takes the connection and says nothing. */
async function service(hangs: boolean): Promise<{ readonly server: Server; readonly url: string }> {
  const server = createServer((request, response) => {
    if (hangs) return;
    let text = '';
    request.on('data', (part: Buffer) => {
      text += part;
    });
    request.on('end', () => {
      // As the extension sends a batch.
      const { requests = [] } = JSON.parse(text || '{}') as { requests?: { id: string }[] };
      response.setHeader('content-type', 'application/json');
      response.end(
        JSON.stringify({ results: requests.map(({ id }) => ({ id, status: 202, body: {} })) }),
      );
    });
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

async function startSite(lhcDir: string, dir: string, serviceUrl: string | null): Promise<Site> {
  const settings = {
    enabled: '1',
    serviceUrl: serviceUrl ?? '',
    tenant: 'shop',
    apiKey: 'key',
    callbackSecret: 'whsec_bm90IHVzZWQ=',
  };
  const lhc = await startLhc({
    lhcDir,
    dir,
    workers: WORKERS,
    extension: serviceUrl === null ? false : { settings },
  });
  const visitors = Array.from({ length: WORKERS }, () => createVisitor(lhc.url));
  return { lhc, visitors };
}

let page = 0;
/** @returns how long LHC's answer took, in ms */
async function view(visitor: Visitor): Promise<number> {
  page += 1;
  const from = performance.now();
  const { status, json } = await visitor.view(`https://shop.example/${page}`, `Page ${page}`);
  const took = performance.now() - from;
  if (status !== 200 || !json?.vid) throw new Error(`a page view was answered ${status}`);
  return took;
}

async function idleRound(sites: readonly Site[]): Promise<number[][]> {
  const times: number[][] = sites.map(() => []);
  for (let n = 0; n < VIEWS; n += 1) {
    // What one of them does after its answer disturbs the next one: each comes behind each.
    for (let place = 0; place < sites.length; place += 1) {
      const index = (n + place) % sites.length;
      const visitor = sites[index]?.visitors[n % WORKERS];
      if (visitor) times[index]?.push(await view(visitor));
    }
  }
  return times;
}

/** The CPU time of a site's PHP workers and database so far, in ms. A busy machine disturbs it less than the time. */
async function cpuOf({ lhc }: Site): Promise<number> {
  const { pid } = lhc.fpm;
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  const pids = [...children.trim().split(' '), String(lhc.database.pid)];
  const stats = await Promise.all(pids.map((each) => readFile(`/proc/${each}/stat`, 'utf8')));
  // proc(5): utime and stime are the 12th and 13th field behind the name, in hundredths of a second.
  const ticks = stats.map((stat) => {
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return Number(fields[11]) + Number(fields[12]);
  });
  return 10 * ticks.reduce((sum, each) => sum + each, 0);
}

async function busyRound(sites: readonly Site[]): Promise<number[][]> {
  const times: number[][] = [];
  for (const { visitors } of sites) {
    const own: number[] = [];
    await Promise.all(
      visitors.map(async (visitor) => {
        for (let n = 0; n < BUSY_VIEWS; n += 1) own.push(await view(visitor));
      }),
    );
    times.push(own);
  }
  return times;
}

/** @param rounds for each round the times of each site, the one without the extension first */
function rowsOf(name: string, rounds: readonly (readonly number[][])[]): Row[] {
  return STATES.flatMap((state, index) =>
    ([0.5, 0.95] as const).map((q) => ({
      name: `LHC's page view, ${name}, service ${state}, p${q * 100}`,
      ...mediansOf(
        rounds.map((times) => ({
          value: quantile(times[index + 1] ?? [], q),
          reference: quantile(times[0] ?? [], q),
        })),
      ),
      unit: 'ms',
      aim: AIM,
      better: 'lower' as const,
    })),
  );
}

export async function benchLhcPageView(): Promise<Row[]> {
  const lhcDir = process.env.LHC_DIR;
  if (!lhcDir) {
    console.error('lhc-page-view: left out, because LHC_DIR names no checkout of LHC');
    return [];
  }
  const folder = await mkdtemp(join(tmpdir(), 'bench-lhc-'));
  const alive = await service(false);
  const hanging = await service(true);
  const sites: Site[] = [];
  try {
    for (const url of [null, alive.url, DEAD, hanging.url]) {
      sites.push(await startSite(lhcDir, join(folder, String(sites.length)), url));
    }
    for (let n = 0; n < WARM_UP; n += 1) {
      for (const { visitors } of sites) for (const visitor of visitors) await view(visitor);
    }
    const before = await Promise.all(sites.map(cpuOf));
    const idle: number[][][] = [];
    const busy: number[][][] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      idle.push(await idleRound(sites));
      // Another one begins each time, so that none has always the same neighbour.
      const order = sites.map((_, index) => (index + round) % sites.length);
      const times = await busyRound(order.flatMap((index) => sites[index] ?? []));
      busy.push(sites.map((_, index) => times[order.indexOf(index)] ?? []));
    }
    const after = await Promise.all(sites.map(cpuOf));
    const views = ROUNDS * (VIEWS + WORKERS * BUSY_VIEWS);
    const cpu = after.map((ms, index) => (ms - (before[index] ?? 0)) / views);
    return [
      ...rowsOf('one at a time', idle),
      ...rowsOf('all workers busy', busy),
      ...rowsOf('CPU of PHP and MariaDB', [cpu.map((each) => [each])]).filter(({ name }) =>
        name.endsWith('p50'),
      ),
    ];
  } finally {
    for (const { lhc } of sites) await lhc.stop();
    for (const { server } of [alive, hanging]) {
      server.closeAllConnections();
      server.close();
    }
    await rm(folder, { recursive: true, force: true });
  }
}
