/** What the answers of LHC's REST API mean: over real HTTP, against a server that says what a test wants. */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeEach, expect, it } from 'vitest';
import { createRestApi, REST_ANSWER_BYTES, restUrl } from '../../src/lhc/rest-api.ts';
import { createRestChats } from '../../src/lhc/rest-chats.ts';
import { createRestDelivery } from '../../src/lhc/rest-delivery.ts';
import { testRest } from '../../src/lhc/rest-test.ts';

type Say = (view: string, form: URLSearchParams, response: ServerResponse) => unknown;

let say: Say = () => ({ error: false });
const asked: string[] = [];
const server = createServer((request, response) => {
  let body = '';
  request.on('data', (chunk) => {
    body += chunk;
  });
  request.on('end', () => {
    const view = (request.url ?? '').replace('/restapi/', '').replace(/[?].*$/, '');
    asked.push(view);
    const answer = say(view, new URLSearchParams(body), response);
    if (answer !== undefined) response.end(JSON.stringify(answer));
  });
});
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
afterAll(() => {
  server.close();
  server.closeAllConnections();
});
const { port } = server.address() as AddressInfo; // it listens on TCP
const access = {
  url: `http://127.0.0.1:${port}`,
  isDeclared: true,
  rest: { user: 'xmpp-chat', key: 'the key' },
};
const ask = createRestApi({
  fetch: globalThis.fetch,
  guardedFetch: globalThis.fetch,
  timeoutMs: 5_000,
  userAgent: 'test',
  now: Date.now,
});
const unmarked: string[] = [];
const delivery = () => createRestDelivery(ask, createRestChats(ask), (host) => unmarked.push(host));

const OLGA = { username: 'olga', lhcUserId: 2 };
const message = (id: string, body: string) =>
  ({
    id,
    type: 'chat.message',
    data: { visitor: '1', chatId: '7', operator: OLGA, message: { id: 'm', body } },
  }) as const;
const closed = {
  id: 'c',
  type: 'chat.closed',
  data: { visitor: '1', chatId: '7', operator: OLGA, reason: 'operator' },
} as const;

/** Rows of the chat, and whether LHC stores marks. */
interface Lhc {
  status?: number;
  status_sub?: number;
  marks?: boolean;
  /** Instead of its answer to a view. */
  instead?: Readonly<Record<string, Say>>;
}

function lhc({ status = 1, status_sub = 0, marks = true, instead = {} }: Lhc = {}) {
  const rows: { id: number; user_id: number; msg: string; meta_msg: string }[] = [];
  say = (view, form, response) => {
    const [name = ''] = view.split('/');
    const other = instead[name];
    if (name === 'addmsgadmin') {
      const mark = form.get('debug_meta_msg');
      const meta_msg = marks ? JSON.stringify({ content: { debug: { content: mark } } }) : '';
      rows.push({ id: rows.length + 1, user_id: 2, msg: form.get('msg') ?? '', meta_msg });
    }
    if (other) return other(view, form, response);
    if (name === 'chat') return { error: false, result: { id: 7, status, status_sub } };
    if (name === 'fetchchatmessages') return { error: false, result: { messages: rows } };
    return { error: false, msg: rows.at(-1) };
  };
  return rows;
}
const refuse =
  (text: string): Say =>
  (_view, _form, response) => {
    response.statusCode = 400;
    return { error: true, r: text };
  };
const lose: Say = (_view, _form, response) => void response.destroy();

beforeEach(() => {
  asked.length = 0;
  unmarked.length = 0;
});

it.each([true, false])(
  'a message whose answer was lost is not sent again (marks: %s)',
  async (marks) => {
    const rows = lhc({ marks, instead: { addmsgadmin: lose } });
    const { deliver } = delivery();
    expect(await deliver(access, message('a', 'Hi'))).toMatchObject({
      outcome: 'retry',
      away: true,
    });
    expect(await deliver(access, message('a', 'Hi'))).toEqual({ outcome: 'accepted' });
    expect(rows).toHaveLength(1);
  },
);

