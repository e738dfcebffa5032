/**
 * The queries of LHC's back office, with 100,000 visitors and 10,000 chats in the read models, while 500 page views a second
 * arrive. The reference is the same queries on the same service without page views.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { PageViewCounts, PageViewLoad } from './page-view-load.ts';
import { startChild } from './processes.ts';
import { BUILD_DEADLINE_MS, type Rig, startRig } from './rig.ts';
import { mediansOf, quantile, type Round, type Row } from './row.ts';
import { DEPARTMENTS, seed } from './seed.ts';

const PAST = { visitors: 100_000, chats: 10_000 };
const BROWSING = 500;
const PAGE_VIEWS_A_SECOND = 500;
const CONNECTIONS = 25;
const ROUNDS = 5;
const ROUND_MS = 6_000;
const WARM_UP_MS = 3_000;
/** The pause between two queries, so that they are no load of their own. */
const PAUSE_MS = 10;

/** The queries of lists of visitors and chats, of a wallboard and of a search, in turns. */
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

/** Runs the queries one after the other for a while. @returns the time of each in ms */
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

/** The p99 of queries under load, compared with a quiet service. */
export async function benchQueries(execArgv: readonly string[]): Promise<Row[]> {
  const load = startChild<PageViewLoad, PageViewCounts>('page-view-load.ts');
  const rig = await startRig(execArgv, (dataDir, tenant) => seed(dataDir, tenant, PAST));
  let page = 0;
  try {
    await rig.settled(BUILD_DEADLINE_MS);
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
    await rig.settled(BUILD_DEADLINE_MS);
    const rounds: Round[] = [];
    for (let i = 0; i < ROUNDS; i++) {
      const quiet = await askAll(rig, ROUND_MS);
      const [busy, rate] = await Promise.all([askAll(rig, ROUND_MS), browse(ROUND_MS)]);
      if (rate < PAGE_VIEWS_A_SECOND * 0.9) throw new Error(`only ${rate} page views a second`);
      rounds.push({ value: quantile(busy, 0.99), reference: quantile(quiet, 0.99) });
      await rig.settled(BUILD_DEADLINE_MS);
    }
    return [
      {
        name: 'queries under 500 page views/s, p99',
        unit: 'ms',
        ...mediansOf(rounds),
        aim: 3,
        better: 'lower',
      },
    ];
  } finally {
    await Promise.all([rig.close(), load.stop()]);
  }
}
