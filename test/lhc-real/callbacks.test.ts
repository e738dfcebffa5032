/** Each callback on a real LHC, sent by hand, and what the visitor's widget is answered then. */
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startLhc } from '../../scripts/lhc/real-lhc.ts';
import { createVisitor, type Visitor } from '../../scripts/lhc/visitor.ts';
import type { CallbackType } from '../../src/lhc/callback-types.ts';

const callbackSecret = `whsec_${randomBytes(32).toString('base64')}`;
const dir = await mkdtemp(join(tmpdir(), 'lhc-'));
const lhc = await startLhc({
  lhcDir: process.env.LHC_DIR ?? '',
  dir,
  departments: ['Sales', 'Support'],
  operators: [
    { username: 'olga', name: 'Olga', departments: ['Sales'] },
    { username: 'paula', name: 'Paula', departments: ['Sales', 'Support'] },
  ],
  // Nobody listens there: what LHC has to report waits in the outbox.
  extension: {
    settings: {
      enabled: '1',
      serviceUrl: 'http://127.0.0.1:9',
      tenant: 'shop',
      apiKey: 'key',
      callbackSecret,
    },
  },
});
afterAll(async () => {
  await lhc.stop();
  await rm(dir, { recursive: true, force: true });
});

interface Answer {
  readonly status: number;
  readonly outcome?: string;
  readonly code?: string;
  readonly notice?: { readonly code: string; readonly text: string };
}

async function post(id: string, type: CallbackType, data: unknown): Promise<Answer> {
  const at = new Date();
  const body = JSON.stringify({ id, type, tenant: 'shop', at: at.toISOString(), data });
  const answer = await fetch(`${lhc.url}/xmppchat/callback`, {
    method: 'POST',
    redirect: 'manual',
    headers: {
      'content-type': 'application/json',
      'webhook-id': id,
      'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
      'webhook-signature': new Webhook(callbackSecret).sign(id, at, body),
      connection: 'close',
    },
    body,
  });
  const text = await answer.text();
  expect(answer.headers.getSetCookie()).toEqual([]);
  return { status: answer.status, ...(text.startsWith('{') && JSON.parse(text)) };
}

const operator = (username: string) => ({ username, lhcUserId: lhc.operator(username).id });
const send = (type: CallbackType, data: object): Promise<Answer> => post(randomUUID(), type, data);
const sendAccepted = async (type: CallbackType, data: object): Promise<Answer> => {
  const answer = await send(type, data);
  expect(answer).toMatchObject({ status: 200, outcome: 'accepted' });
  return answer;
};
const message = (body: string, more: object = {}) => ({ id: randomUUID(), body, ...more });

interface Guest {
  readonly visitor: Visitor;
  readonly key: string;
}

async function guest(): Promise<Guest> {
  const visitor = createVisitor(lhc.url);
  await visitor.view('https://shop.example/shoes', 'Shoes');
  const [row] = await lhc.sql('SELECT id FROM lh_chat_online_user WHERE vid = ?', [visitor.vid]);
  return { visitor, key: row?.id ?? '' };
}

/** A visitor with a chat that waits, and `data` of callbacks about it. */
async function begun(question = 'Do you have these in 43?') {
  const { visitor, key } = await guest();
  const { id } = await visitor.start(question);
  const about = (more: object = {}) => ({
    visitor: key,
    chatId: String(id),
    operator: operator('olga'),
    reason: 'operator',
    ...more,
  });
  return { visitor, key, id, about };
}

const places = (id: number) =>
  lhc.sql('SELECT status, user_id, dep_id FROM lh_chat WHERE id = ?', [id]).then(([row]) => row);

beforeAll(async () => {
  await sendAccepted('operator.online', { operator: operator('olga'), at: new Date() });
});

it('online, hidden and offline are what the page is told', async () => {
  const visitor = createVisitor(lhc.url);
  const isOnline = async () => (await visitor.view('https://shop.example/')).json.isOnline;
  const state = { operator: operator('olga'), at: new Date() };
  expect(await isOnline()).toBe(true);
  await lhc.sql('UPDATE lh_userdep SET hide_online = 1');
  await sendAccepted('operator.alive', state);
  expect(await isOnline()).toBe(false);
  await lhc.sql('UPDATE lh_userdep SET hide_online = 0');
  await sendAccepted('operator.offline', state);
  expect(await isOnline()).toBe(false);
  await sendAccepted('operator.online', state);
  expect(await isOnline()).toBe(true);
});

