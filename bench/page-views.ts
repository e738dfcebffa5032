/** Page views over HTTP with durable answers, read models, reactors and ejabberd, compared with a bare echo. */
import { DatabaseSync } from 'node:sqlite';
import { connectOperator } from '../test/support/operator.ts';
import type { Echo } from './echo.ts';
import type { PageViewCounts, PageViewLoad } from './page-view-load.ts';
import { startChild } from './processes.ts';
import { startRig } from './rig.ts';
import { mediansOf, type Round, type Row } from './row.ts';

const VISITORS = 1000;
const CONNECTIONS = 50;
const ROUNDS = 6;
const ROUND_MS = 2_000;
const WARM_UP_MS = 1_500;
/** For a thousand logins, and a newer status of each. */
const SETTLE_DEADLINE_MS = 40_000;
const LAG_REFERENCE_MS = 1_000;

/** Counts the facts of page views in the log over a connection of its own. */
function factsIn(path: string): number {
  const db = new DatabaseSync(path, { readOnly: true });
  try {
    const sql = `SELECT count(*) AS n FROM events WHERE type IN ('VisitorArrived', 'PageViewed')`;
    return Number(db.prepare(sql).get()?.n);
  } finally {
    db.close();
  }
}

/** Requests a second, compared with the echo, and the lag of the read models at the end of the load. */
export async function benchPageViews(execArgv: readonly string[]): Promise<Row[]> {
  const load = startChild<PageViewLoad, PageViewCounts>('page-view-load.ts');
  const echo = startChild<object, Echo>('echo.ts');
  const rig = await startRig(execArgv);
  let page = 0;
  let accepted = 0;
  try {
    const operator = await connectOperator({
      service: rig.ejabberd.xmpp,
      domain: rig.ejabberd.host,
      ...rig.operator,
    });
    const { port: echoPort } = await echo.ask({});

    const round = async (port: number, ms: number): Promise<{ rate: number; last: string }> => {
      const counts = await load.ask({
        port,
        tenant: rig.tenant,
        apiKey: rig.apiKey,
        ms,
        firstPage: page,
        visitors: VISITORS,
        connections: CONNECTIONS,
      });
      page = counts.nextPage;
      const { 202: good = 0, ...others } = counts.statuses;
      if (Object.keys(others).length > 0) throw new Error(`answers: ${JSON.stringify(others)}`);
      if (port === rig.port) accepted += good;
      return { rate: (good / counts.ms) * 1000, last: counts.last };
    };

    /** How long after the last answer a query sees its page view, in ms. */
    const lag = async (last: string): Promise<number> => {
      const start = performance.now();
      const { position, actor } = JSON.parse(last);
      const key = actor.slice(actor.indexOf('.') + 1);
      await rig.http('GET', `/visitors/${key}?minPosition=${encodeURIComponent(position)}`);
      return performance.now() - start;
    };

    await round(rig.port, WARM_UP_MS);
    await round(echoPort, WARM_UP_MS);
    await rig.settled(SETTLE_DEADLINE_MS);
    const rounds: (Round & { lag: number })[] = [];
    for (let i = 0; i < ROUNDS; i++) {
      rig.pause();
      const { rate: reference } = await round(echoPort, ROUND_MS);
      rig.resume();
      const { rate: value, last } = await round(rig.port, ROUND_MS);
      rounds.push({ value, reference, lag: await lag(last) });
    }
    const facts = factsIn(rig.eventsFile);
    if (facts !== accepted) throw new Error(`${accepted} answers, ${facts} facts in the log`);
    operator.drop();

    const worst = Math.max(...rounds.map((each) => each.lag));
    return [
      {
        name: 'page views',
        unit: 'requests/s',
        ...mediansOf(rounds),
        aim: 0.4,
        better: 'higher',
      },
      {
        name: 'projection lag after page views',
        value: worst,
        unit: 'ms',
        reference: LAG_REFERENCE_MS,
        ratio: worst / LAG_REFERENCE_MS,
        aim: 1,
        better: 'lower',
      },
    ];
  } finally {
    await Promise.all([rig.close(), load.stop(), echo.stop()]);
  }
}