it('the same words again are another message, and by its mark one is known after a restart', async () => {
  const rows = lhc();
  const first = delivery();
  await first.deliver(access, message('a', 'Hi'));
  await first.deliver(access, message('b', 'Hi'));
  expect(rows).toHaveLength(2);
  expect(await delivery().deliver(access, message('b', 'Hi'))).toEqual({ outcome: 'accepted' });
  expect(rows).toHaveLength(2);
});

it('the away message is said as a bot’s, once, and accepts no chat', async () => {
  const forms: Record<string, string>[] = [];
  const loses: Say = (view, form, response) => {
    forms.push(Object.fromEntries(form));
    return lose(view, form, response);
  };
  lhc({ status: 0, instead: { addmsgadmin: loses } });
  const notice = {
    id: 'n',
    type: 'chat.notice',
    data: {
      visitor: '1',
      chatId: '7',
      operator: null,
      reason: 'closed',
      message: { id: 'n', body: '!back at nine' },
    },
  } as const;
  const { deliver } = delivery();
  expect(await deliver(access, notice)).toMatchObject({ outcome: 'retry' });
  expect(await deliver(access, notice)).toEqual({ outcome: 'accepted' });
  expect(forms).toHaveLength(1);
  expect(forms[0]).toMatchObject({ chat_id: '7', sender: 'bot', debug_meta_msg: 'xmpp-chat n' });
  expect(forms[0]).not.toHaveProperty('user_id');
  expect(forms[0]?.msg).not.toMatch(/^!/);
});

it('a correction is a new message with a mark, because LHC’s REST API changes none', async () => {
  const rows = lhc();
  const { deliver } = delivery();
  const { data, ...corrected } = message('b', '!close is a word');
  await deliver(access, {
    ...corrected,
    data: { ...data, message: { ...data.message, replaces: 'm' } },
  });
  expect(rows.map(({ msg }) => msg)).toEqual(['\u270e !close is a word']);
  const about = { visitor: '1', chatId: '7', operator: OLGA, messageId: 'm' };
  for (const callback of [
    { id: 'r', type: 'message.retracted', data: about },
    { id: 'r', type: 'message.reaction', data: { ...about, reactions: ['👍'] } },
  ] as const) {
    expect(await deliver(access, callback)).toEqual({ outcome: 'unsupported' });
  }
});

it('a message without its mark is told', async () => {
  lhc();
  await delivery().deliver(access, message('a', 'Hi'));
  expect(unmarked).toEqual([]);
  lhc({ marks: false });
  await delivery().deliver(access, message('a', 'Hi'));
  expect(unmarked).toEqual([`127.0.0.1:${port}`]);
});

it.each([
  [{ status: 2 }, 'chat-ended'],
  [{ status_sub: 3 }, 'chat-ended'],
  [{ instead: { chat: refuse('Der Chat wurde nicht gefunden') } }, 'chat-unknown'],
  [{ instead: { addmsgadmin: refuse('You cannot read this chat!') } }, 'not-allowed'],
  [
    { instead: { addmsgadmin: refuse('Operator with provided user_id could not be found!') } },
    'operator-unknown',
  ],
])('%j: LHC will never take it (%s)', async (given, code) => {
  lhc(given);
  expect(await delivery().deliver(access, message('a', 'Hi'))).toMatchObject({
    outcome: 'refused',
    refusal: { code },
  });
});

it('a wrong key is known by a question, whatever the words are, and all waits', async () => {
  lhc({ instead: { chat: refuse('Nein'), chatscount: refuse('Nein') } });
  expect(await delivery().deliver(access, message('a', 'Hi'))).toEqual({
    outcome: 'retry',
    reason: 'LHC refuses the REST key: Nein',
    away: true,
  });
});

