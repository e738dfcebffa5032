/** What a real LHC tells the service, and what is left of it when its workers and its database are killed. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, expect, it } from 'vitest';
import { logIn } from '../../scripts/lhc/back-office.ts';
import { type Lhc, startLhc } from '../../scripts/lhc/real-lhc.ts';
import { createVisitor } from '../../scripts/lhc/visitor.ts';
import { waitFor } from '../support/wait.ts';

interface BatchedRequest {
  readonly id: string;
  readonly path: string;
  readonly body: Record<string, unknown>;
}

/** The service's side: takes everything, and writes it down. */
const service = {
  requests: [] as BatchedRequest[],
  others: [] as { path: string; body: unknown }[],
  /** Ms until it answers. */
  delay: 0,
};
const server = createServer((request, response) => {
  let text = '';
  request.on('data', (part) => {
    text += part;
  });
  request.on('end', () => {
    const body = JSON.parse(text || 'null');
    const isBatch = request.url === '/v1/shop/batch';
    if (isBatch) service.requests.push(...body.requests);
    else service.others.push({ path: request.url ?? '', body });
    setTimeout(() => {
      response.writeHead(isBatch ? 200 : 204, { 'content-type': 'application/json' });
      const results = body?.requests?.map(({ id }: BatchedRequest) => ({
        id,
        status: 202,
        body: {},
      }));
      response.end(isBatch ? JSON.stringify({ results }) : undefined);
    }, service.delay);
  });
});
await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
const port = (server.address() as AddressInfo).port;

const dir = await mkdtemp(join(tmpdir(), 'lhc-'));
const lhc: Lhc = await startLhc({
  lhcDir: process.env.LHC_DIR ?? '',
  dir,
  departments: ['Sales', 'Support'],
  operators: ['Olga', 'Ivan'].map((name) => ({
    username: name.toLowerCase(),
    name,
    departments: ['Sales', 'Support'],
  })),
  settings: { site: { extensions: ['killer', 'xmppchat'] } },
  extension: {
    settings: {
      enabled: '1',
      serviceUrl: `http://127.0.0.1:${port}`,
      tenant: 'shop',
      apiKey: 'key',
      callbackSecret: `whsec_${Buffer.from('a secret of the test').toString('base64')}`,
      shareTyping: '1',
    },
  },
});
/** An extension that ends the worker with SIGKILL at the event that the file `kill` names, once. */
const killer = join(lhc.web, 'extension/killer/bootstrap');
await mkdir(killer, { recursive: true });
await writeFile(
  join(killer, 'bootstrap.php'),
  `<?php
class erLhcoreClassExtensionKiller
{
    public function run()
    {
        foreach (['chat.chat_started', 'chat.addmsguser', 'chat.web_add_msg_admin', 'chat.close'] as $event) {
            erLhcoreClassChatEventDispatcher::getInstance()->listen($event, function () use ($event) {
                $file = '${dir}/tmp/kill';
                if (is_file($file) && trim(file_get_contents($file)) === $event) {
                    unlink($file);
                    posix_kill(getmypid(), SIGKILL);
                }
            });
        }
    }
}
`,
);
const killAt = (event: string) => writeFile(join(dir, 'tmp/kill'), event, { mode: 0o666 });

afterAll(async () => {
  await lhc.stop();
  server.close();
  await rm(dir, { recursive: true, force: true });
});

beforeEach(async () => {
  service.delay = 0;
  await settled();
  service.requests.length = 0;
  service.others.length = 0;
});

const pending = async () =>
  Number((await lhc.sql('SELECT COUNT(*) AS n FROM lhc_xmppchat_outbox'))[0]?.n);

/** Waits until nothing is left to be sent. */
const settled = () => waitFor(async () => (await pending()) === 0, { what: 'an empty outbox' });

/** The same by cron, which also closes the breaker: on a busy machine an answer may take longer than a web worker waits. */
const drained = () =>
  waitFor(
    async () => {
      await lhc.cron('outbox', 'xmppchat');
      return (await pending()) === 0;
    },
    { what: 'an empty outbox' },
  );

/** What was told since the last look, without visitors' keys and ids. */
async function told(): Promise<string[]> {
  await settled();
  return service.requests.splice(0).map(({ path, body }) => {
    const what = path.replace(/^visitors\/[^/]+\/(chats\/\d+\/)?/, '');
    const message = (body.message as { body: string } | undefined)?.body;
    const said = body.body ?? message ?? body.page ?? body.by ?? body.department ?? '';
    const who = body.name === undefined ? '' : ` (${body.name})`;
    const how = body.accepted === undefined ? '' : body.accepted ? ' has it' : ' is asked';
    return `${`${what} ${said}`.trim()}${who}${how}`;
  });
}

