/**
 * Chats and operators' commands with two processes on one log. Either process may receive a request, and either may own
 * the visitor. The log is a real EventStoreDB if EVENTSTOREDB_URL names one, otherwise the test double.
 */
import { beforeEach, expect, it } from 'vitest';
import type { Operator } from '../support/operator.ts';
import { balanced, gauge, ownsAll } from '../support/partitions.ts';
import { type Answer, callTo, type Service } from '../support/service.ts';
import { newTenantId, sharedLog } from '../support/shared-log.ts';
import { testWorld } from '../support/test-world.ts';
import { waitFor } from '../support/wait.ts';

/** Enough visitors that each process owns some of them. */
const VISITORS = 16;
const TENANT = newTenantId();
const world = await testWorld({
  tenants: [{ id: TENANT, host: 'xmpp.test', settings: { lhcCommands: ['block'] } }],
  processes: 2,
  environment: await sharedLog(),
});
const tenant = world.tenant(TENANT);
const [first, second] = world.processes;
if (!first || !second) throw new Error('two processes were asked for');
await balanced(world.processes);
await tenant.register('olga', { departments: ['sales'], capacity: VISITORS });
await tenant.register('pia', { departments: ['support'], capacity: VISITORS });
const olga = await tenant.connect('olga');
const pia = await tenant.connect('pia');
await tenant.operatorIs('olga', 'available');
await tenant.operatorIs('pia', 'available');

/** A request to this process, past the balancer. */
const askAt = async (process: Service, path: string, body: unknown): Promise<Answer> => {
  const answer = await callTo(process.url)('POST', `/v1/${TENANT}/visitors/${path}`, body, {
    key: tenant.apiKey,
  });
  expect({ path, status: answer.status, body: answer.body }).toMatchObject({ status: 202 });
  return answer;
};

let round = 0;
let visitors: readonly string[] = [];
beforeEach(async () => {
  round += 1;
  visitors = Array.from({ length: VISITORS }, (_, n) => `${round}-${n}`);
  await Promise.all(visitors.map((each) => tenant.view(each, { page: 'https://shop.test/' })));
  await olga.waitFor(
    () => visitors.every((each) => olga.presences.get(tenant.visitorJid(each))?.available),
    20_000,
    'all visitors',
  );
});

/** The messages of a visitor that an operator has received, in order. */
const read = (operator: Operator, visitor: string): string[] =>
  operator.messages
    .filter(({ from }) => from.split('/', 1)[0] === tenant.visitorJid(visitor))
    .map(({ body }) => body);
const reads = (operator: Operator, visitor: string, text: RegExp) =>
  operator.waitFor(
    () => read(operator, visitor).find((body) => text.test(body)),
    20_000,
    `${text} of ${visitor}, who said ${read(operator, visitor).join(' | ')}`,
  );
const begins = (visitor: string, at: Service) =>
  askAt(at, `${visitor}/chats`, {
    chatId: `c${visitor}`,
    department: 'sales',
    message: { id: `m${visitor}`, body: 'Hello?' },
  });
const says = (visitor: string, body: string, at: Service) =>
  askAt(at, `${visitor}/messages`, { id: `m${visitor}-${body}`, body });
const closeAll = () =>
  Promise.all(
    visitors.map((each) =>
      tenant.ask('POST', `/visitors/${each}/chats/c${each}/close`, { by: 'system' }),
    ),
  );
const ofVisitor = (visitor: string) => (data: { readonly visitor: string }) =>
  data.visitor === visitor;

