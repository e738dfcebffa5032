/** Two transports, as in two processes: a visitor moves from one to the other while an operator's client watches. */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { pino } from 'pino';
import { beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest';
import { createEjabberdAdmin } from '../../../src/xmpp/admin/admin.ts';
import type { VisitorTransport } from '../../../src/xmpp/port.ts';
import {
  type AccountsOptions,
  createAccountsTransport,
} from '../../../src/xmpp/sessions/accounts.ts';
import { testEjabberd } from '../../support/ejabberd.ts';
import { connectOperator, type Operator } from '../../support/operator.ts';
import { waitFor } from '../../support/wait.ts';

const ejabberd = await testEjabberd();
const admin = createEjabberdAdmin({ url: ejabberd.apiUrl, ...ejabberd.api });
const operatorJid = `op1@${ejabberd.host}`;
const logger = pino({ level: process.env.LOG_LEVEL ?? 'silent' });
const transports: VisitorTransport[] = [];
let operator: Operator;
let visitors = 0;

async function newVisitors(count: number): Promise<string[]> {
  const jids = Array.from({ length: count }, () => `visitor.${++visitors}@${ejabberd.host}`);
  for (const jid of jids) {
    await admin.register(jid, 'secret');
    await admin.joinGroup(jid, 'visitors');
  }
  return jids;
}

/** A process: its transport, whether it owns the visitors, and the calls of its listener. */
function owner(options: Partial<AccountsOptions> = {}) {
  const state = { owns: true };
  const transport = createAccountsTransport({
    service: ejabberd.xmpp,
    passwordOf: () => 'secret',
    logger,
    retry: { firstMs: 50, mostMs: 500 },
    owns: () => state.owns,
    ...options,
  });
  const events: string[] = [];
  transport.listen({
    sessionStarted: (jid) => events.push(`started ${jid}`),
    sessionLost: (jid, _reason, final) => events.push(`${final ? 'stopped' : 'lost'} ${jid}`),
  });
  transports.push(transport);
  const online = (jids: readonly string[], status: string) =>
    Promise.all(jids.map((jid) => transport.online(jid, { status, nick: 'N' })));
  return { transport, state, events, online };
}

const statusOf = (jid: string) => operator.presences.get(jid)?.status;
const isSeen = (jid: string) => operator.presences.get(jid)?.available === true;

/** Measures for how long contacts look absent to the operator's client. */
function absences(jids: readonly string[]) {
  const since = new Map<string, number>();
  let longest = 0;
  const look = () => {
    const now = performance.now();
    for (const jid of jids) {
      if (!isSeen(jid)) since.set(jid, since.get(jid) ?? now);
      else if (since.has(jid)) {
        longest = Math.max(longest, now - (since.get(jid) ?? now));
        since.delete(jid);
      }
    }
  };
  const timer = setInterval(look, 1);
  return {
    end() {
      clearInterval(timer);
      look();
      return { longest, absent: since.size };
    },
  };
}

beforeAll(async () => {
  await admin.ensureGroups(ejabberd.host, { visitors: 'visitors', operators: 'operators' });
  await admin.register(operatorJid, 'secret');
  await admin.joinGroup(operatorJid, 'operators');
});

beforeEach(async () => {
  operator = await connectOperator({
    service: ejabberd.xmpp,
    domain: ejabberd.host,
    username: 'op1',
    password: 'secret',
  });
  return async () => {
    await Promise.all(transports.splice(0).map((each) => each.close(2_000)));
    await operator.disconnect();
  };
});

test('a hundred visitors are handed over: absent for a moment at most, and the old process gets no events', async () => {
  const jids = await newVisitors(100);
  const [a, b] = [owner(), owner()];
  await a.online(jids, 'of a');
  await operator.waitFor(() => jids.every(isSeen));
  const before = [...a.events];
  const watch = absences(jids);
  a.state.owns = false;
  const over = a.transport.releaseAll(10_000);
  expect([a.transport.handOverCount(), a.transport.sessions().length]).toEqual([100, 0]);
  expect(jids.some((jid) => a.transport.isOnline(jid))).toBe(false);
  await operator.acknowledged();
  expect(jids.every(isSeen)).toBe(true); // a released session is still logged in
  await b.online(jids, 'of b');
  await over;
  await operator.waitFor(() => jids.every((jid) => isSeen(jid) && statusOf(jid) === 'of b'));
  await operator.acknowledged();
  const { longest, absent } = watch.end();
  expect(absent).toBe(0);
  // 2–70 ms on 23.01 and 24.12, 105–135 ms on 26.07, whose new session waits for the old one (ADR 0012).
  expect(longest).toBeLessThan(1_000);
  expect(a.events).toEqual(before);
  expect(a.transport.handOverCount()).toBe(0);
  expect(await admin.sessions(jids[0] ?? '')).toHaveLength(1);
});

test('messages that the old process sent are taken, and those of the new one arrive', async () => {
  const [jid = ''] = await newVisitors(1);
  const [a, b] = [owner(), owner()];
  await a.online([jid], 'of a');
  const message = (id: string) => ({ id, from: jid, to: operatorJid, body: id });
  const sent = a.transport.send(message('old'));
  a.transport.release(jid, 10_000);
  await sent;
  await expect(a.transport.send(message('late'))).rejects.toMatchObject({ code: 'unavailable' });
  await b.online([jid], 'of b');
  await b.transport.send(message('new'));
  await operator.acknowledged();
  expect(operator.messages.map(({ id }) => id)).toEqual(['old', 'new']);
});

test('a visitor whom no process takes over is logged out after the time, without events', async () => {
  const [jid = ''] = await newVisitors(1);
  const a = owner();
  await a.online([jid], 'of a');
  await operator.waitFor(() => isSeen(jid));
  a.transport.release(jid, 100);
  a.transport.release(jid, 10_000); // the shorter time counts
  await operator.waitFor(() => operator.presences.get(jid)?.available === false);
  await waitFor(async () => (await admin.sessions(jid)).length === 0);
  expect([a.events, a.transport.handOverCount()]).toEqual([[`started ${jid}`], 0]);
});

test('online cancels a hand-over: the same session goes on with the latest presence', async () => {
  const [same = '', other = '', gone = ''] = await newVisitors(3);
  const a = owner();
  const jids = [same, other, gone];
  await a.online(jids, 'first');
  await operator.waitFor(() => jids.every((jid) => statusOf(jid) === 'first'));
  const before = operator.presenceStanzas.length;
  const over = a.transport.releaseAll(10_000);
  await a.online([same], 'first');
  await a.online([other], 'second');
  await a.transport.offline(gone);
  await over;
  await operator.waitFor(() => statusOf(other) === 'second');
  await operator.waitFor(() => !isSeen(gone));
  await operator.acknowledged();
  expect(operator.presenceStanzas.length).toBe(before + 2);
  // Reported as started again, because messages that were taken may have been lost meanwhile.
  expect(a.events.slice(3)).toEqual([`started ${same}`, `started ${other}`]);
  await a.transport.send({ id: 'm', from: same, to: operatorJid, body: 'here' });
});

test('release aborts a login in progress', async () => {
  const [jid = ''] = await newVisitors(1);
  const a = owner();
  const coming = a.online([jid], 'of a');
  a.transport.release(jid, 10_000);
  await expect(coming).rejects.toMatchObject({ code: 'unavailable' });
  expect([a.transport.handOverCount(), a.transport.sessions(), a.events]).toEqual([0, [], []]);
  expect(await admin.sessions(jid)).toEqual([]);
});

test('a process that slept while another took over does not log in again', async () => {
  const jids = await newVisitors(5);
  const [a, b] = [owner(), owner()];
  await a.online(jids, 'of a');
  a.state.owns = false; // its lease has ended by the clock, and it has not noticed
  await b.online(jids, 'of b');
  await waitFor(() => a.transport.sessions().length === 0);
  const [jid = ''] = jids;
  await expect(a.online([jid], 'mine')).rejects.toMatchObject({ code: 'unavailable' });
  await operator.waitFor(() => jids.every((each) => isSeen(each) && statusOf(each) === 'of b'));
  expect(b.events.filter((event) => !event.startsWith('started'))).toEqual([]);
  expect(b.transport.sessions()).toHaveLength(5);
});

/** A network between a process and ejabberd that can be cut. */
async function network() {
  const open = new Set<Socket>();
  let accepted = 0;
  const server = createServer((near) => {
    accepted += 1;
    const far = connect(ejabberd.c2sPort, '127.0.0.1');
    for (const socket of [near, far]) {
      open.add(socket);
      socket.on('error', () => undefined);
    }
    near.pipe(far).pipe(near);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo; // listens on a port
  return {
    service: `xmpp://127.0.0.1:${port}`,
    accepted: () => accepted,
    cut: () => {
      for (const socket of open) socket.destroy();
    },
  };
}

test('nor does a process whose connections broke meanwhile, or which was about to log in', async () => {
  const [lost = '', late = ''] = await newVisitors(2);
  const gate = Promise.withResolvers<string>();
  const between = await network();
  const a = owner({
    service: between.service,
    passwordOf: (jid) => (jid === late ? gate.promise : 'secret'),
  });
  const b = owner();
  await a.online([lost], 'of a');
  const coming = a.online([late], 'of a');
  a.state.owns = false;
  between.cut();
  await waitFor(() => a.events.length === 2);
  expect(a.events[1]).toBe(`stopped ${lost}`); // not `lost`, which would mean that a login follows
  await b.online([lost, late], 'of b');
  gate.resolve('secret');
  await expect(coming).rejects.toMatchObject({ code: 'unavailable' });
  expect([between.accepted(), a.transport.sessions()]).toEqual([1, []]);
  for (const jid of [lost, late]) {
    await b.transport.send({ id: `m-${jid}`, from: jid, to: operatorJid, body: 'here still' });
    await operator.waitFor(() => isSeen(jid) && statusOf(jid) === 'of b');
  }
  expect(b.events.filter((event) => !event.startsWith('started'))).toEqual([]);
});

test('a process that loses its visitors during a login logs out and sends no presence', async () => {
  const [jid = ''] = await newVisitors(1);
  const a = owner();
  let calls = 0;
  // The first three calls: online, before the login, and when its turn has come. The fourth is after the login.
  const lapsing = owner({ owns: () => ++calls <= 3 });
  await expect(lapsing.online([jid], 'of a')).rejects.toMatchObject({ code: 'unavailable' });
  await waitFor(async () => (await admin.sessions(jid)).length === 0);
  expect([lapsing.transport.sessions(), lapsing.events]).toEqual([[], [`stopped ${jid}`]]);
  await operator.acknowledged();
  expect(operator.presences.get(jid)?.status).not.toBe('of a');
  await a.online([jid], 'of the owner');
});
