/**
 * A year of a busy site in simulated time: what the log, the read models and the pending work hold at the end of each month.
 * Everything is real but the clock, ejabberd and LHC: the outcomes of their effects are reported at once.
 *
 * `node bench/retention-year.ts [days of retention, default 30] [visitors a day, default 300] [days, default 365]`
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { pino } from 'pino';
import { TenantId, Username, VisitorKey, visitorRef } from '../src/actors/ids.ts';
import { createTenantDirectory } from '../src/actors/tenant/directory.ts';
import { TenantSettings } from '../src/actors/tenant/settings.ts';
import { tenantOf } from '../src/actors/tenant/tenant.ts';
import type { VisitorCommand } from '../src/actors/visitor/decisions.ts';
import { openEventStore } from '../src/eventstore/open.ts';
import { createSnapshotStore, openSnapshotFile } from '../src/eventstore/snapshots.ts';
import { newId } from '../src/kit/id.ts';
import { createLimiter } from '../src/kit/limiter.ts';
import { createProjections } from '../src/projections/projections.ts';
import { XMPP_FILTER } from '../src/reactors/conversation/xmpp-lane.ts';
import { LHC_FILTER } from '../src/reactors/lhc/drafts.ts';
import { createDesiredVisitors, DESIRED_VISITORS_TABLE } from '../src/reactors/visitors/desired.ts';
import { createRetention } from '../src/reactors/visitors/retention.ts';
import { openRetentionTables, RETENTION_TABLE } from '../src/reactors/visitors/retention-table.ts';
import { DEADLINES_TABLE } from '../src/runtime/deadlines.ts';
import { createActors } from '../src/runtime/host/actors.ts';
import { createHost } from '../src/runtime/host/host.ts';
import { DEAD_LETTERS_TABLE } from '../src/runtime/lanes/dead-letter-table.ts';
import { createLaneLog } from '../src/runtime/lanes/log.ts';
import { laneTable } from '../src/runtime/lanes/pending-effects.ts';
import { soleOwner } from '../src/runtime/leases/ownership.ts';
import { createPendingWork, openWorkFile } from '../src/runtime/pending-work.ts';
import { deriveSecrets } from '../src/runtime/vault/secrets.ts';
import { createVault } from '../src/runtime/vault/vault.ts';

const [retentionDays = 30, visitorsADay = 300, days = 365] = process.argv.slice(2).map(Number);
const SECOND = 1_000;
const HOUR = 3_600 * SECOND;
const DAY = 24 * HOUR;
const START = Date.parse('2026-01-01T08:00:00Z');
/** Of the visitors of a day: they come every day, or never again. */
const REGULARS = 40;
/** One of so many visitors has a chat. */
const CHATS_ONE_IN = 5;
/** Page views of the bot in a day: one each six minutes, so it never times out. */
const BOT_VIEWS = 240;
const AT_ONCE = 64;
/** Tables of pending work whose rows the report counts. */
const PENDING = [
  'deadlines',
  'lane_work',
  'desired_visitors',
  'dead_letters',
  'ended_histories',
  'gone_visitors',
  'retention_work',
];
const WAIT_MS = 120_000;
const DELAYS = {
  hardTimeout: 600 * SECOND,
  cleanupAfter: DAY,
  invitationTimeout: 120 * SECOND,
  offerTimeout: 60 * SECOND,
  chatIdle: DAY,
};

