/**
 * Many visitors online at the same time, by each transport: how long until all are, what each costs in memory, how long a
 * message takes beside them, and a restart of the service. A real ejabberd, the service in a process of its own, one
 * operator logged in for each tenant, 1,000 visible visitors for each operator (the default of `maxVisibleVisitors`).
 *
 * `npm run bench:online` measures 10,000 visitors by each transport and 50,000 by the component, in some ten minutes.
 * `npm run bench:online -- component 2000` measures these alone. RESULTS.md has full runs.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import xml from '@xmpp/xml';
import { FAST_OPERATORS } from '../scripts/ejabberd/config.ts';
import { freePorts } from '../scripts/ejabberd/ports.ts';
import { type Ejabberd, startEjabberd } from '../scripts/private-ejabberd.ts';
import { openStream, type Stream } from '../src/xmpp/sessions/login-stream.ts';
import { makeService, type TenantEntry, writeTenants } from '../test/support/service.ts';
import { collectGarbage } from './inspector.ts';
import type { PageViewCounts, PageViewLoad } from './page-view-load.ts';
import { startChild } from './processes.ts';
import { openConnection, type RawConnection } from './raw-http.ts';
import { quantile, type Row } from './row.ts';
import { table } from './table.ts';

const TRANSPORTS = ['accounts', 'component'] as const;
type Transport = (typeof TRANSPORTS)[number];

const SCENES: readonly (readonly [Transport, number])[] = [
  ['accounts', 10_000],
  ['component', 10_000],
  ['component', 50_000],
];

/** Visitors that one operator sees: the default of `maxVisibleVisitors`. */
const VISITORS_OF_TENANT = 1_000;
/** The visitors beside whom a message's time is the reference. */
const FEW = 100;
const MESSAGES_PER_S = 200;
const MESSAGES_MS = 10_000;
const CHATS = 20;
/** Aims. */
const ONLINE_MS = 30_000;
const BYTES = 4_096;
const STANZAS = 1_000;
const P99_RATIO = 2;
const DEADLINE_MS = 900_000;
const LOOK_EVERY_MS = 50;
const LOAD_CONNECTIONS = 50;
const SECRET = `whsec_${Buffer.alloc(32, 1).toString('base64')}`;
const COMPONENT_SECRET = 'secret-of-the-component';
const BODY = 'Do you have these in 43, and when could they be here?';

/** The operators are logged out at the end. */
let over = false;

interface Operator {
  readonly stream: Stream;
  /** Visitors whose last presence was available. */
  readonly online: Set<string>;
  stanzas: number;
}

const keyOf = (tenant: string): string => `key-of-the-bench-${tenant}`;

async function until(what: string, look: () => Promise<boolean> | boolean): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  while (!(await look())) {
    if (performance.now() > deadline) throw new Error(`${what}: not in ${DEADLINE_MS} ms`);
    await delay(LOOK_EVERY_MS);
  }
}

/** Resident memory of a process, in bytes. */
function residentOf(pid: number | undefined): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
}

async function startScene(transport: Transport, visitors: number) {
  const service = await makeService();
  const ejabberd: Ejabberd = await startEjabberd({
    dir: join(service.dir, 'ejabberd'),
    webhook: { url: `${service.url}/ejabberd/events`, secret: SECRET },
    modLhc: FAST_OPERATORS,
    component: { secret: COMPONENT_SECRET },
    logLevel: 'warning',
  });
  const { host } = ejabberd;
  const count = Math.ceil(visitors / VISITORS_OF_TENANT);
  const tenants = Array.from({ length: count }, (_, n) => `t${n}`);
  const { http: inspector } = await freePorts({});
  await writeTenants(
    service,
    tenants.map(
      (id): TenantEntry => ({
        id,
        host,
        instance: id,
        ...(transport === 'component' && { transport }),
        apiKey: keyOf(id),
        hardTimeout: 86_400,
        requestsPerSecond: 100_000,
        newVisitorsPerMinute: 1_000_000,
        operatorMessagesPerSecond: 1_000,
      }),
    ),
  );
  Object.assign(service.settings, {
    NODE_OPTIONS: `--inspect=127.0.0.1:${inspector}`,
    EJABBERD_API_URL: ejabberd.apiUrl,
    EJABBERD_API_USER: ejabberd.api.user,
    EJABBERD_API_PASSWORD: ejabberd.api.password,
    EJABBERD_XMPP: ejabberd.xmpp,
    EJABBERD_COMPONENT: `tcp://127.0.0.1:${ejabberd.componentPort}`,
    EJABBERD_COMPONENT_SECRET: COMPONENT_SECRET,
    EJABBERD_WEBHOOK_SECRET: SECRET,
    LOG_LEVEL: 'warn',
  });
  await service.start();
  return { service, ejabberd, tenants, inspector };
}

type Scene = Awaited<ReturnType<typeof startScene>>;

/** The callbacks that wait for a message, by its id. */
type Arrivals = Map<string, (at: number) => void>;