it('assigned, accepted, typing, a message, a correction, the end', async () => {
  const { visitor, id, about } = await begun();
  const olga = String(lhc.operator('olga').id);
  await sendAccepted('chat.assigned', about());
  expect(await places(id)).toEqual({ status: '0', user_id: olga, dep_id: '1' });
  await sendAccepted('chat.accepted', about());
  expect((await visitor.fetch()).json).toMatchObject({ status: 1, status_sub: 1 });
  expect((await visitor.fetch()).json).toMatchObject({ status: 1, status_sub: 0 });
  expect((await visitor.status()).text).toContain('Olga');
  await sendAccepted('operator.typing', about({ state: 'composing' }));
  expect((await visitor.fetch()).json.ott).toContain('Olga');
  await sendAccepted('chat.message', about({ message: message('[b]Yes[/b] <i>', { id: 'm1' }) }));
  const shown = (await visitor.fetch()).json;
  expect(shown.ott).toBe(false);
  expect(shown.messages).toContain('<strong>Yes</strong> &lt;i&gt;');
  await sendAccepted(
    'chat.message',
    about({ message: message('!block no longer', { replaces: 'm1' }) }),
  );
  const corrected = (await visitor.fetch()).json;
  expect(corrected.op).toEqual([expect.stringContaining('lhinst.updateMessageRow(')]);
  expect(corrected.messages).toContain('!block no longer');
  expect(corrected.messages).not.toContain('<strong>Yes');
  await sendAccepted('chat.closed', about());
  expect((await visitor.fetch()).json).toMatchObject({ status: 2, closed: true, ott: false });
});

it('ticks', async () => {
  const { visitor, id, about } = await begun();
  await sendAccepted('chat.accepted', about());
  const [row] = await lhc.sql('SELECT id FROM lh_msg WHERE chat_id = ? AND user_id = 0', [id]);
  const messageId = `lhc-${row?.id}`;
  expect((await visitor.fetch()).json).toMatchObject({ hum: 1 });
  await sendAccepted('message.delivered', about({ messageId, reason: 'receipt' }));
  const delivered = (await visitor.fetch()).json;
  expect(delivered.hum).toBe(2);
  expect(delivered.messages).toContain('msg-del-st-2');
  await sendAccepted('message.displayed', about({ messageId }));
  const displayed = (await visitor.fetch()).json;
  expect(displayed.hum).toBe(0);
  // What was read has no mark any more.
  expect(displayed.messages).not.toContain('msg-del-st');
});

it('to another operator, to a department, to the queue', async () => {
  const { visitor, id, about } = await begun();
  const paula = String(lhc.operator('paula').id);
  await sendAccepted('chat.message', about({ message: message('Hello') }));
  await sendAccepted('chat.transferred', about({ operator: operator('paula') }));
  expect((await visitor.status()).text).toContain('Paula');
  await sendAccepted('chat.transferred', about({ operator: null, department: 'Support' }));
  expect(await places(id)).toEqual({ status: '0', user_id: '0', dep_id: '2' });
  const refused = await send('chat.accepted', about());
  expect(refused).toMatchObject({ outcome: 'refused', code: 'not-allowed' });
  await sendAccepted('chat.accepted', about({ operator: operator('paula') }));
  expect(await places(id)).toEqual({ status: '1', user_id: paula, dep_id: '2' });
  await sendAccepted('chat.transferred', about({ operator: null, reason: 'missed' }));
  expect((await visitor.fetch()).json).toMatchObject({ status: 0 });
});

