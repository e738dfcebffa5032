/** mod_lhc reports which messages have reached an operator's client, and drops repeats of those messages. */
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import xml from '@xmpp/xml';
import { afterAll, afterEach, expect, it } from 'vitest';
import { testEjabberd } from '../support/ejabberd.ts';
import { connectOperator, type OperatorOptions } from '../support/operator.ts';
import { waitFor } from '../support/wait.ts';
import { rawComponent, rawOperator } from './raw-stream.ts';
import { startReceiver } from './receiver.ts';

/**
 * Holds a message that is to be stored until the test has logged its operator in, so that the login has read the storage
 * before: it is stored behind that (`late-…`), or the login deletes it unread (`gone-…`), as ejabberd may do.
 */
const SLOW_STORAGE = `
  Home = os:getenv("HOME"),
  File = fun(Packet, End) -> filename:join(Home, <<(xmpp:get_id(Packet))/binary, End/binary>>) end,
  Wait = fun Wait(Name) -> filelib:is_file(Name) orelse begin timer:sleep(5), Wait(Name) end end,
  Hold = fun({_, Packet} = Acc) ->
      case xmpp:get_id(Packet) of
          <<Kind:4/binary, "-", _/binary>> when Kind =:= <<"late">>; Kind =:= <<"gone">> ->
              ok = file:write_file(File(Packet, <<".held">>), <<>>),
              Wait(File(Packet, <<".free">>));
          _ -> ok
      end,
      Acc
  end,
  Delete = fun({_, Packet} = Acc) ->
      {User, Host, _} = jid:tolower(xmpp:get_to(Packet)),
      case xmpp:get_id(Packet) of
          <<"gone-", _/binary>> -> mnesia:dirty_delete({offline_msg, {User, Host}});
          _ -> ok
      end,
      Acc
  end,
  ejabberd_hooks:add(offline_message_hook, <<"xmpp.test">>, Hold, 45),
  ejabberd_hooks:add(offline_message_hook, <<"xmpp.test">>, Delete, 55).`;

const receiver = await startReceiver();
const ejabberd = await testEjabberd({
  webhook: { url: receiver.url, secret: receiver.secret },
  // So long that every ping in these tests is one for messages.
  modLhc: { ping_interval: 3600 },
  component: { secret: 'component-secret' },
  extraConfig: {
    api_permissions: { all: { from: ['mod_http_api'], who: { ip: '127.0.0.0/8' }, what: '*' } },
  },
  streamManagement: { resumeTimeout: 2 },
  atStart: SLOW_STORAGE,
});
const { host } = ejabberd;
const visitorJid = `visitor.1@${host}`;
await ejabberd.register('visitor.1', 'pw');
const login = { service: ejabberd.xmpp, domain: host, password: 'pw' };
const visitor = await connectOperator({ ...login, username: 'visitor.1' });

let users = 0;
/** A new operator, so tests do not share one. */
async function newUser(): Promise<string> {
  users += 1;
  await ejabberd.registerOperator(`op${users}`, 'pw');
  return `op${users}`;
}
const connect = (username: string, options: Partial<OperatorOptions> = {}) =>
  connectOperator({ ...login, username, receipts: false, ...options });

/** Sends a visitor's message, with a receipt request as the service does. */
function say(user: string, id: string, body = `text of ${id}`): void {
  visitor.sendStanza(
    xml(
      'message',
      { to: `${user}@${host}`, type: 'chat', id },
      xml('body', {}, body),
      xml('request', { xmlns: 'urn:xmpp:receipts' }),
    ),
  );
}
const reports = (id: string) => receiver.ofType('delivered').filter(({ ids }) => ids.includes(id));
const reported = (id: string, times = 1) =>
  waitFor(() => reports(id).length >= times && reports(id).at(-1), {
    what: () => `${times} reports of ${id}, there are ${reports(id).length}`,
  });