it('tells of everything that happens to a chat, once and in order', async () => {
  const visitor = createVisitor(lhc.url);
  await visitor.view('https://shop.example/shoes', 'Shoes & more');
  await waitFor(() => service.requests.length === 1, { what: 'the page view' });
  expect(service.requests[0]).toMatchObject({
    path: expect.stringMatching(/^visitors\/\d+\/page-views$/),
    body: { page: 'https://shop.example/shoes', title: 'Shoes & more', visits: 1 },
  });
  expect(await told()).toHaveLength(1);

  const { id } = await visitor.start('In 43?', { name: 'Anna' });
  await visitor.write('Hello? <b> & 👟');
  expect(await told()).toEqual(['chats In 43?', 'messages Hello? <b> & 👟']);
  await visitor.type('I am');
  await waitFor(() => service.others.length === 1, { what: 'typing' });
  expect(service.others[0]?.body).toEqual({ state: 'composing' });

  const olga = await logIn(lhc.url, lhc.operator('olga'));
  const ivan = await logIn(lhc.url, lhc.operator('ivan'));
  const admin = await logIn(lhc.url, lhc.admin);
  await olga.open(id);
  expect(await told()).toEqual(['owner (Olga) has it']);
  await olga.write(id, 'Yes, in black.');
  expect(await told()).toEqual(['operator-messages Yes, in black. (Olga)']);
  await admin.post(`chat/addmsgadmin/${id}`, { msg: 'He is difficult', whisper: 1 });
  await visitor.fetch();
  expect(await told()).toEqual([]);

  await olga.offer(id, lhc.operator('ivan').id);
  expect(await told()).toEqual([]);
  const [transfer] = await lhc.sql('SELECT id FROM lh_transfer WHERE chat_id = ?', [id]);
  await ivan.takeTransfer(Number(transfer?.id));
  expect(await told()).toEqual(['owner (Ivan) has it']);
  await admin.changeOwner(id, lhc.operator('olga').id);
  expect(await told()).toEqual(['owner (Olga) has it']);
  await visitor.leave();
  expect(await told()).toEqual([]);
  await visitor.leave(true);
  expect(await told()).toEqual(['close visitor']);
  await olga.close(id);
  expect(await told()).toEqual([]);
});

it('tells of an answer by writing, of departments, of the end by an operator, of a deletion', async () => {
  const visitor = createVisitor(lhc.url);
  await visitor.view('https://shop.example/');
  const first = await visitor.start('First', { department: 2 });
  const olga = await logIn(lhc.url, lhc.operator('olga'));
  const admin = await logIn(lhc.url, lhc.admin);
  await told();
  await admin.changeDepartment(first.id, 1);
  expect(await told()).toEqual(['transfer Sales']);
  await olga.write(first.id, 'Hi');
  expect(await told()).toEqual(['owner (Olga) has it', 'operator-messages Hi (Olga)']);
  await olga.offerToDepartment(first.id, 2);
  expect(await told()).toEqual(['transfer Support']);
  await olga.close(first.id);
  expect(await told()).toEqual(['close operator (Olga)']);
  const second = await visitor.start('Second');
  await admin.delete(second.id);
  expect(await told()).toEqual(['chats Second', 'close operator']);
});

it.each([
  ['chat.chat_started', 'after the commit'],
  ['chat.addmsguser', 'after the commit'],
])('loses nothing when the worker is killed at %s, %s', async (event) => {
  const visitor = createVisitor(lhc.url);
  await visitor.view('https://shop.example/');
  await told();
  if (event === 'chat.chat_started') await killAt(event);
  await visitor.start('One');
  if (event !== 'chat.chat_started') await killAt(event);
  await visitor.write('Two').catch(() => undefined);
  await lhc.cron('outbox', 'xmppchat');
  expect(await told()).toEqual(['chats One', 'messages Two']);
});

it('tells nothing of what was rolled back because the worker was killed', async () => {
  const visitor = createVisitor(lhc.url);
  await visitor.view('https://shop.example/');
  const { id } = await visitor.start('One');
  const olga = await logIn(lhc.url, lhc.operator('olga'));
  await olga.open(id);
  await told();
  await killAt('chat.web_add_msg_admin');
  await olga.write(id, 'Never said').catch(() => undefined);
  await lhc.cron('outbox', 'xmppchat');
  expect(await told()).toEqual([]);
  await olga.write(id, 'Said');
  expect(await told()).toEqual(['operator-messages Said (Olga)']);
});

it('loses nothing and doubles nothing when PHP, the database and the service go away', async () => {
  const visitors = await Promise.all(
    Array.from({ length: 4 }, async (_, i) => {
      const visitor = createVisitor(lhc.url);
      await visitor.view(`https://shop.example/${i}`);
      await visitor.start(`start ${i}`);
      return visitor;
    }),
  );
  await drained();
  service.requests.length = 0;
  const write = (round: number) =>
    Promise.all(
      visitors.map((visitor, i) => visitor.write(`round ${round} of ${i}`).catch(() => undefined)),
    );
  service.delay = 150;
  for (let round = 0; round < 8; round++) {
    const writing = write(round);
    const victim = [lhc.fpm, lhc.database][round % 2];
    await new Promise((later) => setTimeout(later, 60 + 60 * round));
    await victim?.kill();
    await writing;
    await victim?.start();
    // The service hangs for one round: the breaker opens.
    service.delay = round === 3 ? 2_000 : 150;
  }
  service.delay = 0;
  const rows = await waitFor(
    () =>
      lhc
        .sql("SELECT id, msg FROM lh_msg WHERE msg LIKE 'round %' ORDER BY chat_id, id")
        .catch(() => undefined),
    { what: 'the database' },
  );
  await drained();
  const said = new Map<string, string>();
  for (const { id, body } of service.requests) {
    if (!id.startsWith('msg-')) continue;
    // A repeat has the same id, and the service takes it once.
    expect(said.get(id) ?? body.body).toBe(body.body);
    said.set(id, String(body.body));
  }
  expect(rows.length).toBeGreaterThan(0);
  expect([...said].map(([id, text]) => ({ id: id.slice(4), msg: text })).sort(byId)).toEqual(
    rows.toSorted(byId),
  );
  for (const [i] of visitors.entries()) {
    const order = [...said.values()].filter((text) => text.endsWith(` of ${i}`));
    expect(order).toEqual(order.toSorted());
  }
});

const byId = (a: { id?: string | null }, b: { id?: string | null }) => Number(a.id) - Number(b.id);
