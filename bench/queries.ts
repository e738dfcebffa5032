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

/** A search that no visitor fits, so that it looks through all of them; and statistics of all chats. */
const LONG_QUERIES = ['/visitors?q=nobody-has-this&limit=200', '/stats?since=%SINCE%'];
const LONG_QUERIES_AT_ONCE = 10;

/** Runs ten of each of the long queries at once for a while. @returns how many were answered */
async function askLong(rig: Rig, ms: number): Promise<number> {
  const end = performance.now() + ms;
  const since = new Date(Date.now() - 86_400_000).toISOString();
  const loops = LONG_QUERIES.flatMap((query) =>
    Array.from({ length: LONG_QUERIES_AT_ONCE }, async () => {
      let answered = 0;
      for (; performance.now() < end; answered++) {
        await rig.http('GET', query.replace('%SINCE%', since));
      }
      return answered;
    }),
  );
  return (await Promise.all(loops)).reduce((sum, answered) => sum + answered, 0);
}

/** Views pages one after the other for a while. @returns the time of each in ms */
async function viewPages(rig: Rig, ms: number, first: number): Promise<number[]> {
  const times: number[] = [];
  const end = performance.now() + ms;
  for (let i = 0; performance.now() < end; i++) {
    const start = performance.now();
    const page = `https://shop.example/page-${first}-${i}`;
    await rig.http('POST', `/visitors/long-${i % BROWSING}/page-views`, { page });
    times.push(performance.now() - start);
    await delay(PAUSE_MS);
  }
  return times;
}

/** The p99 of page views while long queries run, compared with the same without them. */
async function besideLongQueries(rig: Rig): Promise<Row> {
  const rounds: Round[] = [];
  await viewPages(rig, WARM_UP_MS, 0);
  for (let i = 1; i <= ROUNDS; i++) {
    const quiet = await viewPages(rig, ROUND_MS, 2 * i);
    const [busy, answered] = await Promise.all([
      viewPages(rig, ROUND_MS, 2 * i + 1),
      askLong(rig, ROUND_MS),
    ]);
    if (answered < 2 * LONG_QUERIES_AT_ONCE) throw new Error(`only ${answered} long queries`);
    rounds.push({ value: quantile(busy, 0.99), reference: quantile(quiet, 0.99) });
  }
  return {
    name: 'page views beside 20 long queries, p99',
    unit: 'ms',
    ...mediansOf(rounds),
    aim: 1.5,
    better: 'lower',
  };
}

/** The p99 of queries under load, and of page views beside long queries, each compared with a quiet service. */
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
      await besideLongQueries(rig),
    ];
  } finally {
    await Promise.all([rig.close(), load.stop()]);
  }
}