it('a chat opens once and in order, and once more for the receiver of a transfer, at either process', async () => {
  const owned = await Promise.all(
    world.processes.map((each) => gauge(each, 'xmpp_chat_visitor_sessions')),
  );
  expect(Math.min(...owned)).toBeGreaterThan(0);
  await Promise.all(
    visitors.map(async (visitor, n) => {
      const [one, other] = n % 2 ? [first, second] : [second, first];
      await begins(visitor, one);
      await says(visitor, 'one', other);
      await says(visitor, 'two', one);
      await reads(olga, visitor, /^two$/);
      olga.send(tenant.visitorJid(visitor), 'My colleague knows');
      await tenant.callback('chat.message', ofVisitor(visitor));
      olga.send(tenant.visitorJid(visitor), '!transfer pia');
      await reads(olga, visitor, /^Chat #\S+ goes to pia\./);
      await reads(pia, visitor, /My colleague knows/);
      await says(visitor, 'three', other);
      await reads(pia, visitor, /^three$/);
    }),
  );
  for (const visitor of visitors) {
    expect(read(olga, visitor)).toEqual([
      expect.stringMatching(`^New chat #c${visitor} for sales\\. Reply to accept it`),
      'Hello?',
      'one',
      'two',
      expect.stringMatching(/^Chat #\S+ goes to pia\./),
    ]);
    expect(read(pia, visitor)).toEqual([
      expect.stringMatching(`^olga transferred chat #c${visitor}`),
      'Hello?',
      'one',
      'two',
      'olga: My colleague knows',
      'three',
    ]);
  }
  await closeAll();
}, 90_000);

it('a command is carried out and answered once, and its answer is as new as the log', async () => {
  await Promise.all(
    visitors.map(async (visitor, n) => {
      const at = n % 2 ? first : second;
      const jid = tenant.visitorJid(visitor);
      await begins(visitor, at);
      await reads(olga, visitor, /^Hello\?$/);
      // A client that resumes repeats what it had sent.
      for (const text of ['!take', '!note Calls back', '!block'])
        for (let times = 0; times < 2; times++) olga.send(jid, text, `${visitor} ${text}`);
      await reads(olga, visitor, /^!block was passed on/);
      await says(visitor, 'one', at);
      olga.send(jid, '!history');
      olga.send(jid, '!info');
      await reads(olga, visitor, /olga has it\./);
      olga.send(jid, '!close');
      await reads(olga, visitor, /is closed\./);
      await tenant.callback('chat.closed', ofVisitor(visitor));
    }),
  );
  for (const visitor of visitors) {
    const lines = read(olga, visitor);
    for (const answer of [/is yours\./, /^Your note is in chat/, /^!block was/, /is closed\./])
      expect(lines.filter((line) => answer.test(line))).toHaveLength(1);
    const history = lines.find((line) => line.startsWith('The last')) ?? '';
    expect(history.split('\n').map((line) => line.replace(/^\d\d:\d\d /, ''))).toEqual([
      'The last 4 messages. Times are in UTC.',
      expect.stringContaining(`chat #c${visitor}`),
      expect.stringMatching(/: Hello\?$/),
      'olga (note): Calls back',
      'olga (to LHC): !block',
      expect.stringMatching(/: one$/),
    ]);
    for (const type of ['chat.note', 'chat.command', 'chat.closed'] as const)
      expect(tenant.told(type).filter(({ data }) => data.visitor === visitor)).toHaveLength(1);
  }
}, 90_000);

it('an operator who was just registered at one process can get a chat by the other', async () => {
  const [visitor = ''] = visitors;
  await begins(visitor, first);
  for (let n = 0; n < 8; n++) {
    const [one, other] = n % 2 ? [first, second] : [second, first];
    const wish = { lhcUserId: 100 + n, departments: [`d${n}`], password: 'pw' };
    const path = `/v1/${TENANT}/operators/new${n}`;
    const put = await callTo(one.url)('PUT', path, wish, { key: tenant.apiKey });
    expect(put.status).toBe(202);
    await askAt(other, `${visitor}/chats/c${visitor}/transfer`, { operator: `new${n}` });
  }
  await closeAll().catch(() => undefined); // most visitors have no chat
});

it('after the death of a process its chats open once and its commands are answered once', async () => {
  const notes = 6;
  const [died, kill] = [Promise.withResolvers<void>(), { after: VISITORS / 2, begun: 0 }];
  await Promise.all(
    visitors.map(async (visitor) => {
      const jid = tenant.visitorJid(visitor);
      await begins(visitor, second);
      kill.begun += 1;
      if (kill.begun === kill.after) await first.kill().then(died.resolve, died.reject);
      await says(visitor, 'one', second);
      for (let n = 0; n < notes; n++) {
        // The operator writes while no process has noticed the death.
        olga.send(jid, `!note ${n}`);
        if (n === 0) await died.promise;
      }
    }),
  );
  await ownsAll(second);
  await Promise.all(visitors.map((each) => reads(olga, each, /^one$/)));
  const answers = (visitor: string) =>
    read(olga, visitor).filter((line) => /^(Your note is in chat|!note: )/.test(line)).length;
  await waitFor(() => visitors.every((each) => answers(each) >= notes), {
    deadlineMs: 30_000,
    what: () => `answers: ${visitors.map(answers)}`,
  });
  await first.start();
  await balanced(world.processes);
  for (const visitor of visitors) {
    const lines = read(olga, visitor).filter(
      (line) => !/^(Your note is in chat|!note: )/.test(line),
    );
    expect(lines).toEqual([
      expect.stringMatching(`^New chat #c${visitor} for sales`),
      'Hello?',
      'one',
    ]);
    expect(answers(visitor)).toBe(notes);
  }
  await closeAll();
}, 120_000);