/** How many messages wait in offline storage. */
async function stored(user: string): Promise<number> {
  const body = JSON.stringify({ user, host });
  const headers = { 'content-type': 'application/json' };
  const url = `${ejabberd.apiUrl}/get_offline_count`;
  // `1` or `{"value":1}`, depending on the release.
  const text = await (await fetch(url, { method: 'POST', headers, body })).text();
  return Number(/\d+/.exec(text)?.[0]);
}
/** Waits until all earlier messages of visitors are routed and all earlier events reported. */
async function settled(user: string, sentinel: string): Promise<void> {
  await visitor.acknowledged();
  const other = await connect(await newUser());
  other.send(visitorJid, 'sentinel', sentinel);
  await receiver.event('message', ({ id }) => id === sentinel);
  await other.disconnect();
  expect(user).not.toBe('');
}

afterEach(() => expect(receiver.faults).toEqual([]));
afterAll(() => receiver.close());

it('reports a receipt once, even if the ping is answered too', async () => {
  const user = await newUser();
  const operator = await connect(user, { receipts: true });
  say(user, 'receipt-1');
  const report = await reported('receipt-1');
  expect(report).toMatchObject({ from: operator.jid, to: visitorJid, by: 'receipt' });
  await operator.acknowledged();
  await settled(user, 's-receipt');
  expect(reports('receipt-1')).toHaveLength(1);
  await operator.disconnect();
});

it('pings once for all waiting messages, and reports each message once', async () => {
  const user = await newUser();
  const operator = await connect(user);
  const ids = Array.from({ length: 50 }, (_, n) => `burst-${n}`);
  for (const id of ids) say(user, id);
  await reported('burst-49');
  const events = receiver.ofType('delivered').filter(({ from }) => from === operator.jid);
  expect(events.flatMap((event) => event.ids)).toEqual(ids);
  expect(new Set(events.map(({ by }) => by))).toEqual(new Set(['ping']));
  const pings = operator.stanzas.filter((stanza) => stanza.getChild('ping', 'urn:xmpp:ping'));
  expect(pings.length).toBeLessThan(25);
  expect(events.length).toBeLessThanOrEqual(pings.length);
  await operator.disconnect();
});

it('reports many messages that are delivered at once in several events', async () => {
  const user = await newUser();
  const operator = await connect(user, { answerPings: false });
  const ids = Array.from({ length: 150 }, (_, n) => `many-${n}`);
  for (const id of ids) say(user, id);
  await operator.waitFor(({ messages }) => messages.length === ids.length);
  const pings = () => operator.stanzas.filter((stanza) => stanza.getChild('ping', 'urn:xmpp:ping'));
  // The first ping is for the first message, and the second one for all others.
  for (const n of [0, 1]) {
    const { id, from } = (await waitFor(() => pings()[n])).attrs;
    operator.sendStanza(xml('iq', { type: 'result', id, to: from }));
  }
  await reported('many-149');
  const events = receiver.ofType('delivered').filter(({ from }) => from === operator.jid);
  expect(events.flatMap((event) => event.ids)).toEqual(ids);
  expect(Math.max(...events.map((event) => event.ids.length))).toBe(100);
  await operator.disconnect();
});

it('reports nothing for a client that hangs, and accepts a repeat after that session has ended', async () => {
  const user = await newUser();
  const hanging = await connect(user, { answerPings: false });
  say(user, 'hang-1');
  await hanging.waitFor(({ messages }) => messages.length === 1);
  // While the session lives the repeat is dropped.
  say(user, 'hang-1');
  await settled(user, 's-hang');
  expect(reports('hang-1')).toEqual([]);
  expect(hanging.messages).toHaveLength(1);
  // So it is though there is another session now, which does not have the message.
  const next = await connect(user, { resource: 'next' });
  say(user, 'hang-1');
  await settled(user, 's-hang-2');
  await next.acknowledged();
  expect(next.messages).toEqual([]);
  const { jid } = hanging;
  hanging.drop();
  await receiver.event('operator.disconnected', (event) => jid.endsWith(`/${event.resource}`));
  say(user, 'hang-1');
  await next.waitFor(({ messages }) => messages.length === 1);
  expect(await reported('hang-1')).toMatchObject({ from: next.jid, by: 'ping' });
  await next.disconnect();
});

