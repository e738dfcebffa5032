/**
 * The time from a visitor's message over HTTP to the operator's client. The reference is what durability itself costs: a
 * bare XMPP client that first appends one flushed event through the port, under the same load.
 */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { client } from '@xmpp/client';
import xml from '@xmpp/xml';
import type { EventStore, NewEvent } from '../src/eventstore/port.ts';
import { openSqliteEventStore } from '../src/eventstore/sqlite/store.ts';
import { newId } from '../src/kit/id.ts';
import { openStream, type Stream } from '../src/xmpp/sessions/login-stream.ts';
import { messageStanza } from '../src/xmpp/stanzas.ts';
import type { PageViewCounts, PageViewLoad } from './page-view-load.ts';
import { startChild } from './processes.ts';
import { openConnection, type RawConnection } from './raw-http.ts';
import { type Rig, startRig } from './rig.ts';
import { mediansOf, quantile, type Row } from './row.ts';

const CHATS = 20;
const MESSAGES_PER_S = 50;
const PAGE_VIEWS = { rate: 200, visitors: 200, connections: 10 };
const ROUNDS = 4;
const ROUND_MS = 2_500;
const SETTLE_DEADLINE_MS = 30_000;
const ARRIVAL_DEADLINE_MS = 5_000;
const BODY = 'Do you have these in 43, and when could they be here?';

/** The callbacks that wait for a message, by its id. */
type Arrivals = Map<string, (at: number) => void>;

function loginOperator(rig: Rig, arrivals: Arrivals): Promise<Stream> {
  const { username, password } = rig.operator;
  return openStream(
    {
      service: rig.ejabberd.xmpp,
      domain: rig.ejabberd.host,
      username,
      password,
      resource: 'bench',
      loginDeadlineMs: 10_000,
      allowPlaintext: false,
    },
    {
      stanza({ name, attrs: { id } }) {
        if (name === 'message' && id !== undefined) arrivals.get(id)?.(performance.now());
      },
      lost: () => undefined, // The callback of a message that does not arrive has a deadline.
    },
  );
}

/** The reference: xmpp.js alone, logged in as another operator. Strangers may not write to operators. */
async function loginBare(rig: Rig) {
  const { xmpp: service, host: domain } = rig.ejabberd;
  const account = { username: 'writer', password: randomUUID() };
  const settings = { lhcUserId: 2, name: 'Walter', departments: [], password: account.password };
  await rig.http('PUT', `/operators/${account.username}`, settings);
  const bare = client({ service, domain, ...account });
  bare.on('error', () => undefined); // As above.
  await bare.start();
  return bare;
}

/** Connections to the service that have no request now. */
const idle: RawConnection[] = [];