it('a chat that the visitor left comes back; one that they ended does not', async () => {
  const { visitor, about } = await begun();
  await sendAccepted('chat.accepted', about());
  await visitor.leave();
  await sendAccepted('chat.message', about({ message: message('Are you there?') }));
  expect((await visitor.checkInvitation()).json.reopen).toMatchObject({ id: visitor.chat?.id });
  await visitor.fetch();
  await visitor.leave(true);
  const answer = await sendAccepted('chat.message', about({ message: message('One more thing') }));
  expect(answer.notice?.code).toBe('invited');
  expect((await visitor.checkInvitation()).json.invitation).toBe(true);
  expect((await visitor.invitation()).json.message).toBe('One more thing');
});

it('an invitation: shown, further words, taken down, and a late answer has all of it', async () => {
  const { visitor, key } = await guest();
  const invite = (body: string, more: object = {}) =>
    sendAccepted('visitor.invited', {
      visitor: key,
      operator: operator('olga'),
      message: message(body, more),
    });
  expect((await invite('Can I hlp?', { id: 'i1' })).notice).toBeUndefined();
  expect((await visitor.checkInvitation()).json.invitation).toBe(true);
  expect((await visitor.invitation()).json).toMatchObject({
    message: 'Can I hlp?',
    name_support: 'Olga',
  });
  expect((await invite('With shoes?')).notice?.code).toBe('not-shown-yet');
  expect((await invite('Can I help?', { replaces: 'i1' })).notice?.code).toBe('not-shown-yet');
  await sendAccepted('visitor.invitation_expired', {
    visitor: key,
    operator: operator('olga'),
    reason: 'not-answered',
  });
  expect((await visitor.checkInvitation()).json.invitation).toBeUndefined();
  const { id } = await visitor.start('Yes!', { invitation: true });
  const said = await lhc.sql('SELECT user_id, msg FROM lh_msg WHERE chat_id = ? ORDER BY id', [id]);
  expect(said).toEqual([
    { user_id: String(lhc.operator('olga').id), msg: 'Can I help?\nWith shoes?' },
    { user_id: '0', msg: 'Yes!' },
  ]);
});

it("LHC's commands act with the operator's rights", async () => {
  const { visitor, id, about } = await begun();
  await sendAccepted('chat.accepted', about());
  const command = async (text: string) => {
    const data = about({ messageId: 'c', command: text.split(' ')[0], text });
    return (await sendAccepted('chat.command', data)).notice?.text;
  };
  expect(await command('!info')).toContain('Department - Sales');
  expect(await command('!hold One moment')).toBe('Chat status changed on-hold!');
  expect((await visitor.fetch()).json.messages).toContain('One moment');
  expect(await command('!block')).toBe('User was blocked!');
  const blocked = await lhc.sql('SELECT user_id, chat_id FROM lh_chat_blocked_user');
  expect(blocked).toEqual([{ user_id: String(lhc.operator('olga').id), chat_id: String(id) }]);
  await lhc.sql('DELETE FROM lh_chat_blocked_user');
  expect(await command('!close')).toBe('Chat was closed!');
  expect((await visitor.fetch()).json).toMatchObject({ status: 2, closed: true });
});

it('with PHP killed in the middle, a repeat does what is missing and nothing twice', async () => {
  const { visitor, id, about } = await begun();
  await sendAccepted('chat.accepted', about());
  const texts = Array.from({ length: 30 }, (_, at) => `word ${at}`);
  const ids = texts.map(() => randomUUID());
  const say = (at: number) =>
    post(ids[at] ?? '', 'chat.message', about({ message: { id: ids[at], body: texts[at] } })).then(
      ({ status }) => status === 200,
      () => false,
    );
  let answered = 0;
  for (let at = 0; at < texts.length; at++) {
    const sent = Promise.all([say(at), say(at)]);
    if (at % 10 === 5) {
      await lhc.fpm.kill();
      await lhc.fpm.start();
    }
    const oks = await sent;
    answered += oks.filter(Boolean).length;
    // The same again until it is taken, as the service does it. The visitor writes at the same time.
    while (!(await say(at))) await new Promise((resolve) => setTimeout(resolve, 50));
    await visitor.write(`answer ${at}`);
  }
  expect(answered).toBeGreaterThan(0);
  const rows = await lhc.sql(
    'SELECT msg FROM lh_msg WHERE chat_id = ? AND user_id > 0 ORDER BY id',
    [id],
  );
  expect(rows.map(({ msg }) => msg)).toEqual(texts);
});