let now = START;
const clock = () => now;
const folder = mkdtempSync(join(tmpdir(), 'retention-year-'));
const logger = pino({ level: 'warn' });
const tenant = TenantId.parse('site');
const settings = TenantSettings.parse({
  id: 'site',
  host: 'xmpp.test',
  apiKey: 'key-of-the-site-0123456789',
  retention: retentionDays * 86_400,
});
const tenants = createTenantDirectory([tenantOf(settings, 'file')]);
const store = await openEventStore(`sqlite:${join(folder, 'events.db')}`);
const { wrapping } = deriveSecrets(['the service secret of the bench']);
const vault = createVault({ store, wrapping, now: clock, newId });
const snapshotFile = openSnapshotFile(join(folder, 'snapshots.db'));
const snapshots = createSnapshotStore(snapshotFile, { storeId: store.id });
const db = openWorkFile(join(folder, 'work.db'));
const host = createHost({
  // Nobody waits for others here, and a patient append would wait for its own sake.
  store: { ...store, append: (stream, events, expected) => store.append(stream, events, expected) },
  vault,
  snapshots,
  now: clock,
  newId,
  logger,
  random: Math.random,
});
const actors = createActors(host, newId);
const work = createPendingWork({
  db,
  store,
  logger,
  tables: [
    DEADLINES_TABLE,
    laneTable([XMPP_FILTER, LHC_FILTER]),
    DESIRED_VISITORS_TABLE,
    DEAD_LETTERS_TABLE,
    RETENTION_TABLE,
  ],
});
const readVault = createVault({ store, wrapping, now: clock, newId });
const projections = createProjections({
  path: join(folder, 'projections.db'),
  store,
  vault: readVault,
  now: clock,
});
const caughtUp = async (): Promise<void> => {
  const head = await store.head();
  if (!head) return;
  await Promise.all([work.waitFor(head, WAIT_MS), projections.waitFor(head, WAIT_MS)]);
};
const retention = createRetention({
  tables: openRetentionTables(db),
  store,
  vault,
  actors,
  tenants,
  ownership: soleOwner,
  destinations: [XMPP_FILTER.name, LHC_FILTER.name],
  caughtUp,
  now: clock,
  monotonic: () => performance.now(),
  logger,
  share: 1,
});
work.subscribe(host);
work.subscribe(retention);
const ending = new AbortController();
const following = [work.run(ending.signal), projections.start(ending.signal)];
retention.start(null);

const lanes = createLaneLog({ store, now: clock, newId, hasLetter: () => false });
const desired = createDesiredVisitors(db);
const limited = createLimiter(AT_ONCE);
const olga = Username.parse('olga');

const keyOf = (name: string) => VisitorKey.parse(name);
const send = (name: string, command: VisitorCommand) =>
  host.dispatch(visitorRef(tenant, keyOf(name)), command, { commandId: `auto:${newId()}` });

let pages = 0;
const view = (name: string) =>
  send(name, {
    type: 'ViewPage',
    digest: `page ${pages++}`,
    department: null,
    delays: DELAYS,
    profile: { nick: `Visitor ${name}`, page: `https://shop.test/products/${pages % 997}` },
  });

/** What the lanes of a visitor's stream would write. */
async function perform(name: string): Promise<void> {
  const stream = `visitor-${tenant}.${name}`;
  const [last] = await store.readStream(stream, { direction: 'backwards', limit: 1 });
  if (!last) return;
  await lanes.advance(stream, XMPP_FILTER.name, last);
  await lanes.advance(stream, LHC_FILTER.name, last);
}

async function chat(name: string, chatId: string): Promise<void> {
  const words = 'Do you have this in another colour, and how long does the delivery take?';
  const text = { digest: 'aa0123', chatId };
  await send(name, { type: 'StartChat', chatId, department: null, delays: DELAYS });
  await send(name, { type: 'SendMessage', messageId: `${chatId}-1`, body: words, ...text });
  await send(name, {
    type: 'AssignChat',
    chatId,
    operator: olga,
    reservation: chatId,
    reason: 'last-served',
  });
  for (let n = 2; n < 5; n++) {
    const id = `${chatId}-${n}`;
    await send(name, {
      type: 'ReceiveOperatorMessage',
      operator: olga,
      messageId: `o-${id}`,
      body: words,
    });
    await send(name, { type: 'SendMessage', messageId: id, body: words, ...text });
    await send(name, { type: 'ReportMessageDelivered', messageIds: [id], by: 'receipt' });
  }
  await send(name, { type: 'ReportMessageDelivered', messageIds: [`${chatId}-1`], by: 'receipt' });
  await send(name, { type: 'CloseChat', chatId, by: 'visitor', reason: null });
}

async function visit(name: string, day: number, withChat: boolean): Promise<void> {
  await view(name);
  await send(name, { type: 'ReportAccountReady' });
  await send(name, { type: 'ReportLoggedIn' });
  await view(name);
  if (withChat) await chat(name, `c-${name}-${day}`);
  await perform(name);
}