async function post(rig: Rig, path: string, body: unknown): Promise<void> {
  const text = JSON.stringify(body);
  const head = [
    `POST /v1/${rig.tenant}${path} HTTP/1.1`,
    `Host: 127.0.0.1:${rig.port}`,
    `Authorization: Bearer ${rig.apiKey}`,
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(text)}`,
  ];
  const connection = idle.pop() ?? openConnection(rig.port);
  const answer = await connection.ask(`${head.join('\r\n')}\r\n\r\n${text}`);
  idle.push(connection);
  if (!answer.startsWith('HTTP/1.1 202 ')) throw new Error(`${path}: ${answer}`);
}

/** Sends messages at the rate for one round. @returns how long each took, in ms */
async function measure(
  arrivals: Arrivals,
  send: (id: string, n: number) => Promise<void> | void,
): Promise<number[]> {
  const took: Promise<number>[] = [];
  const start = performance.now();
  for (let n = 0; n * (1000 / MESSAGES_PER_S) < ROUND_MS; n++) {
    await delay(Math.max(0, start + n * (1000 / MESSAGES_PER_S) - performance.now()));
    const id = randomUUID();
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const sent = performance.now();
    const late = setTimeout(
      () => reject(new Error('a message did not arrive')),
      ARRIVAL_DEADLINE_MS,
    );
    arrivals.set(id, (at) => {
      arrivals.delete(id);
      clearTimeout(late);
      resolve(at - sent);
    });
    took.push(Promise.all([promise, send(id, n)]).then(([ms]) => ms));
  }
  return Promise.all(took);
}

/** Starts chats of the operator, each with a message that has arrived. */
async function openChats(rig: Rig, arrivals: Arrivals): Promise<void> {
  const begun = Array.from({ length: CHATS }, async (_, n) => {
    const id = randomUUID();
    const { promise, resolve } = Promise.withResolvers<number>();
    arrivals.set(id, resolve);
    await post(rig, `/visitors/chat-${n}/page-views`, { page: 'https://shop.example/' });
    const message = { id, body: BODY };
    await post(rig, `/visitors/chat-${n}/chats`, { chatId: `c${n}`, department: 'sales', message });
    await promise;
  });
  await Promise.race([
    Promise.all(begun),
    delay(SETTLE_DEADLINE_MS, undefined, { ref: false }).then(() => {
      throw new Error('the chats did not start');
    }),
  ]);
}

/** A fact like that of a visitor's message. */
const said = (id: string): NewEvent => ({
  id: newId(),
  type: 'VisitorMessageSent',
  schemaVersion: 1,
  data: { messageId: id, chatId: 'bench', body: BODY },
  personal: null,
  metadata: {
    tenant: 'bench',
    at: Date.now(),
    commandId: id,
    correlationId: id,
    causationId: id,
    machine: 'visitor/1',
  },
});

/** p50 and p99 of the time to the operator's client under page views and messages. */
export async function benchMessages(execArgv: readonly string[]): Promise<Row[]> {
  const load = startChild<PageViewLoad, PageViewCounts>('page-view-load.ts');
  const rig = await startRig(execArgv);
  const arrivals: Arrivals = new Map();
  const dir = mkdtempSync(join(tmpdir(), 'bench-messages-'));
  let store: EventStore | undefined;
  let operator: Stream | undefined;
  try {
    operator = await loginOperator(rig, arrivals);
    operator.send(xml('presence'));
    const sender = await loginBare(rig);
    store = await openSqliteEventStore(join(dir, 'events.db'));
    const { append } = store;
    await openChats(rig, arrivals);

    const { port, tenant, apiKey } = rig;
    const target = { port, tenant, apiKey, ...PAGE_VIEWS };
    await load.ask({ ...target, ms: 1_000, firstPage: 0 });
    await rig.settled(SETTLE_DEADLINE_MS);
    const ms = (ROUNDS + 1) * 2 * (ROUND_MS + 250);
    const loading = load.ask({ ...target, ms, firstPage: 1_000_000 });

    const viaService = (id: string, n: number): Promise<void> =>
      post(rig, `/visitors/chat-${n % CHATS}/messages`, { id, body: BODY });
    const to = `${rig.operator.username}@${rig.ejabberd.host}`;
    const viaBareClient = async (id: string): Promise<void> => {
      await append(`visitor-bench.${id}`, [said(id)], 'no-stream');
      const stanza = messageStanza({ id, from: '', to, body: BODY });
      delete stanza.attrs.from; // The server adds that of the session.
      await sender.send(stanza);
    };

    const rounds: { value: number[]; reference: number[] }[] = [];
    for (let i = 0; i <= ROUNDS; i++) {
      const reference = await measure(arrivals, viaBareClient);
      rounds.push({ reference, value: await measure(arrivals, viaService) });
    }
    const { statuses } = await loading;
    if (Object.keys(statuses).join() !== '202') throw new Error(JSON.stringify(statuses));

    await sender.stop();
    const warm = rounds.slice(1);
    const row = (name: string, q: number): Row => ({
      name: `message to the operator's client, ${name}`,
      unit: 'ms',
      ...mediansOf(
        warm.map(({ value, reference }) => ({
          value: quantile(value, q),
          reference: quantile(reference, q),
        })),
      ),
      aim: 1.5,
      better: 'lower',
    });
    return [row('p50', 0.5), row('p99', 0.99)];
  } finally {
    for (const connection of idle.splice(0)) connection.close();
    operator?.destroy('the benchmark is over');
    await Promise.all([rig.close(), load.stop(), store?.close()]);
    rmSync(dir, { recursive: true });
  }
}