it('drops a repeat of a delivered message and reports it again', async () => {
  const user = await newUser();
  const operator = await connect(user);
  say(user, 'again-1');
  await reported('again-1');
  say(user, 'again-1');
  expect(await reported('again-1', 2)).toMatchObject({ to: visitorJid, by: 'ping' });
  // Still known after the session has ended.
  await operator.disconnect();
  say(user, 'again-1');
  await reported('again-1', 3);
  const next = await connect(user);
  say(user, 'again-1');
  await reported('again-1', 4);
  say(user, 'again-2');
  await next.waitFor(({ messages }) => messages.length === 1);
  expect(next.messages.map(({ id }) => id)).toEqual(['again-2']);
  expect(operator.messages).toHaveLength(1);
  await next.disconnect();
});

it('the same id of another visitor or to another operator is not a repeat', async () => {
  const [one, two] = [await newUser(), await newUser()];
  const [first, second] = [await connect(one), await connect(two)];
  await ejabberd.register('visitor.2', 'pw');
  const other = await connectOperator({ ...login, username: 'visitor.2' });
  say(one, 'same');
  say(two, 'same');
  other.send(`${one}@${host}`, 'from another', 'same');
  await first.waitFor(({ messages }) => messages.length === 2);
  await second.waitFor(({ messages }) => messages.length === 1);
  await reported('same', 3);
  for (const client of [first, second, other]) await client.disconnect();
});

it('reports a message once if two clients of the operator have it', async () => {
  const user = await newUser();
  const [desk, phone] = [await connect(user), await connect(user)];
  say(user, 'two-1');
  for (const client of [desk, phone]) {
    await client.waitFor(({ messages }) => messages.length === 1);
    await client.acknowledged();
  }
  await reported('two-1');
  await settled(user, 's-two');
  expect(reports('two-1')).toHaveLength(1);
  for (const client of [desk, phone]) await client.disconnect();
});

it('stores a repeated message for an offline operator once, and reports it after the login', async () => {
  const user = await newUser();
  say(user, 'offline-1');
  say(user, 'offline-1');
  await settled(user, 's-offline');
  expect(reports('offline-1')).toEqual([]);
  expect(await stored(user)).toBe(1);
  const operator = await connect(user);
  say(user, 'offline-1');
  say(user, 'offline-2');
  await reported('offline-2');
  expect(operator.messages.map(({ id }) => id)).toEqual(['offline-1', 'offline-2']);
  expect(reports('offline-1').length).toBeGreaterThanOrEqual(1);
  await operator.disconnect();
});

it('reports messages of component visitors, and drops their repeats', async () => {
  const user = await newUser();
  const operator = await connect(user);
  const component = await rawComponent(
    ejabberd.componentPort,
    `visitors.${host}`,
    'component-secret',
  );
  const from = `visitor.7@visitors.${host}`;
  const stanza = `<message from='${from}' to='${user}@${host}' type='chat' id='c-1'><body>hi</body></message>`;
  component.send(stanza);
  expect(await reported('c-1')).toMatchObject({ from: operator.jid, to: from, by: 'ping' });
  component.send(stanza);
  await reported('c-1', 2);
  expect(operator.messages).toHaveLength(1);
  // The other direction: an operator's message is reported. The component gets no copy, so it may be away.
  await operator.sendAndAck(from, 'to the component', 'c-2');
  await receiver.event('message', ({ id }) => id === 'c-2');
  component.send(
    `<iq type='get' id='behind' from='${from}' to='${host}'><ping xmlns='urn:xmpp:ping'/></iq>`,
  );
  await component.sees(/id='behind'/);
  expect(component.text).not.toContain('to the component');
  component.drop();
  await operator.sendAndAck(from, 'to nobody', 'c-3');
  await receiver.event('message', ({ id }) => id === 'c-3');
  await settled(user, 's-component');
  expect(operator.errors).toEqual([]);
  await operator.disconnect();
});

