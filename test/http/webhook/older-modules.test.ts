/** The recorded callbacks of ejabberd's older modules, and callbacks that are wrong. */
import { expect, it } from 'vitest';
import { AppError } from '../../../src/errors.ts';
import type { HttpDeps } from '../../../src/http/deps.ts';
import { MAX_CALLBACK_BYTES } from '../../../src/http/webhook/older-modules.ts';
import { day, hosting, olderCallbacks } from '../../lhc-wire/recordings.ts';
import { ADMIN, fakeApp } from '../fakes.ts';

const STATUS = '/xmppservice/operatorstatus';
const MESSAGE = '/xmppservice/processmessage';

/** The app behind a socket. @param remoteAddress of ejabberd */
function posts(more: Partial<HttpDeps> = {}, remoteAddress = '10.1.2.3') {
  const { app, calls, ask } = fakeApp(more);
  const env = { incoming: { socket: { remoteAddress }, complete: true } };
  const post = async (path: string, body: string, headers: Record<string, string> = {}) => {
    const response = await app.request(path, { method: 'POST', body, headers }, env);
    return { status: response.status, text: await response.text() };
  };
  const seen = async () => (await ask('GET', '/debug/webhooks', { key: ADMIN })).json.olderModules;
  return { post, calls, seen };
}

it.each([
  ['day', day, 13],
  ['hosting', hosting, 10],
])('the callbacks of %s are taken, and answered as LHC did', async (_file, recording, many) => {
  const { post, calls } = posts();
  for (const { path, body, headers, host } of olderCallbacks(recording)) {
    const answer = await post(path, body, { ...headers, ...(host && { host }) });
    expect(answer).toEqual({ status: 200, text: '' });
  }
  expect(calls.older).toHaveLength(many);
});

it('says what they say', async () => {
  const { post, calls } = posts();
  for (const { path, body, headers } of olderCallbacks(day)) await post(path, body, headers);
  const by = (operator: string, more: object) =>
    expect.objectContaining({ host: 'xmpp.acme.example', operator, ...more });
  expect(calls.older).toEqual([
    by('olga', { type: 'session' }),
    by('oskar', { type: 'session' }),
    by('olga', { type: 'message', receiver: 'visitor.7', body: 'Yes, we do.' }),
    by('olga', { type: 'ping', resource: 'gajim.1' }),
    by('olga', { type: 'message', receiver: 'visitor.7', body: '!name Anna Bell' }),
    by('oskar', { type: 'message', receiver: 'visitor.7', body: 'I can help too' }),
    by('olga', { type: 'message', receiver: 'visitor.7', body: 'Did you find it?' }),
    by('oskar', { type: 'message', receiver: 'visitor.43.chat', body: 'It is.' }),
    by('olga', { type: 'message', receiver: 'visitor.43.chat', body: 'From 10.' }),
    by('oskar', { type: 'room' }),
    by('oskar', { type: 'room' }),
    by('oskar', { type: 'room' }),
    by('olga', { type: 'session' }),
  ]);
});

it.each(['11.0.0.1', '127.0.0.1', '::1', ''])('nobody else may post: %s', async (address) => {
  const { post, calls } = posts({}, address);
  const forwarded = { 'x-forwarded-for': '10.1.2.3', forwarded: 'for=10.1.2.3' };
  for (const { path, body, headers } of olderCallbacks(day)) {
    expect((await post(path, body, { ...headers, ...forwarded })).status).toBe(403);
  }
  expect(calls.older).toEqual([]);
});

it('without addresses nobody may', async () => {
  const { post } = posts({ olderModulesFrom: [] }, '127.0.0.1');
  expect((await post(STATUS, '{}')).status).toBe(403);
});

it.each([
  [STATUS, '{"action":"connect","user":"olga"}', 400],
  [STATUS, '{"action":"leave","user":"olga","server":"x"}', 400],
  [STATUS, '{"action":"ping","user":"olga@x"}', 400],
  [STATUS, '{"action":"connect","user":"a@b","server":"x"}', 400],
  [STATUS, 'null', 400],
  [STATUS, 'action=connect', 400],
  [MESSAGE, 'sender=olga&server=x&type=chat', 400],
  [MESSAGE, 'sender=olga&receiver=visitor.7&server=x&type=headline', 400],
  [MESSAGE, '', 400],
  [MESSAGE, 'x'.repeat(MAX_CALLBACK_BYTES + 1), 413],
])('%s %s is refused', async (path, body, status) => {
  const { post, calls } = posts();
  expect((await post(path, body)).status).toBe(status);
  expect(calls.older).toEqual([]);
});

it('the event store is away', async () => {
  const away = async () => {
    throw new AppError('unavailable', 'away', { part: 'the event store' });
  };
  const { post } = posts({ olderModules: { take: away } });
  expect((await post(STATUS, '{"action":"connect","user":"o","server":"x"}')).status).toBe(503);
});

it('an administrator sees from where callbacks come, and from where they were refused', async () => {
  const callback = JSON.stringify({ action: 'connect', user: 'olga', server: 'XMPP.test' });
  const { post, seen } = posts();
  for (let i = 0; i < 2; i += 1) await post(STATUS, callback);
  await post(STATUS, callback.replace('XMPP.test', 'elsewhere.test'));
  const at = expect.any(Number);
  expect(await seen()).toEqual({
    hosts: { 'xmpp.test': { at, callbacks: 2, address: '10.1.2.3' } },
    refused: {},
  });
  const stranger = posts({}, '11.0.0.1');
  await stranger.post(STATUS, callback);
  expect(await stranger.seen()).toEqual({
    hosts: {},
    refused: { '11.0.0.1': { at, callbacks: 1 } },
  });
});