it('a close is not believed', async () => {
  lhc();
  const outcome = await delivery().deliver(access, closed);
  expect(outcome).toMatchObject({ outcome: 'refused', refusal: { code: 'not-allowed' } });
  expect(asked).toEqual(['chat/7', 'setchatstatus', 'chat/7']);
  lhc({ instead: { chat: refuse('gone') } });
  expect(await delivery().deliver(access, closed)).toEqual({ outcome: 'accepted' });
});

it('what cannot be done is said without a request; what has no form is left out', async () => {
  lhc();
  const { deliver } = delivery();
  const data = { visitor: '1', chatId: '7', operator: OLGA, messageId: 'm' };
  const block = {
    id: 'x',
    type: 'chat.command',
    data: { ...data, command: 'block', text: '!block' },
  } as const;
  expect(await deliver(access, block)).toMatchObject({ refusal: { code: 'command-refused' } });
  const invited = { visitor: '1', operator: OLGA, message: { id: 'm', body: 'Hi' } };
  expect(await deliver(access, { id: 'i', type: 'visitor.invited', data: invited })).toMatchObject({
    refusal: { code: 'not-possible' },
  });
  const typing = { visitor: '1', chatId: '7', operator: OLGA, state: 'composing' };
  expect(await deliver(access, { id: 't', type: 'operator.typing', data: typing })).toEqual({
    outcome: 'unsupported',
  });
  expect(asked).toEqual([]);
});

it('an answer that is none of LHC is as no answer', async () => {
  const outcomes: unknown[] = [];
  for (const status of [302, 500, 503]) {
    say = (_view, _form, response) => {
      response.writeHead(status, { 'retry-after': '7' });
      return {};
    };
    outcomes.push(await ask(access, { view: 'chatscount' }));
  }
  expect(outcomes).toMatchObject([
    { kind: 'away', reason: expect.stringContaining('callbackUrl'), sent: true },
    { kind: 'away', reason: 'answered 500' },
    { kind: 'away', reason: 'answered 503', afterMs: 7_000 },
  ]);
  say = (_view, _form, response) => void response.end('<html>');
  expect(await ask(access, { view: 'chatscount' })).toMatchObject({
    reason: 'answered 200, and no JSON',
  });
  say = (_view, _form, response) => void response.end(Buffer.alloc(REST_ANSWER_BYTES + 1, ' '));
  expect(await ask(access, { view: 'chatscount' })).toMatchObject({
    reason: `answered more than ${REST_ANSWER_BYTES} bytes`,
  });
  const nobody = { ...access, url: 'http://127.0.0.1:9' };
  expect(await ask(nobody, { view: 'chatscount' })).toMatchObject({ kind: 'away' });
});

it('the address has the path of LHC, and no password of the URL', () => {
  expect(
    restUrl('https://lhc.test/chat/index.php/', { view: 'chats', query: { limit: '1' } }),
  ).toBe('https://lhc.test/chat/index.php/restapi/chats?limit=1');
});

it('the doctor says what is wrong with the key, its rights and the webhooks', async () => {
  const judge = async (lastWebhookAt: number | null | undefined) =>
    (await testRest(access, {}, lastWebhookAt)).message;
  lhc({ instead: { chatscount: refuse('Authorization failed!') } });
  expect(await judge(undefined)).toContain('refuses the key: Authorization failed!');
  const right = 'You do not have permission. `lhrestapi`, `updatelastactivity` is required';
  lhc({ instead: { updatelastactivity: refuse(right) } });
  expect(await judge(undefined)).toContain('lacks a right');
  lhc({ instead: { updatelastactivity: refuse('User could not be found!') } });
  expect(await judge(null)).toContain('No webhook of LHC has come');
  expect(await judge(Date.now())).toMatch(
    /takes the key, in \d+ ms; the last webhook came 0 s ago/,
  );
  expect(await judge(undefined)).toMatch(/takes the key, in \d+ ms$/);
});