it('a resumed session keeps its messages and reports them under its new id', async () => {
  const user = await newUser();
  const where = { port: ejabberd.c2sPort, host, user, resource: 'phone' };
  const first = await rawOperator(where);
  say(user, 'sm-1');
  await first.sees(/text of sm-1/);
  const written = (id: string) =>
    `<message type='chat' id='${id}' to='${visitorJid}'><body>${id}</body></message>`;
  first.send(written('sm-a'));
  await receiver.event('message', ({ id }) => id === 'sm-a');
  first.drop();
  // These go into the queue of a session that waits to be resumed.
  say(user, 'sm-2');
  say(user, 'sm-1');
  await visitor.acknowledged();
  expect(reports('sm-1')).toEqual([]);
  const second = await rawOperator({ ...where, resume: first.id });
  await second.sees(/text of sm-2/);
  say(user, 'sm-1');
  say(user, 'sm-3');
  await second.sees(/text of sm-3/);
  second.pong();
  await reported('sm-1');
  await waitFor(() => {
    second.pong();
    return reports('sm-3').length > 0;
  });
  expect(second.count(/text of sm-1/)).toBe(1);
  for (const id of ['sm-1', 'sm-2', 'sm-3']) expect(reports(id)).toHaveLength(1);
  second.send(written('sm-b'));
  await receiver.event('message', ({ id }) => id === 'sm-b');
  const sessions = receiver.ofType('operator.connected').filter((event) => event.user === user);
  expect(new Set(sessions.map(({ session }) => session)).size).toBe(2);
  const ended = await receiver.event('operator.disconnected', (event) => event.user === user);
  expect(ended.session).toBe(sessions[0]?.session);
  // What the operator writes has the session's first id, and says how often it was resumed.
  const messages = receiver.ofType('message').filter(({ id }) => /^sm-/.test(id));
  expect(messages.map(({ session, resumptions }) => [session, resumptions])).toEqual([
    [sessions[0]?.session, 0],
    [sessions[0]?.session, 1],
  ]);
  const presence = receiver.ofType('operator.presence').filter((event) => event.user === user);
  expect(presence.map(({ session, show }) => [session, show])).toEqual([
    [sessions[0]?.session, 'available'],
    [sessions[1]?.session, 'available'],
  ]);
  second.drop();
});

it.each([
  ['stored behind what the login reads', 'an account', 'late-1'],
  ['stored behind what the login reads', 'the component', 'late-2'],
  ['deleted unread by the login', 'an account', 'gone-1'],
  ['deleted unread by the login', 'the component', 'gone-2'],
])('a message that is %s, of %s, reaches that login, once', async (_, sender, id) => {
  const user = await newUser();
  const component =
    sender === 'the component'
      ? await rawComponent(ejabberd.componentPort, `visitors.${host}`, 'component-secret')
      : null;
  if (component) {
    const from = `visitor.7@visitors.${host}`;
    component.send(
      `<message from='${from}' to='${user}@${host}' type='chat' id='${id}'><body>hi</body></message>`,
    );
  } else say(user, id);
  await waitFor(() => existsSync(join(ejabberd.dir, `${id}.held`)), { what: 'the message' });
  const operator = await connect(user);
  await writeFile(join(ejabberd.dir, `${id}.free`), '');
  await reported(id);
  // Another copy would come before this one.
  say(user, `behind-${id}`);
  await reported(`behind-${id}`);
  expect(operator.messages.map((message) => message.id)).toEqual([id, `behind-${id}`]);
  expect(await stored(user)).toBe(0);
  component?.drop();
  await operator.disconnect();
});

it('a message of a session that is not resumed in time is read once at the next login', async () => {
  const user = await newUser();
  const first = await rawOperator({ port: ejabberd.c2sPort, host, user, resource: 'phone' });
  say(user, 'lapsed-1');
  await first.sees(/text of lapsed-1/);
  first.drop();
  await receiver.event('operator.disconnected', (event) => event.user === user);
  // ejabberd has stored it offline, so the service's repeat must not be a second copy.
  say(user, 'lapsed-1');
  await visitor.acknowledged();
  const operator = await connect(user);
  await reported('lapsed-1');
  say(user, 'lapsed-2');
  await reported('lapsed-2');
  expect(operator.messages.map(({ id }) => id)).toEqual(['lapsed-1', 'lapsed-2']);
  await operator.disconnect();
});
