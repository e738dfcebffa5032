/**
 * `npm run demo`: plays a visitor and the operator against the service that `make run` started, and prints the
 * conversation and the facts as they appear.
 */
import { setTimeout as delay } from 'node:timers/promises';
import xml, { type Element } from '@xmpp/xml';
import { AppError, messageOf } from '../src/errors.ts';
import { openStream } from '../src/xmpp/sessions/login-stream.ts';
import { messageStanza } from '../src/xmpp/stanzas.ts';
import type { Demo } from './run.ts';
import { askDemo, callbacksOf, type DemoCallback, readDemo } from './running-demo.ts';

/** The time limit of each step. */
const STEP_DEADLINE_MS = 15_000;
const visitor = `demo-${Date.now().toString(36)}`;
const chatId = `c${Date.now().toString(36)}`;

let demo: Demo;
try {
  demo = readDemo();
} catch (error) {
  console.error(messageOf(error));
  process.exit(1);
}
const print = (who: string, what: string): void => console.log(`${who.padEnd(9)} ${what}`);

const http = (method: string, path: string, body?: unknown, token?: string) =>
  askDemo(demo, method, path, body, token);

const asVisitor = (path: string, body: unknown) =>
  http('POST', `/v1/${demo.tenant}/visitors/${visitor}${path}`, body);

/** Waits until the condition has a value. @throws {AppError} `timeout` naming what was awaited */
async function until<T>(
  what: string,
  condition: () => Promise<T | undefined> | T | undefined,
): Promise<T> {
  const deadline = Date.now() + STEP_DEADLINE_MS;
  while (Date.now() < deadline) {
    const value = await condition();
    if (value !== undefined) return value;
    await delay(50);
  }
  throw new AppError('timeout', `${what}: not within ${STEP_DEADLINE_MS / 1000} s`);
}

/** The revision of the next fact to print. */
let nextFact = 0;
async function printFacts(): Promise<void> {
  const path = `/debug/streams/visitor-${demo.tenant}.${visitor}?from=${nextFact}`;
  const { items } = await http('GET', path, undefined, demo.adminToken);
  for (const { revision, type, data } of items) {
    const { delays: _delays, digest: _digest, ...rest } = data;
    print('  fact', `${revision} ${type} ${JSON.stringify(rest)}`);
    nextFact = revision + 1;
  }
}

const callback = (type: string): Promise<DemoCallback> =>
  until(`the callback ${type}`, async () =>
    (await callbacksOf(demo, visitor)).find((each) => each.type === type),
  );

async function play(): Promise<void> {
  const [username = '', domain = ''] = demo.operator.jid.split('@');
  const received: Element[] = [];
  const stream = await openStream(
    {
      service: demo.xmpp,
      domain,
      username,
      password: demo.operator.password,
      resource: 'demo',
      allowPlaintext: false,
    },
    {
      stanza(stanza) {
        received.push(stanza);
        const from = stanza.attrs.from ?? '';
        if (stanza.is('iq') && stanza.attrs.type === 'get') {
          stream.send(xml('iq', { type: 'result', to: from, id: stanza.attrs.id }));
        }
        const body = stanza.getChildText('body');
        if (stanza.is('message') && body)
          print('operator', `reads: ${body.replaceAll('\n', ' | ')}`);
        const status = stanza.getChildText('status');
        if (stanza.is('presence') && from.startsWith(`visitor.${visitor}@`)) {
          const nick = stanza.getChildText('nick') ?? from;
          const what = stanza.attrs.type ?? `online: ${status?.replaceAll('\n', ' | ')}`;
          print('operator', `sees ${nick} ${what}`);
        }
      },
      lost: (reason) => print('operator', `lost its connection: ${reason.message}`),
    },
  );
  stream.send(xml('presence'));
  print('operator', `logged in as ${demo.operator.jid}`);
  await until('the operator is available', async () => {
    const { items } = await http('GET', `/v1/${demo.tenant}/operators`);
    return (
      items.some((each: { availability: string }) => each.availability === 'available') || undefined
    );
  });

  print('visitor', 'opens a page');
  await asVisitor('/page-views', {
    page: 'https://shop.example/shoes',
    title: 'Shoes',
    nick: 'Anna',
    country: 'Germany',
    city: 'Berlin',
    timezone: 'Europe/Berlin',
  });
  const from = (
    await until('the contact appears', () =>
      received.find(
        (each) => each.is('presence') && each.attrs.from?.startsWith(`visitor.${visitor}@`),
      ),
    )
  ).attrs.from;
  await printFacts();

  const jid = from?.split('/', 1)[0] ?? '';
  const write = (id: string, body: string): void => {
    print('operator', `writes: ${body}`);
    stream.send(messageStanza({ id: `${visitor}-${id}`, from: stream.jid, to: jid, body }));
  };
  write('o1', 'Hello! May I help you?');
  print('lhc', `gets ${(await callback('visitor.invited')).type}`);
  await printFacts();

  print('visitor', 'starts a chat: Do you have these in 43?');
  const question = { id: `${visitor}-v1`, body: 'Do you have these in 43?' };
  await asVisitor('/chats', { chatId, department: 'sales', message: question });
  await callback('chat.assigned');
  // Below the visitor's words are lines of the service.
  await until('the message arrives', () =>
    received.find((each) => each.getChildText('body')?.startsWith(question.body)),
  );
  write('o2', 'Yes, in black.');
  print('lhc', `gets chat.message: ${(await callback('chat.message')).data.message?.body}`);
  await callback('message.delivered');
  print('lhc', "gets message.delivered: the operator's client has the visitor's message");
  await asVisitor(`/chats/${chatId}/close`, { by: 'visitor' });
  await callback('chat.closed');
  print('lhc', 'gets chat.closed');
  await asVisitor('/timeout', {});
  await callback('visitor.timed_out');
  await until('the contact leaves', () =>
    received.find((each) => each.attrs.type === 'unavailable' && each.attrs.from?.startsWith(jid)),
  );
  await printFacts();
  const { items } = await http('GET', `/v1/${demo.tenant}/visitors/${visitor}/messages`);
  print(
    'api',
    `${items.length} messages: ${items.map((each: { state: string }) => each.state).join(', ')}`,
  );
  await stream.close(2_000);
}

try {
  await play();
  if (demo.webClient !== null) {
    const username = demo.operator.jid.split('@', 1)[0];
    console.log(`\nTo answer a visitor yourself: ${demo.webClient}, username ${username}.`);
    console.log('Then be the visitor in a terminal: npm run demo:visitor');
  }
} catch (error) {
  console.error(`the demo failed: ${messageOf(error)}`);
  process.exit(1); // the operator is still connected
}