/** Fires what is due by the simulated clock, and reports what would follow. */
async function wake(): Promise<void> {
  await caughtUp();
  const due = db.prepare('SELECT stream FROM deadlines WHERE try_at <= ?').all(now);
  const all = due.map(({ stream }) =>
    limited(async () => {
      const name = String(stream).slice(`visitor-${tenant}.`.length);
      await host.wake(String(stream));
      const state = await actors.visitor(tenant, keyOf(name)).state();
      if (state?.presence === 'online') return;
      await send(name, { type: 'ReportLoggedOut', reason: 'left' });
      await perform(name);
    }),
  );
  await Promise.all(all);
  await caughtUp();
  for (const { key, gone } of [...desired.pending(tenant)]) {
    if (gone) desired.accountRemoved({ tenant, key });
  }
}

const count = (file: DatabaseSync, sql: string): number => Number(file.prepare(sql).get()?.n);
const rows = (file: DatabaseSync, table: string) =>
  count(file, `SELECT count(*) AS n FROM ${table}`);
const mib = (bytes: number): string => (bytes / 1024 / 1024).toFixed(1);
const size = (name: string): number => statSync(join(folder, name)).size;

function report(month: number, facts: number): void {
  const log = new DatabaseSync(join(folder, 'events.db'), { readOnly: true });
  const number = projections.builds().current?.number;
  const models = new DatabaseSync(join(folder, `projections.db.${number}`), { readOnly: true });
  const free = count(
    log,
    'SELECT freelist_count * page_size AS n FROM pragma_freelist_count, pragma_page_size',
  );
  const columns = {
    month,
    'facts written': facts,
    'in the log': rows(log, 'events'),
    'streams with facts': count(log, 'SELECT count(DISTINCT stream_id) AS n FROM events'),
    'names of streams': rows(log, 'streams'),
    floors: rows(log, 'floors'),
    'highest floor': count(log, 'SELECT max(revision) AS n FROM floors'),
    'log, MiB': mib(size('events.db')),
    'free in it': mib(free),
    visitors: rows(models, 'visitors'),
    messages: rows(models, 'messages'),
    chats: rows(models, 'chats'),
    'read models, MiB': mib(size(`projections.db.${number}`)),
    'pending work': PENDING.reduce((sum, table) => sum + rows(db, table), 0),
    'work.db, MiB': mib(size('work.db')),
    snapshots: rows(snapshotFile, 'snapshots'),
    'data keys': count(
      log,
      `SELECT count(DISTINCT stream_id) AS n FROM events WHERE type = 'DataKeyCreated'`,
    ),
  };
  if (month === 1) {
    console.log(`| ${Object.keys(columns).join(' | ')} |`);
    console.log(`|${'---|'.repeat(Object.keys(columns).length)}`);
  }
  console.log(`| ${Object.values(columns).join(' | ')} |`);
  log.close();
  models.close();
}

async function headNumber(): Promise<number> {
  const log = new DatabaseSync(join(folder, 'events.db'), { readOnly: true });
  const last = count(log, 'SELECT max(position) AS n FROM events');
  log.close();
  return last;
}

const began = performance.now();
try {
  for (let day = 1; day <= days; day++) {
    now = START + (day - 1) * DAY;
    const regulars = Array.from({ length: Math.min(REGULARS, visitorsADay) }, (_, i) => `r${i}`);
    const others = Array.from({ length: visitorsADay - regulars.length }, (_, i) => `d${day}-${i}`);
    const all = [...regulars, ...others].map((name, i) =>
      limited(() => visit(name, day, i % CHATS_ONE_IN === day % CHATS_ONE_IN)),
    );
    await Promise.all(all);
    const night = START + day * DAY - SECOND;
    for (let n = 0; n < BOT_VIEWS && now < night; n++) {
      now = Math.max(now, START + (day - 1) * DAY + (n * DAY) / BOT_VIEWS);
      await view('bot');
      if (n === 10) await wake(); // half an hour later the visitors time out
    }
    now = night;
    await wake(); // the visitors of yesterday are cleaned up
    await perform('bot');
    await retention.look();
    host.passivate(HOUR);
    if (day % 30 === 0 || day === days) {
      await caughtUp();
      report(Math.ceil(day / 30), await headNumber());
    }
  }
  console.log(`${Math.round((performance.now() - began) / 1000)} s`);
} finally {
  ending.abort();
  await Promise.all(following);
  projections.close();
  await store.close();
  db.close();
  snapshotFile.close();
  rmSync(folder, { recursive: true });
}
