import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createCallbackClient } from '../../src/lhc/callback-client.ts';
import type { Callback } from '../../src/lhc/callback-types.ts';
import type { CallbackEndpoint } from '../../src/lhc/delivery.ts';
import {
  type WireNames,
  xmppserviceRequest,
  xmppserviceUrl,
} from '../../src/lhc/xmppservice-callbacks.ts';
import { type Lhc, startLhc } from '../support/lhc.ts';

const namesOf = (instance = '', server = 'xmpp.acme.example'): WireNames => ({
  visitor: (key) => `visitor.${key}${instance}@${server}`,
  operator: (username) => `${username}${instance}@${server}`,
});

/** A callback of the older modules, as it was recorded. */
interface Recorded {
  readonly dir: string;
  readonly path: string;
  readonly headers: { 'content-type': string };
  readonly body: string;
}

/** Our callback that says what the recorded request says; null for what operators write in rooms. */
function callbackFor(
  { path, body }: Recorded,
  instance: string,
): Pick<Callback, 'type' | 'data'> | null {
  const at = '2026-01-01T00:00:00.000Z';
  const operatorOf = (account = '') => ({
    username: account.slice(0, account.length - instance.length),
    lhcUserId: 1,
  });
  if (path.endsWith('operatorstatus')) {
    const { action, user } = JSON.parse(body);
    const [jid = '', resource] = user.split('/');
    const operator = operatorOf(jid.split('@')[0]);
    if (action === 'ping') return { type: 'operator.alive', data: { operator, at, resource } };
    const type = action === 'connect' ? 'operator.online' : 'operator.offline';
    return { type, data: { operator, at } };
  }
  const fields = new URLSearchParams(body);
  if (fields.get('type') !== 'chat') return null;
  const operator = operatorOf(fields.get('sender') ?? '');
  const receiver = fields.get('receiver') ?? '';
  const visitor = receiver.slice('visitor.'.length, receiver.length - instance.length);
  const text = fields.get('body') ?? '';
  return text.startsWith('!')
    ? {
        type: 'chat.command',
        data: { visitor, chatId: '41', operator, messageId: 'm', command: 'name', text },
      }
    : {
        type: 'chat.message',
        data: { visitor, chatId: '41', operator, message: { id: 'm', body: text } },
      };
}

describe.each([
  ['day', ''],
  ['hosting', '.acme-shop'],
  ['hosting', '.zeta'],
])('%s.jsonl, the operators of %j', (file, instance) => {
  const recorded = readFileSync(`test/lhc-wire/${file}.jsonl`, 'utf8')
    .trim()
    .split('\n')
    .map((line): Recorded => JSON.parse(line))
    .filter(({ dir, body }) => dir === 'ejabberd-to-lhc' && body.includes(instance));

  it('is sent byte for byte', () => {
    let compared = 0;
    for (const each of recorded) {
      const callback = callbackFor(each, instance);
      if (!callback) continue;
      const { path, headers, body } = each;
      expect(xmppserviceRequest(namesOf(instance), callback)).toEqual({
        path: path.split('/').pop(),
        contentType: headers['content-type'],
        body,
      });
      compared++;
    }
    expect(compared).toBeGreaterThanOrEqual(5);
  });
});

const operator = { username: 'olga', lhcUserId: 1 };
const about = { visitor: '7', chatId: '41', operator };
const fieldsOf = (callback: Pick<Callback, 'type' | 'data'>) =>
  Object.fromEntries(new URLSearchParams(xmppserviceRequest(namesOf('.zeta'), callback)?.body));
const said = (body: string): Callback => ({
  id: '1',
  tenant: 'acme',
  at: '2026-01-01T00:00:00.000Z',
  type: 'chat.message',
  data: { ...about, message: { id: 'm1', body } },
});

describe('the form', () => {
  it('tells LHC of a closed chat and a note by its own commands, and names the chat', () => {
    const receiver = 'visitor.41.chat.zeta';
    expect(fieldsOf({ type: 'chat.closed', data: { ...about, reason: 'operator' } })).toMatchObject(
      { body: '!close', receiver, sender: 'olga.zeta' },
    );
    const note = { id: 'n1', body: 'is angry' };
    expect(fieldsOf({ type: 'chat.note', data: { ...about, note } })).toMatchObject({
      body: '!note is angry',
      receiver,
    });
  });

  it('says a correction as a message, and no words of a message as a command', () => {
    const message = { id: 'm2', body: 'at 10', replaces: 'm1' };
    expect(fieldsOf({ type: 'chat.message', data: { ...about, message } }).body).toBe(
      '\u270e at 10',
    );
    for (const body of ['!close', ' \n!close']) {
      const text = fieldsOf(said(body)).body ?? '';
      expect(text.endsWith(body)).toBe(true);
      expect(text.trimStart().startsWith('!')).toBe(false);
    }
  });

  it.each<Pick<Callback, 'type' | 'data'>>([
    { type: 'chat.assigned', data: { ...about, reason: null } },
    { type: 'chat.accepted', data: about },
    { type: 'chat.transferred', data: { ...about, reason: 'operator' } },
    { type: 'operator.typing', data: { ...about, state: 'composing' } },
    {
      type: 'message.delivered',
      data: { visitor: '7', chatId: '41', messageId: 'm', reason: 'ping' },
    },
    { type: 'visitor.cleaned_up', data: { visitor: '7', lastSeen: '2026-01-01T00:00:00.000Z' } },
    { type: 'chat.closed', data: { ...about, operator: null, reason: 'operator' } },
  ])('has nothing for $type', (callback) => {
    expect(xmppserviceRequest(namesOf(), callback)).toBeNull();
  });
});

