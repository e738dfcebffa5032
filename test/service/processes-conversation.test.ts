/**
 * Chats and commands of operators with two processes on one log. Requests come to either process, and either process owns
 * the visitor. The log is the EventStoreDB that EVENTSTOREDB_URL names, or else the double.
 */
import { beforeEach, expect, it } from 'vitest';
import { type RawStream, rawOperator } from '../ejabberd/raw-stream.ts';
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
  ejabberd: { streamManagement: { resumeTimeout: 60 } },
  environment: await sharedLog(),
});
const tenant = world.tenant(TENANT);
const [first, second] = world.processes;
if (!first || !second) throw new Error('the world has two processes');
await balanced(world.processes);
await tenant.register('olga', { departments: ['sales'], capacity: VISITORS });
await tenant.register('pia', { departments: ['support'], capacity: VISITORS });
const olga = await tenant.connect('olga');
const pia = await tenant.connect('pia');
await tenant.operatorIs('olga', 'available');
await tenant.operatorIs('pia', 'available');

/** Sends a command to this process, not through the balancer. */
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
    'all visitors',
  );
});

/** The messages that an operator got from a visitor, in order. */
const textsFrom = (operator: Operator, visitor: string): string[] =>
  operator.messages
    .filter(({ from }) => from.split('/', 1)[0] === tenant.visitorJid(visitor))
    .map(({ body }) => body);
const waitForText = (operator: Operator, visitor: string, text: RegExp) =>
  operator.waitFor(
    () => textsFrom(operator, visitor).find((body) => text.test(body)),
    `${text} from ${visitor}; messages: ${textsFrom(operator, visitor).join(' | ')}`,
  );
const startChat = (visitor: string, at: Service) =>
  askAt(at, `${visitor}/chats`, {
    chatId: `c${visitor}`,
    department: 'sales',
    message: { id: `m${visitor}`, body: 'Hello?' },
  });
const say = (visitor: string, body: string, at: Service) =>
  askAt(at, `${visitor}/messages`, { id: `m${visitor}-${body}`, body });
const closeAll = () =>
  Promise.all(
    visitors.map((each) =>
      tenant.ask('POST', `/visitors/${each}/chats/c${each}/close`, { by: 'system' }),
    ),
  );
const ofVisitor = (visitor: string) => (data: { readonly visitor: string }) =>
  data.visitor === visitor;

it('each owner of a chat gets its opening and its messages once and in order, from whichever process', async () => {
  const owned = await Promise.all(
    world.processes.map((each) => gauge(each, 'xmpp_chat_visitor_sessions')),
  );
  expect(Math.min(...owned)).toBeGreaterThan(0);
  await Promise.all(
    visitors.map(async (visitor, n) => {
      const [one, other] = n % 2 ? [first, second] : [second, first];
      await startChat(visitor, one);
      await say(visitor, 'one', other);
      await say(visitor, 'two', one);
      await waitForText(olga, visitor, /^two$/);
      olga.send(tenant.visitorJid(visitor), 'My colleague knows');
      await tenant.callback('chat.message', ofVisitor(visitor));
      olga.send(tenant.visitorJid(visitor), '!transfer pia');
      await waitForText(olga, visitor, /^Chat #\S+ goes to pia\./);
      await waitForText(pia, visitor, /My colleague knows$/);
      await say(visitor, 'three', other);
      await waitForText(pia, visitor, /^three$/);
    }),
  );
  for (const visitor of visitors) {
    expect(textsFrom(olga, visitor)).toEqual([
      'Hello?',
      'one',
      'two',
      expect.stringMatching(/^Chat #\S+ goes to pia\./),
    ]);
    expect(textsFrom(pia, visitor)).toEqual([
      expect.stringMatching(
        new RegExp(
          `^olga transferred chat #c${visitor}.*: Hello\\?\n.*: one\n.*: two\n.*olga: My colleague knows$`,
          's',
        ),
      ),
      'three',
    ]);
  }
  await closeAll();
});

it('a command is carried out and answered once, and its answer is as new as the log', async () => {
  const phone = {
    port: world.ejabberd.c2sPort,
    host: tenant.host,
    user: 'olga',
    resource: 'phone',
  };
  const commands = (stream: RawStream, visitor: string) => {
    const to = tenant.visitorJid(visitor);
    for (const text of ['!take', '!note Calls back', '!block'])
      stream.send(
        `<message type='chat' to='${to}' id='${visitor} ${text}'><body>${text}</body></message>`,
      );
  };
  const stream = await rawOperator(phone);
  await Promise.all(
    visitors.map(async (visitor, n) => {
      await startChat(visitor, n % 2 ? first : second);
      await waitForText(olga, visitor, /^Hello\?$/);
      commands(stream, visitor);
      await waitForText(olga, visitor, /^!block was passed on/);
    }),
  );
  stream.drop();
  // A client that resumes its session sends again what it has said.
  const resumed = await rawOperator({ ...phone, resume: stream.id });
  for (const visitor of visitors) commands(resumed, visitor);
  await Promise.all(
    visitors.map(async (visitor, n) => {
      const at = n % 2 ? first : second;
      const jid = tenant.visitorJid(visitor);
      await say(visitor, 'one', at);
      olga.send(jid, '!history');
      olga.send(jid, '!info');
      await waitForText(olga, visitor, /olga has it\./);
      olga.send(jid, '!close');
      await waitForText(olga, visitor, /is closed\./);
      await tenant.callback('chat.closed', ofVisitor(visitor));
    }),
  );
  resumed.drop();
  for (const visitor of visitors) {
    const lines = textsFrom(olga, visitor);
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
      expect(tenant.callbacks(type).filter(({ data }) => data.visitor === visitor)).toHaveLength(1);
  }
});

it('an operator who was just registered at one process can get a chat by the other', async () => {
  const [visitor = ''] = visitors;
  await startChat(visitor, first);
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
  const firstIsDead = Promise.withResolvers<void>();
  let chatsStarted = 0;
  await Promise.all(
    visitors.map(async (visitor) => {
      const jid = tenant.visitorJid(visitor);
      await startChat(visitor, second);
      chatsStarted += 1;
      if (chatsStarted === VISITORS / 2) {
        await first.kill().then(firstIsDead.resolve, firstIsDead.reject);
      }
      await say(visitor, 'one', second);
      for (let n = 0; n < notes; n++) {
        // The operator continues to write before anybody knows that the process is gone.
        olga.send(jid, `!note ${n}`);
        if (n === 0) await firstIsDead.promise;
      }
    }),
  );
  await ownsAll(second);
  await Promise.all(visitors.map((each) => waitForText(olga, each, /^one$/)));
  const answers = (visitor: string) =>
    textsFrom(olga, visitor).filter((line) => /^(Your note is in chat|!note: )/.test(line)).length;
  await waitFor(() => visitors.every((each) => answers(each) >= notes), {
    what: () => `answers: ${visitors.map(answers)}`,
  });
  await first.start();
  await balanced(world.processes);
  for (const visitor of visitors) {
    const lines = textsFrom(olga, visitor).filter(
      (line) => !/^(Your note is in chat|!note: )/.test(line),
    );
    expect(lines).toEqual(['Hello?', 'one']);
    expect(answers(visitor)).toBe(notes);
  }
  await closeAll();
});
