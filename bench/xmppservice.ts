/**
 * The xmppservice wire: page views beside those of the native API in the same run, and new visitors beside the calls of
 * ejabberd's admin API that a new visitor needs.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { avatarOf } from '../src/xmpp/admin/avatar.ts';
import { vcardStanza } from '../src/xmpp/stanzas.ts';
import type { PageViewCounts, PageViewLoad } from './page-view-load.ts';
import { startChild } from './processes.ts';
import { startRig } from './rig.ts';
import { mediansOf, type Round, type Row } from './row.ts';

const VISITORS = 500;
const CONNECTIONS = 50;
const ROUNDS = 6;
const ROUND_MS = 2_000;
const WARM_UP_MS = 1_500;
const SETTLE_DEADLINE_MS = 180_000;
/** New visitors of one round. */
const NEW_VISITORS = 100;
const NEW_ROUNDS = 4;
/** Calls of the admin API at the same time, as many as the service has under way. */
const CALLS_AT_ONCE = 20;

type Rig = Awaited<ReturnType<typeof startRig>>;

type Args = Readonly<Record<string, string>>;

/** A call of ejabberd's admin API. @returns the body */
async function call({ ejabberd }: Rig, command: string, args: Args): Promise<string> {
  const { user, password } = ejabberd.api;
  const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  const answer = await fetch(`${ejabberd.apiUrl}/${command}`, {
    method: 'POST',
    headers: { authorization, 'content-type': 'application/json' },
    body: JSON.stringify(args),
  });
  // A new account has no vCard: 500.
  if (!answer.ok && command !== 'get_vcard') throw new Error(`${command}: ${answer.status}`);
  return answer.text();
}

const membersOf = async (rig: Rig, group: string): Promise<string[]> =>
  JSON.parse(await call(rig, 'srg_get_members', { group, host: rig.ejabberd.host }));

/** Visitors a second whose accounts ejabberd has, with name and group, after the calls alone. */
async function bareCalls(rig: Rig, round: number): Promise<number> {
  const { host } = rig.ejabberd;
  const one = async (n: number): Promise<void> => {
    const name = `bare-${round}-${n}`;
    const jid = `${name}@${host}`;
    await call(rig, 'register', { user: name, host, password: randomBytes(16).toString('hex') });
    await call(rig, 'get_vcard', { user: name, host, name: 'NICKNAME' });
    const stanza = vcardStanza(jid, { name: `Visitor ${n}`, png: avatarOf(jid) }).toString();
    await call(rig, 'send_stanza', { from: jid, to: jid, stanza });
    await call(rig, 'srg_user_add', { user: name, host, group: 'bare', grouphost: host });
  };
  const start = performance.now();
  await shared(NEW_VISITORS, CALLS_AT_ONCE, one);
  return (NEW_VISITORS / (performance.now() - start)) * 1000;
}

/** Visitors a second from LHC's first call until all have their account and are in the group. */
async function registered(rig: Rig, round: number): Promise<number> {
  const { ejabberd, node } = rig;
  const one = async (n: number): Promise<void> => {
    const answer = await fetch(`http://127.0.0.1:${node.port}/xmpp-register-online-visitor`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        user: `visitor.new-${round}-${n}`,
        host: ejabberd.host,
        password: randomBytes(10).toString('hex'),
        hostlogin: 'localhost',
        nick: `Visitor ${n}`,
        status: '/shoes\n| Time zone: Europe/Berlin (10:11:12)\n| Visits - 1',
        group: 'visitors',
        secret_key: node.secretKey,
      }),
    });
    const text = await answer.text();
    if (!text.includes('"error":false')) throw new Error(`registration: ${text}`);
  };
  const start = performance.now();
  await shared(NEW_VISITORS, CALLS_AT_ONCE, one);
  const ours = (jid: string): boolean => jid.startsWith(`visitor.new-${round}-`);
  while ((await membersOf(rig, 'visitors')).filter(ours).length < NEW_VISITORS) await delay(20);
  const rate = (NEW_VISITORS / (performance.now() - start)) * 1000;
  await rig.settled(SETTLE_DEADLINE_MS); // the logins
  return rate;
}

/** Does the work for 0 … count - 1, some at the same time. */
async function shared(
  count: number,
  atOnce: number,
  work: (n: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const one = async (): Promise<void> => {
    for (let n = next++; n < count; n = next++) await work(n);
  };
  await Promise.all(Array.from({ length: atOnce }, one));
}

export async function benchXmppservice(execArgv: readonly string[]): Promise<Row[]> {
  const load = startChild<PageViewLoad, PageViewCounts>('page-view-load.ts');
  const rig = await startRig(execArgv);
  let page = 0;
  try {
    const round = async (wire: 'native' | 'xmppservice', ms: number): Promise<number> => {
      const { host } = rig.ejabberd;
      const counts = await load.ask({
        port: wire === 'native' ? rig.port : rig.node.port,
        tenant: rig.tenant,
        apiKey: rig.apiKey,
        ms,
        firstPage: page,
        visitors: VISITORS,
        connections: CONNECTIONS,
        ...(wire === 'xmppservice' && {
          xmppservice: { host, secretKey: rig.node.secretKey },
        }),
      });
      page = counts.nextPage;
      const { 200: old = 0, 202: native = 0, ...others } = counts.statuses;
      if (Object.keys(others).length > 0) throw new Error(`answers: ${JSON.stringify(others)}`);
      return ((old + native) / counts.ms) * 1000;
    };
    const newRounds: Round[] = [];
    for (let n = 0; n < NEW_ROUNDS; n++) {
      rig.pause();
      const reference = await bareCalls(rig, n);
      rig.resume();
      newRounds.push({ reference, value: await registered(rig, n) });
    }
    await round('native', WARM_UP_MS);
    await round('xmppservice', WARM_UP_MS);
    await rig.settled(SETTLE_DEADLINE_MS);
    const rounds: Round[] = [];
    for (let n = 0; n < ROUNDS; n++) {
      const reference = await round('native', ROUND_MS);
      rounds.push({ reference, value: await round('xmppservice', ROUND_MS) });
    }
    return [
      {
        name: 'new visitors of the xmppservice wire',
        unit: 'visitors/s',
        ...mediansOf(newRounds),
        aim: 0.8,
        better: 'higher',
      },
      {
        name: 'page views of the xmppservice wire',
        unit: 'requests/s',
        ...mediansOf(rounds),
        aim: 0.9,
        better: 'higher',
      },
    ];
  } finally {
    await Promise.all([rig.close(), load.stop()]);
  }
}
