/**
 * What LHC's back office asks, with 100,000 visitors and 10,000 chats in the read models, while 500 page views a second
 * arrive; beside the same queries on the same service when it is quiet.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { PageViewCounts, PageViewLoad } from './page-view-load.ts';
import { startChild } from './processes.ts';
import { type Rig, startRig } from './rig.ts';
import { median, type Row } from './row.ts';
import { DEPARTMENTS, seed } from './seed.ts';

const PAST = { visitors: 100_000, chats: 10_000 };
/** Read models of that past are built at the start. */
const BUILT_WITHIN_MS = 240_000;
const BROWSING = 500;
const PAGE_VIEWS_A_SECOND = 500;
const CONNECTIONS = 25;
const ROUNDS = 5;
const ROUND_MS = 6_000;
const WARM_UP_MS = 3_000;
/** Between two queries: a back office that looks, not a load of its own. */
const PAUSE_MS = 10;

/** By turns; what a list of visitors, of chats, a wallboard and a search ask. */
const QUERIES = [
  '/visitors?state=online',
  '/visitors?limit=100',
  '/visitors/past-4711',
  `/visitors?state=online&department=${DEPARTMENTS[0]}`,
  '/chats?state=active',
  '/chats?limit=100',
  '/chats/past-4711',
  `/chats?state=closed&department=${DEPARTMENTS[1]}`,
  '/queue',
  '/departments',
  '/operators',
  '/stats',
];

const p99 = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.ceil(sorted.length * 0.99) - 1] ?? Number.NaN;
};

/** Times of all queries in ms, one after the other, for so long. */
async function askAll(rig: Rig, ms: number): Promise<number[]> {
  const times: number[] = [];
  const end = performance.now() + ms;
  for (let i = 0; performance.now() < end; i++) {
    const start = performance.now();
    await rig.http('GET', QUERIES[i % QUERIES.length] ?? '/queue');
    times.push(performance.now() - start);
    await delay(PAUSE_MS);
  }
  return times;
}

/** p99 of queries under load beside that of a quiet service. */
export async function benchQueries(execArgv: readonly string[]): Promise<Row[]> {
  const load = startChild<PageViewLoad, PageViewCounts>('page-view-load.ts');
  const rig = await startRig(execArgv, (dataDir, tenant) => seed(dataDir, tenant, PAST));
  let page = 0;
  try {
    await rig.settled(BUILT_WITHIN_MS);
    const browse = async (ms: number): Promise<number> => {
      const counts = await load.ask({
        port: rig.port,
        tenant: rig.tenant,
        apiKey: rig.apiKey,
        ms,
        firstPage: page,
        visitors: BROWSING,
        connections: CONNECTIONS,
        rate: PAGE_VIEWS_A_SECOND,
      });
      page = counts.nextPage;
      const { 202: good = 0, ...others } = counts.statuses;
      if (Object.keys(others).length > 0) throw new Error(`answers: ${JSON.stringify(others)}`);
      return (good / counts.ms) * 1000;
    };
    await browse(WARM_UP_MS);
    await askAll(rig, WARM_UP_MS);
    await rig.settled(BUILT_WITHIN_MS);
    const rounds: { value: number; reference: number }[] = [];
    for (let i = 0; i < ROUNDS; i++) {
      const quiet = await askAll(rig, ROUND_MS);
      const [busy, rate] = await Promise.all([askAll(rig, ROUND_MS), browse(ROUND_MS)]);
      if (rate < PAGE_VIEWS_A_SECOND * 0.9) throw new Error(`only ${rate} page views a second`);
      rounds.push({ value: p99(busy), reference: p99(quiet) });
      await rig.settled(BUILT_WITHIN_MS);
    }
    return [
      {
        name: 'queries under 500 page views/s, p99',
        value: median(rounds.map((each) => each.value)),
        unit: 'ms',
        reference: median(rounds.map((each) => each.reference)),
        ratio: median(rounds.map((each) => each.value / each.reference)),
        aim: 3,
        better: 'lower',
      },
    ];
  } finally {
    await Promise.all([rig.close(), load.stop()]);
  }
}
