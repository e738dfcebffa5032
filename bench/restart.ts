/**
 * A restart on a log of one million facts and 100,000 visitors, with a real ejabberd: from the start of the process until
 * /readyz says ready, and until the read models are live and every visitor is compared with XMPP. All visitors have left, and
 * most of them had a chat, so nobody has to be logged in. Once without caches (pending work, read models, snapshots: all is
 * built anew from the log), then with them. The reference is the time that a person may wait. The seed takes some minutes.
 */
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { startEjabberd } from '../scripts/private-ejabberd.ts';
import { makeService, writeTenants } from '../test/support/service.ts';
import { median, type Row } from './row.ts';
import { seed } from './seed.ts';

const TENANT = 'bench';
const PAST = { visitors: 100_000, chats: 86_000 };
const CACHES = ['work.db', 'projections.db', 'snapshots.db'];
const ROUNDS = 3;
/** Aims. */
const READY_MS = 5_000;
const BUILT_MS = 60_000;
const DEADLINE_MS = 1_800_000;
const LOOK_EVERY_MS = 25;
const SECRET = `whsec_${Buffer.alloc(32, 1).toString('base64')}`;

type Service = Awaited<ReturnType<typeof makeService>>;

/** In ms since the start of the process. */
interface Start {
  readonly answers: number;
  readonly ready: number;
  readonly settled: number;
}

async function isSettled(service: Service): Promise<boolean> {
  const { body } = await service.call('GET', '/metrics');
  return ['xmpp_chat_projection_lag_seconds', 'xmpp_chat_visitors_to_reconcile'].every((name) =>
    String(body).includes(`\n${name} 0\n`),
  );
}

async function timed(service: Service): Promise<Start> {
  const startedAt = performance.now();
  const until = async (look: () => Promise<boolean>): Promise<number> => {
    for (;;) {
      if (await look()) return performance.now() - startedAt;
      if (performance.now() - startedAt > DEADLINE_MS) throw new Error('it does not become ready');
      await delay(LOOK_EVERY_MS);
    }
  };
  await service.start();
  const answers = performance.now() - startedAt;
  const ready = await until(async () => (await service.call('GET', '/readyz')).status === 200);
  const settled = await until(() => isSettled(service));
  await service.stop();
  return { answers, ready, settled };
}

/** @param fill writes the log into the data folder */
export async function measureRestarts(fill: (dataDir: string) => Promise<void>): Promise<Row[]> {
  const service = await makeService();
  const ejabberd = await startEjabberd({
    dir: join(service.dir, 'ejabberd'),
    webhook: { url: `${service.url}/ejabberd/events`, secret: SECRET },
    logLevel: 'warning',
  });
  try {
    const { host, api } = ejabberd;
    await writeTenants(service, [{ id: TENANT, host, apiKey: 'key-of-the-bench-0123456789' }]);
    Object.assign(service.settings, {
      EJABBERD_API_URL: ejabberd.apiUrl,
      EJABBERD_API_USER: api.user,
      EJABBERD_API_PASSWORD: api.password,
      EJABBERD_XMPP: ejabberd.xmpp,
      EJABBERD_WEBHOOK_SECRET: SECRET,
    });
    await fill(service.dataDir);
    for (const file of readdirSync(service.dataDir)) {
      const isCache = CACHES.some((name) => file.startsWith(name)); // Read models have a number behind it.
      if (isCache) rmSync(join(service.dataDir, file));
    }
    const without = await timed(service);
    const restarts: Start[] = [];
    for (let round = 0; round < ROUNDS; round++) restarts.push(await timed(service));
    const row = (name: string, value: number, reference: number): Row => ({
      name,
      value,
      unit: 'ms',
      reference,
      ratio: value / reference,
      aim: 1,
      better: 'lower',
    });
    const of = (part: keyof Start): number => median(restarts.map((start) => start[part]));
    return [
      row('restart: first answer', of('answers'), READY_MS),
      row('restart: ready', of('ready'), READY_MS),
      row('restart: all settled', of('settled'), READY_MS),
      row('restart without caches: ready', without.ready, BUILT_MS),
      row('restart without caches: all settled', without.settled, BUILT_MS),
    ];
  } finally {
    await service.close();
    await ejabberd.kill();
  }
}

export const benchRestart = (): Promise<Row[]> =>
  measureRestarts((dataDir) => seed(dataDir, TENANT, PAST));