async function logIn(scene: Scene, tenant: string, arrivals: Arrivals): Promise<Operator> {
  const { ejabberd, service } = scene;
  const password = `password-of-${tenant}`;
  const settings = { lhcUserId: 1, name: 'Olga', departments: ['sales'], capacity: 1000, password };
  const answer = await service.call('PUT', `/v1/${tenant}/operators/op`, settings, {
    key: keyOf(tenant),
  });
  if (answer.status !== 200 && answer.status !== 202) {
    throw new Error(`the operator of ${tenant}: ${answer.status} ${JSON.stringify(answer.body)}`);
  }
  const seenBy = { online: new Set<string>(), stanzas: 0 };
  const stream = await openStream(
    {
      service: ejabberd.xmpp,
      domain: ejabberd.host,
      username: `op.${tenant}`,
      password,
      resource: 'bench',
      loginDeadlineMs: 30_000,
      allowPlaintext: false,
    },
    {
      stanza({ name, attrs: { id, from = '', type } }) {
        seenBy.stanzas += 1;
        if (name === 'message' && id !== undefined) arrivals.get(id)?.(performance.now());
        // Every visitor, and nothing else, begins so.
        if (name !== 'presence' || !from.startsWith('visitor.')) return;
        const visitor = from.split('/', 1)[0] ?? '';
        if (type === 'unavailable') seenBy.online.delete(visitor);
        else if (type === undefined) seenBy.online.add(visitor);
      },
      lost: (reason) => {
        if (!over) console.error(`the operator of ${tenant} was logged out: ${reason.message}`);
      },
    },
  );
  stream.send(
    xml('iq', { type: 'get', id: 'roster' }, xml('query', { xmlns: 'jabber:iq:roster' })),
  );
  stream.send(xml('presence'));
  return Object.assign(seenBy, { stream });
}

/** Page views of the visitors `0…visitors` of each tenant, as fast as they are answered. */
async function comeOnline(scene: Scene, visitors: number): Promise<void> {
  const load = startChild<PageViewLoad, PageViewCounts>('page-view-load.ts');
  try {
    for (const [n, tenant] of scene.tenants.entries()) {
      const share = Math.min(VISITORS_OF_TENANT, visitors - n * VISITORS_OF_TENANT);
      if (share <= 0) break;
      const { statuses } = await load.ask({
        port: scene.service.port,
        tenant,
        apiKey: keyOf(tenant),
        visitors: share,
        connections: LOAD_CONNECTIONS,
        ms: 0,
        firstPage: 0,
      });
      if (Object.keys(statuses).join() !== '202') throw new Error(JSON.stringify(statuses));
    }
  } finally {
    await load.stop();
  }
}

const seen = (operators: readonly Operator[]): number =>
  operators.reduce((sum, { online }) => sum + online.size, 0);

async function settled({ service }: Scene): Promise<boolean> {
  const { body } = await service.call('GET', '/metrics');
  return ['xmpp_chat_projection_lag_seconds', 'xmpp_chat_visitors_to_reconcile'].every((name) =>
    String(body).includes(`\n${name} 0\n`),
  );
}

async function resident(scene: Scene): Promise<{ service: number; ejabberd: number }> {
  await collectGarbage(scene.inspector);
  return { service: residentOf(scene.service.pid), ejabberd: residentOf(scene.ejabberd.pid) };
}

