/** Seeds a log: visitors who came and left, and the chats of some of them. Personal data is sealed as by the service. */
import { join } from 'node:path';
import pino from 'pino';
import { type TenantId, Username, VisitorKey } from '../src/actors/ids.ts';
import type { VisitorCommand } from '../src/actors/visitor/decisions.ts';
import { lastEvent } from '../src/eventstore/reading.ts';
import { createSnapshotStore, openSnapshotFile } from '../src/eventstore/snapshots.ts';
import { openSqliteEventStore } from '../src/eventstore/sqlite/store.ts';
import { newId } from '../src/kit/id.ts';
import { createActors } from '../src/runtime/host/actors.ts';
import { createHost } from '../src/runtime/host/host.ts';
import { createLaneLog } from '../src/runtime/lanes/log.ts';
import type { Actors } from '../src/runtime/ports.ts';
import { deriveSecrets } from '../src/runtime/vault/secrets.ts';
import { createVault } from '../src/runtime/vault/vault.ts';
import { claimDataDir } from '../src/service/data-dir.ts';

const AT_ONCE = 250;
export const DELAYS = {
  hardTimeout: 3_600_000,
  cleanupAfter: 86_400_000,
  invitationTimeout: 120_000,
  offerTimeout: 60_000,
  chatIdle: 86_400_000,
};
const COUNTRIES = ['Germany', 'France', 'Italy', 'Spain', 'Poland'];
export const DEPARTMENTS = ['sales', 'support', 'billing', 'shipping', 'returns'];

export interface Past {
  readonly visitors: number;
  /** Chats of the first visitors: started, answered and closed. */
  readonly chats: number;
}

const nth = <T>(list: readonly T[], n: number): T => {
  const found = list[n % list.length];
  if (found === undefined) throw new RangeError('the list is empty');
  return found;
};

/** The commands of one visitor. */
function* commandsOf(n: number, { chats }: Past): Generator<VisitorCommand> {
  const page = `https://shop.example/catalogue/page-${n}`;
  const profile = {
    page,
    title: 'Shoes',
    nick: `Visitor ${n}`,
    visits: 1 + (n % 9),
    country: nth(COUNTRIES, n),
  };
  const department = nth(DEPARTMENTS, n);
  const digest = String(n).padEnd(22, 'x');
  yield { type: 'ViewPage', digest, department, delays: DELAYS, profile };
  if (n < chats) {
    const chatId = `past-${n}`;
    const operator = Username.parse(`op${n % 20}`);
    const message = { id: `${chatId}-1`, body: 'Do you have these in 43?' };
    yield { type: 'StartChat', chatId, department, message, delays: DELAYS };
    const assigned = { chatId, operator, reservation: null, reason: 'least-loaded' } as const;
    yield { type: 'AssignChat', ...assigned };
    const answer = { messageId: `${chatId}-2`, body: 'We have.' };
    yield { type: 'ReceiveOperatorMessage', operator, ...answer };
    yield { type: 'CloseChat', chatId, by: 'visitor', reason: null };
  }
  yield { type: 'TimeOut' };
}

/** Writes into the data folder of a service that is not running yet. */
export async function withLog(
  dataDir: string,
  write: (log: {
    readonly actors: Actors;
    /** Marks every effect of a visitor's facts as performed. */
    readonly advanceLanes: (stream: string, destinations: readonly string[]) => Promise<void>;
  }) => Promise<void>,
): Promise<void> {
  const now = Date.now;
  const folder = claimDataDir(dataDir, undefined);
  const { wrapping } = deriveSecrets(folder.serviceSecrets);
  const store = await openSqliteEventStore(join(dataDir, 'events.db'));
  const vault = createVault({ store, wrapping, now, newId });
  const snapshotFile = openSnapshotFile(join(dataDir, 'snapshots.db'));
  const snapshots = createSnapshotStore(snapshotFile, { storeId: store.id });
  const logger = pino({ level: 'silent' });
  const host = createHost({ store, vault, snapshots, now, newId, random: Math.random, logger });
  const log = createLaneLog({ store, now, newId });

  await write({
    actors: createActors(host, newId),
    async advanceLanes(stream, destinations) {
      const last = await lastEvent(store, stream);
      if (!last) throw new Error(`${stream} has no facts`);
      for (const destination of destinations) await log.advance(stream, destination, last);
    },
  });

  await host.drain();
  await store.close();
  snapshotFile.close();
  folder.release();
}

/** Writes the log into the data folder of a service that is not running yet. */
export const seed = (dataDir: string, tenant: string, past: Past): Promise<void> =>
  withLog(dataDir, async ({ actors, advanceLanes }) => {
    async function live(n: number): Promise<void> {
      const name = VisitorKey.parse(`past-${n}`);
      for (const command of commandsOf(n, past)) {
        await actors.visitor(tenant as TenantId, name).send(command); // The benchmark uses a valid id.
      }
      await advanceLanes(`visitor-${tenant}.${name}`, n < past.chats ? ['lhc', 'xmpp'] : ['lhc']);
    }
    for (let n = 0; n < past.visitors; n += AT_ONCE) {
      const count = Math.min(AT_ONCE, past.visitors - n);
      await Promise.all(Array.from({ length: count }, (_, i) => live(n + i)));
    }
  });