it.each([
  'https://lhc.test/xmppservice',
  'https://lhc.test/xmppservice/',
  'https://lhc.test/xmppservice/operatorstatus',
  'https://lhc.test/xmppservice/processmessage',
  'https://lhc.test',
  'https://lhc.test/',
])('%s is an address of LHC', (url) => {
  expect(xmppserviceUrl(url, 'processmessage')).toBe('https://lhc.test/xmppservice/processmessage');
  expect(xmppserviceUrl(url, 'operatorstatus')).toBe('https://lhc.test/xmppservice/operatorstatus');
});

it('an address keeps what is before and behind its path', () => {
  expect(
    xmppserviceUrl('http://u:p@lhc.test:81/eng/index.php/xmppservice?x=1', 'processmessage'),
  ).toBe('http://u:p@lhc.test:81/eng/index.php/xmppservice/processmessage?x=1');
});

describe('a delivery', () => {
  let lhc: Lhc;
  let endpoint: CallbackEndpoint;
  beforeEach(async () => {
    lhc = await startLhc();
    endpoint = {
      url: lhc.url.replace('/callback', '/xmppservice'),
      isDeclared: true,
      xmppservice: namesOf(),
    };
  });
  afterEach(() => lhc.close());
  const client = createCallbackClient({ unknownVisitorRetry: { firstMs: 0, mostMs: 0 } });
  const paths = () => lhc.requests.map(({ path }) => path.split('/').pop());
  const unavailable = { kind: 'status', status: 503, headers: { 'retry-after': '300' } } as const;
  const fine = { kind: 'status', status: 200 } as const;

  it('is accepted with 200, and carries nothing of Standard Webhooks', async () => {
    expect(await client.deliver(endpoint, said('Yes, we do.'))).toEqual({ outcome: 'accepted' });
    const [request] = lhc.requests;
    expect(request?.path).toBe('/xmppservice/processmessage');
    expect(request?.headers['content-type']).toBe('application/x-www-form-urlencoded');
    expect(Object.keys(request?.headers ?? {}).filter((name) => /webhook/.test(name))).toEqual([]);
  });

  it('of what has no form sends nothing', async () => {
    const callback: Callback = { ...said(''), type: 'chat.accepted', data: about };
    expect(await client.deliver(endpoint, callback)).toEqual({ outcome: 'unsupported' });
    expect(lhc.requests).toEqual([]);
  });

  it('for a visitor unknown to LHC is tried twice, and is not taken for an LHC that is away', async () => {
    lhc.behave(({ path }) => (path.endsWith('processmessage') ? unavailable : fine));
    expect(await client.deliver(endpoint, said('Hi'))).toEqual({ outcome: 'unknown-visitor' });
    expect(paths()).toEqual([
      'processmessage',
      'operatorstatus',
      'processmessage',
      'operatorstatus',
    ]);
    const { action, user } = JSON.parse(lhc.requests[1]?.text ?? '{}');
    expect(action).toBe('ping');
    expect(user).toMatch(/^visitor/); // no operator has such a name
  });

  it('that works at the second try is accepted', async () => {
    let asked = 0;
    lhc.behave(({ path }) =>
      path.endsWith('processmessage') && asked++ === 0 ? unavailable : fine,
    );
    expect(await client.deliver(endpoint, said('Hi'))).toEqual({ outcome: 'accepted' });
  });

  it('that gets 503 from an LHC that answers so to everything waits for it', async () => {
    lhc.behave(unavailable);
    expect(await client.deliver(endpoint, said('Hi'))).toEqual({
      outcome: 'retry',
      reason: 'answered 503',
      afterMs: 300_000,
      away: true,
    });
    expect(paths()).toEqual(['processmessage', 'operatorstatus']);
  });

  it('goes once to an LHC that hangs, however often it is tried, and again when that answers', async () => {
    const impatient = createCallbackClient({ timeoutMs: 1_000 });
    lhc.behave({ kind: 'hang' });
    const late = { outcome: 'retry', reason: 'no answer in time', away: true };
    for (let i = 0; i < 2; i++) {
      expect(await impatient.deliver(endpoint, said('Hi'))).toEqual(late);
    }
    expect(paths()).toEqual(['processmessage', 'operatorstatus']);
    lhc.behave(fine);
    for (const text of ['Hi', 'And one more thing']) {
      expect(await impatient.deliver(endpoint, said(text))).toEqual({ outcome: 'accepted' });
    }
    expect(paths().slice(2)).toEqual(['operatorstatus', 'processmessage', 'processmessage']);
  });

  it('does not follow a redirect, as LHC answers without its extension', async () => {
    lhc.behave({ kind: 'status', status: 301, headers: { location: '/' } });
    expect(await client.deliver(endpoint, said('Hi'))).toEqual({
      outcome: 'retry',
      reason: 'answered 301, and redirects are not followed',
    });
    expect(lhc.requests).toHaveLength(1);
  });

  it('of the doctor is a sign of life of nobody', async () => {
    const ping = { id: '1', type: 'doctor.ping', tenant: 'acme', at: '', data: {} } as const;
    expect(await client.deliver(endpoint, ping)).toEqual({ outcome: 'accepted' });
    expect(paths()).toEqual(['operatorstatus']);
    expect(lhc.requests[0]?.text).toMatch(
      /^\{"action":"ping","user":"visitor[^"]*@xmpp\.acme\.example"\}$/,
    );
  });
});