const post = (port: number, tenant: string, path: string, body: unknown): string => {
  const text = JSON.stringify(body);
  return [
    `POST /v1/${tenant}/visitors/${path} HTTP/1.1`,
    `Host: 127.0.0.1:${port}`,
    `Authorization: Bearer ${keyOf(tenant)}`,
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(text)}`,
    '',
    text,
  ].join('\r\n');
};

/** Sends messages in the chats of the first tenant at the rate. @returns how long each took to the operator's client, in ms */
async function messages({ service: { port }, tenants }: Scene, arrivals: Arrivals) {
  const [tenant = ''] = tenants;
  const idle: RawConnection[] = [];
  const took: number[] = [];
  let next = 0;
  const send = async (path: string, id: string, body: object): Promise<number> => {
    const { promise, resolve } = Promise.withResolvers<number>();
    arrivals.set(id, resolve);
    const connection = idle.pop() ?? openConnection(port);
    const sent = performance.now();
    const answer = await connection.ask(post(port, tenant, path, body));
    idle.push(connection);
    if (!answer.startsWith('HTTP/1.1 202 ')) throw new Error(`${path}: ${answer}`);
    const late = delay(DEADLINE_MS, Number.POSITIVE_INFINITY, { ref: false });
    const at = await Promise.race([promise, late]);
    arrivals.delete(id);
    return at - sent;
  };
  try {
    const sending: Promise<void>[] = [];
    const start = performance.now();
    for (let n = 0; n * (1000 / MESSAGES_PER_S) < MESSAGES_MS; n++) {
      await delay(Math.max(0, start + n * (1000 / MESSAGES_PER_S) - performance.now()));
      const id = `m-${process.hrtime.bigint()}-${next++}`;
      const message = { id, body: BODY };
      sending.push(
        send(`bench-${n % CHATS}/messages`, id, message).then((ms) => void took.push(ms)),
      );
    }
    await Promise.all(sending);
    return took;
  } finally {
    for (const connection of idle) connection.close();
  }
}

/** Opens chats of the first tenant, which its operator answers: nobody else may be asked meanwhile. */
async function openChats(
  scene: Scene,
  transport: Transport,
  operator: Operator,
  arrivals: Arrivals,
) {
  const [tenant = ''] = scene.tenants;
  const key = { key: keyOf(tenant) };
  const { host } = scene.ejabberd;
  for (let n = 0; n < CHATS; n++) {
    const id = `first-${n}`;
    const { promise, resolve } = Promise.withResolvers<number>();
    arrivals.set(id, resolve);
    const body = { chatId: `c${n}`, department: 'sales', message: { id, body: BODY } };
    await scene.service.call('POST', `/v1/${tenant}/visitors/bench-${n}/chats`, body, key);
    await promise;
    arrivals.delete(id);
    const domain = transport === 'component' ? `visitors.${host}` : host;
    const to = `visitor.bench-${n}.${tenant}@${domain}`;
    operator.stream.send(
      xml('message', { type: 'chat', id: `answer-${n}`, to }, xml('body', {}, 'Yes, we have.')),
    );
  }
  await until('the answers', async () => {
    const { body } = await scene.service.call('GET', `/v1/${tenant}/departments`, undefined, key);
    return body.items.some(({ active }: { active: number }) => active === CHATS);
  });
}

async function measure(transport: Transport, visitors: number): Promise<Row[]> {
  const scene = await startScene(transport, visitors);
  const { service, ejabberd, tenants } = scene;
  const arrivals: Arrivals = new Map();
  const operators: Operator[] = [];
  const about = `${visitors.toLocaleString('en')} online by ${transport}`;
  const row = (name: string, unit: string, value: number, reference: number, aim = 1): Row => ({
    name: `${about}: ${name}`,
    value,
    unit,
    reference,
    ratio: value / reference,
    aim,
    better: 'lower',
  });
  try {
    for (const tenant of tenants) operators.push(await logIn(scene, tenant, arrivals));
    await comeOnline(scene, FEW);
    await until('the first visitors', () => seen(operators) === FEW);
    const [first] = operators;
    if (first) await openChats(scene, transport, first, arrivals);
    await messages(scene, arrivals); // The code is compiled.
    const beside = quantile(await messages(scene, arrivals), 0.99);
    const before = await resident(scene);

    const startedAt = performance.now();
    await comeOnline(scene, visitors);
    const accepted = performance.now() - startedAt;
    await until('all visitors', () => seen(operators) === visitors);
    const online = performance.now() - startedAt;
    await until('settled', () => settled(scene));
    const after = await resident(scene);
    const p99 = quantile(await messages(scene, arrivals), 0.99);

    for (const operator of operators) operator.stanzas = 0;
    await service.stop();
    const restartedAt = performance.now();
    await service.start();
    const isBack = async () => (await settled(scene)) && seen(operators) === visitors;
    await until('all visitors again', isBack);
    const back = performance.now() - restartedAt;
    const stanzas = Math.max(...operators.map((operator) => operator.stanzas));

    const each = (of: 'service' | 'ejabberd'): number =>
      (after[of] - before[of]) / (visitors - FEW);
    console.log(`${about}: page views accepted after ${Math.round(accepted)} ms`);
    return [
      row('until all are', 'ms', online, ONLINE_MS),
      row('memory of the service, each', 'bytes', each('service'), BYTES),
      row('memory of ejabberd, each', 'bytes', each('ejabberd'), 10 * BYTES),
      row(`message at ${MESSAGES_PER_S}/s, p99`, 'ms', p99, beside, P99_RATIO),
      row('restart until all are again', 'ms', back, ONLINE_MS),
      row('stanzas to an operator at a restart', 'stanzas', stanzas, STANZAS),
    ];
  } finally {
    over = true;
    for (const { stream } of operators) stream.destroy('the benchmark is over');
    await service.close();
    await ejabberd.kill();
  }
}

const { positionals } = parseArgs({ allowPositionals: true });
const [asked, visitors] = positionals;
const transport = TRANSPORTS.find((each) => each === asked);
if (asked !== undefined && (!transport || !(Number(visitors) >= VISITORS_OF_TENANT))) {
  throw new Error(
    `say ${TRANSPORTS.join(' or ')}, and how many visitors: ${VISITORS_OF_TENANT} or more`,
  );
}
const rows: Row[] = [];
for (const scene of transport ? [[transport, Number(visitors)] as const] : SCENES) {
  rows.push(...(await measure(...scene)));
}
console.log(table(rows));
process.exit(0);
