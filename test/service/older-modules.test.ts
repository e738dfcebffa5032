/**
 * An ejabberd without our mod_lhc: what its older modules post makes operators online and carries their messages, and a
 * visitor's message counts as delivered once ejabberd has taken it. LHC's calls of XML-RPC go to their own listener.
 */
import { expect, it } from 'vitest';
import { day, rpcCalls } from '../lhc-wire/recordings.ts';
import { testWorld } from '../support/test-world.ts';
import { waitFor } from '../support/wait.ts';

const host = 'xmpp.test';
const world = await testWorld({
  tenants: [{ id: 'acme', host }],
  ejabberd: { modLhc: false, extraModules: { mod_muc: undefined, mod_muc_admin: undefined } },
  environment: {
    LEGACY_CALLBACKS_FROM: '127.0.0.1,::1',
    XMLRPC_LISTEN: '127.0.0.1:0',
    XMLRPC_PASSWORD: 'rpc-pass',
  },
});
const acme = world.tenant('acme');
await acme.register('olga');

async function post(path: string, type: string, body: string): Promise<void> {
  const response = await fetch(`${world.url}/xmppservice/${path}`, {
    method: 'POST',
    headers: { 'content-type': type },
    body,
  });
  expect([response.status, await response.text()]).toEqual([200, '']);
}
const status = (report: object) =>
  post('operatorstatus', 'application/json', JSON.stringify(report));
const session = (action: string) => status({ action, user: 'olga', server: host });
const says = (body: string, receiver: string) =>
  post(
    'processmessage',
    'application/x-www-form-urlencoded',
    new URLSearchParams({ body, sender: 'olga', receiver, server: host, type: 'chat' }).toString(),
  );

it('a day with the older modules', async () => {
  const olga = await acme.connect('olga');
  await session('connect');
  await acme.operatorIs('olga', 'available');
  await status({ action: 'ping', user: olga.jid });
  await acme.callback('operator.alive');

  await acme.view('7', { page: 'https://shop.test/', nick: 'Anna' });
  await says('Did you find it?', 'visitor.7');
  const { data } = await acme.callback('visitor.invited');
  expect(data.message.body).toBe('Did you find it?');

  const message = { id: 'm1', body: 'No' };
  await acme.ask('POST', '/visitors/7/chats', { chatId: '41', message });
  const sent = () => olga.messages.filter(({ id }) => /^m\d$/.test(id)).map(({ id }) => id);
  await olga.waitFor(() => sent().includes('m1'), 'the first message');
  await acme.callback('message.delivered', ({ messageId }) => messageId === 'm1');
  await says('Try the blue ones.', 'visitor.7');
  await acme.callback('chat.message', ({ message: { body } }) => body === 'Try the blue ones.');
  await acme.ask('POST', '/visitors/7/messages', { id: 'm2', body: 'Thanks' });
  await acme.callback('message.delivered', ({ messageId }) => messageId === 'm2');

  // Nothing is open, so nothing is sent again when the operator comes back.
  await olga.disconnect();
  await session('disconnect');
  await acme.operatorIs('olga', 'offline');
  const again = await acme.connect('olga');
  await session('connect');
  await acme.operatorIs('olga', 'available');
  await acme.ask('POST', '/visitors/7/messages', { id: 'm3', body: 'Bye' });
  await again.waitFor(({ messages }) => messages.some(({ id }) => id === 'm3'), 'the last message');
  expect(sent()).toEqual(['m1', 'm2']);
  expect(again.messages.map(({ id }) => id).filter((id) => /^m\d$/.test(id))).toEqual(['m3']);

  const url = /"xmlRpcUrl":"([^"]+)"/.exec(world.service.logs())?.[1] ?? '';
  const call = async (rpc: string): Promise<string> => {
    const recorded = rpcCalls(day).find((one) => one.rpc === rpc)?.body;
    const body = String(recorded).replaceAll('xmpp.acme.example', host);
    return await (await fetch(url, { method: 'POST', body })).text();
  };
  expect(await call('user_sessions_info')).toContain('<name>resource</name>');
  expect(await call('send_stanza_c2s')).toContain('<int>0</int>');
  await waitFor(async () => (await acme.ask('GET', '/visitors/7')).nick === 'Änna B. 👍 <&> #41', {
    what: 'the nick',
  });
  // Without mod_muc private chats of operators stay in LHC, and get no fault.
  expect(await call('muc_online_rooms')).toContain('<array><data></data></array>');
  expect(await call('create_room')).toContain('<int>0</int>');
  await again.disconnect();
});
