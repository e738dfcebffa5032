import { randomUUIDv7 } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { streamOf, type TenantId, Username, VisitorKey, visitorRef } from '../src/actors/ids.ts';
import {
  type ActorState,
  decide,
  emptyState,
  type Fact,
  fold,
  type Wake,
} from '../src/actors/machine/decider.ts';
import { nextDue } from '../src/actors/machine/timers.ts';
import { type VisitorCommand, visitorDecider } from '../src/actors/visitor/decisions.ts';
import type { VisitorDelays } from '../src/actors/visitor/facts.ts';
import type { EventStore, NewEvent, Position } from '../src/eventstore/port.ts';
import { openSqliteEventStore } from '../src/eventstore/sqlite/store.ts';
import { mediansOf, type Round, type Row } from './row.ts';

const VISITORS = 1000;
const ROUNDS = 9;

const DELAYS: VisitorDelays = {
  hardTimeout: 300_000,
  cleanupAfter: 86_400_000,
  invitationTimeout: 120_000,
  offerTimeout: 60_000,
  chatIdle: 86_400_000,
};

const empty = (): ActorState => emptyState(visitorDecider);

/** A visit: some pages, for every fourth visitor a chat of a dozen messages, and the end of the visit. */
function visit(n: number): [at: number, command: VisitorCommand | Wake][] {
  const start = 1_700_000_000_000 + n * 1000;
  const commands: [number, VisitorCommand | Wake][] = [];
  const ask = (after: number, command: VisitorCommand | Wake) => {
    commands.push([(commands.at(-1)?.[0] ?? start) + after, command]);
  };
  for (let page = 0; page < 10; page++) {
    const digest = `${n}-${page}`.padEnd(22, 'x');
    ask(15_000, { type: 'ViewPage', digest, department: null, delays: DELAYS, profile: {} });
    if (page === 0) ask(500, { type: 'ReportLoggedIn' });
  }
  if (n % 4 === 0) {
    const chatId = `${n}`;
    const operator = Username.parse('ada');
    ask(9000, { type: 'StartChat', chatId, department: 'sales', delays: DELAYS });
    ask(50, {
      type: 'AssignChat',
      chatId,
      operator,
      reservation: `r${n}`,
      reason: 'least-loaded',
    });
    for (let turn = 0; turn < 6; turn++) {
      const id = `${n}-${turn}`;
      ask(9000, { type: 'SendMessage', messageId: id, chatId, body: '' });
      ask(20, { type: 'ReportMessageTaken', messageIds: [id] });
      ask(80, { type: 'ReportMessageDelivered', messageIds: [id], by: 'ping' });
      ask(20_000, {
        type: 'ReceiveOperatorMessage',
        operator,
        messageId: `o${id}`,
        body: '',
      });
    }
    ask(9000, { type: 'CloseChat', chatId, by: 'visitor', reason: null });
  }
  ask(300_000, { type: 'Wake' });
  ask(10, { type: 'ReportLoggedOut', reason: 'timed out' });
  return commands;
}

/** The envelope as the runtime writes it. A page view has some 600 B in the store. */
const envelope = (
  fact: Fact,
  at: number,
  wakeAt: number | undefined,
  commandId: string,
): NewEvent => ({
  id: randomUUIDv7(),
  type: fact.type,
  schemaVersion: 1,
  data: fact.data,
  personal: fact.personal
    ? { key: 'demo.visitor', box: 'Vm9uIGRlciBTZWl0ZSBkZXMgQmVzdWNoZXJz'.repeat(4) }
    : null,
  metadata: {
    tenant: 'demo',
    at,
    ...(wakeAt === undefined ? {} : { wakeAt }),
    commandId,
    correlationId: commandId,
    causationId: commandId,
    machine: visitorDecider.version,
  },
});

/** Visits of many visitors at the same time, so that the facts of one visitor are far apart in the log, as in production. */
async function fill(store: EventStore): Promise<void> {
  const visitors = Array.from({ length: VISITORS }, (_, n) => {
    const key = VisitorKey.parse(`v${n}`);
    const stream = streamOf(visitorRef('demo' as TenantId, key)); // The benchmark uses a valid id.
    return { stream, state: empty(), commands: visit(n) };
  });
  const most = Math.max(...visitors.map(({ commands }) => commands.length));
  for (let i = 0; i < most; i++) {
    await Promise.all(
      visitors.map(async (visitor) => {
        const [now, command] = visitor.commands[i] ?? [];
        if (now === undefined || command === undefined) return;
        const { core } = visitor.state;
        const decision = decide(visitorDecider, visitor.state, command, now);
        if (decision.facts.length === 0) return;
        const commandId = randomUUIDv7();
        const due = nextDue(decision.core);
        const events = decision.facts.map((fact) => envelope(fact, decision.at, due, commandId));
        await store.append(visitor.stream, events, core.revision < 0 ? 'no-stream' : core.revision);
        visitor.state = { ...visitor.state, core: decision.core };
      }),
    );
  }
}

/** Reads the whole log through the port and folds every visitor. @returns the number of events */
async function replay(store: EventStore): Promise<number> {
  const states = new Map<string, ActorState>();
  let after: Position | undefined;
  for (let count = 0; ; ) {
    const page = await store.readAll(after === undefined ? {} : { after });
    for (const event of page) {
      const state = states.get(event.stream) ?? empty();
      states.set(event.stream, fold(visitorDecider, state, [event]));
    }
    count += page.length;
    after = page.at(-1)?.position;
    if (after === undefined) return count;
  }
}

/** The least that any fold needs: it reads every row and parses its JSON. */
function scan(db: DatabaseSync): number {
  let count = 0;
  let bytes = 0;
  const rows = db.prepare('SELECT stream_id, revision, type, body FROM events ORDER BY position');
  for (const { body } of rows.iterate()) {
    const { metadata } = JSON.parse(String(body));
    bytes += metadata.commandId.length;
    count += 1;
  }
  if (bytes === 0) throw new Error('nothing was parsed');
  return count;
}

const perSecond = async (work: () => Promise<number> | number): Promise<number> => {
  const start = performance.now();
  const count = await work();
  return (count / (performance.now() - start)) * 1000;
};

/** Events folded a second, compared with a scan and JSON.parse of the same rows. The rounds alternate. */
export async function benchFold(): Promise<Row[]> {
  const dir = mkdtempSync(join(tmpdir(), 'bench-fold-'));
  const path = join(dir, 'events.db');
  const store = await openSqliteEventStore(path);
  const db = new DatabaseSync(path, { readOnly: true });
  try {
    await fill(store);
    const rounds: Round[] = [];
    for (let round = 0; round <= ROUNDS; round++) {
      const value = await perSecond(() => replay(store));
      rounds.push({ value, reference: await perSecond(() => scan(db)) });
    }
    return [
      {
        name: 'fold',
        unit: 'events/s',
        ...mediansOf(rounds.slice(1)), // The first round is the warm-up.
        aim: 0.3,
        better: 'higher',
      },
    ];
  } finally {
    db.close();
    await store.close();
    rmSync(dir, { recursive: true, force: true });
  }
}
