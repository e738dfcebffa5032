/** The live stream of the real service. A client that reconnects misses nothing, whatever happened to the service meanwhile. */
import { expect, it } from 'vitest';
import { showEvents } from '../../src/cli/events.ts';
import { openServiceSource } from '../../src/cli/log/service-source.ts';
import { readingOf } from '../cli/log/scene.ts';
import { type LiveReader, readEvents } from '../support/events.ts';
import { ADMIN_TOKEN } from '../support/service.ts';
import { testWorld } from '../support/test-world.ts';
import { waitFor } from '../support/wait.ts';

const world = await testWorld({
  tenants: [
    { id: 'acme', host: 'xmpp.test' },
    { id: 'beta', host: 'beta.test' },
  ],
});
const { service } = world;
const acme = world.tenant('acme');
const beta = world.tenant('beta');

/** Reconnects with the last event id each time the connection ends, as a browser does. */
function follower() {
  const connections: LiveReader[] = [];
  let stopped = false;
  const running = (async () => {
    for (let lastEventId = ''; !stopped; ) {
      try {
        const reader = await readEvents(`${service.url}/v1/acme/stream`, {
          key: acme.apiKey,
          ...(lastEventId !== '' && { lastEventId }),
        });
        if (reader.status === 200) {
          connections.push(reader);
          await waitFor(() => reader.ended !== null, { deadlineMs: 120_000 });
          lastEventId = reader.lastEventId;
        }
      } catch {
        // The service is down.
      }
      await waitFor(async () => stopped || (await fetch(`${service.url}/healthz`)).ok, {
        deadlineMs: 60_000,
      });
    }
  })();
  return {
    connections,
    events: () => connections.flatMap(({ events }) => events),
    stop: async () => {
      stopped = true;
      await connections.at(-1)?.close();
      await running;
    },
  };
}

/** `xmpp-chat events -f --tenant acme`, as JSON. */
function followingCommand() {
  const ending = new AbortController();
  const source = openServiceSource({ url: service.url, token: ADMIN_TOKEN });
  const reading = readingOf(source, { json: true, signal: ending.signal });
  const running = showEvents(undefined, { follow: true, all: true, tenant: 'acme' }, reading);
  running.catch(() => {}); // the test awaits it in the end
  return {
    notes: reading.screen.notes,
    events: (): { type: string; position: string }[] =>
      reading.screen.lines.map((line) => JSON.parse(line)),
    async stop() {
      ending.abort();
      await running;
    },
  };
}

/** The facts that change a visitor's row. The stream reports each of them. */
const REPORTED = [
  'VisitorArrived',
  'PageViewed',
  'LoggedIn',
  'LoggedOut',
  'TimedOut',
  'ChatStarted',
];
/** The positions of these facts of acme in the log, in order. */
async function positionsInLog(): Promise<string[]> {
  const found: string[] = [];
  for (let after = ''; ; ) {
    const query = new URLSearchParams({
      prefix: 'visitor-acme.',
      limit: '500',
      ...(after !== '' && { after }),
    });
    const { body } = await service.call('GET', `/debug/events?${query}`);
    for (const { type, position } of body.items) if (REPORTED.includes(type)) found.push(position);
    if (body.next === null) return found;
    after = body.next;
  }
}

it('a client misses nothing over kills and stops of the service, and sees nothing of other tenants', async () => {
  await acme.register('olga', { name: 'Olga' });
  const live = follower();
  const command = followingCommand();
  await waitFor(() => live.events().some(({ event }) => event === 'hello'));
  const { position: from } = live.events()[0]?.data ?? {};
  let n = 0;
  const traffic = async (count: number): Promise<void> => {
    for (const end = n + count; n < end; n += 1) {
      // The service may be killed before it answers. The log shows whether it carried the request out.
      await acme.call('POST', `/visitors/v${n}/page-views`, { page: `/${n}` }).catch(() => {});
      await beta.call('POST', `/visitors/b${n}/page-views`, { page: `/beta` }).catch(() => {});
    }
  };
  for (let round = 0; round < 3; round += 1) {
    await traffic(20);
    const going = traffic(20);
    await waitFor(() => n % 40 > 25);
    await service.kill();
    await going;
    await service.start();
  }
  await traffic(5);
  expect(await service.stop()).toBeLessThan(9_500);
  await service.start();
  await traffic(5);
  await acme.ask('POST', '/visitors/v0/chats', { chatId: 'c0', department: 'sales' });
  await world.idle();

  const last = (await positionsInLog()).at(-1);
  await waitFor(() => live.events().some(({ event, id }) => event === 'visitor' && id === last), {
    what: 'the last change',
  });
  const all = await positionsInLog();
  const ids = live.events().flatMap(({ event, id }) => (event === 'visitor' ? [id] : []));
  // Each change comes at least once, and the first copies are in the order of the log.
  const firstCopies = [...new Set(ids)];
  expect(all.indexOf(firstCopies[0] ?? '')).toBe(0); // hello came before the first change
  expect(firstCopies).toEqual(all);
  expect(from).not.toBe(all[0]);
  expect(live.connections.length).toBeGreaterThanOrEqual(5);
  // The command line goes on as well: each fact once, in the order of the log, and a note for each time.
  const told = () =>
    command.events().flatMap(({ type, position }) => (REPORTED.includes(type) ? [position] : []));
  await waitFor(() => told().includes(last ?? ''), { what: 'the last fact on the terminal' });
  await command.stop();
  expect(told().slice(0, all.length)).toEqual(all);
  expect(new Set(told()).size).toBe(told().length);
  expect(command.notes.filter((note) => /trying again/.test(note)).length).toBeGreaterThan(0);
  expect(command.notes.at(-1)).toBe('it answers again');
  expect(live.events().filter(({ event }) => event === 'reset')).toEqual([]);
  expect(JSON.stringify(live.events())).not.toContain('beta');
  expect(live.events().find(({ event }) => event === 'chat')?.data).toMatchObject({
    fact: 'ChatStarted',
    chat: { chatId: 'c0', department: 'sales' },
  });
  expect(await world.metric('xmpp_chat_stream_connections')).toBe(1);
  expect(await world.metric('xmpp_chat_stream_events_total')).toBeGreaterThan(0);
  await live.stop();
  await waitFor(async () => (await world.metric('xmpp_chat_stream_connections')) === 0);
});

it('when the stream reports a change, queries already show it', async () => {
  const reader = await readEvents(`${service.url}/v1/acme/stream?types=chat`, { key: acme.apiKey });
  await reader.until(() => reader.events.length === 1);
  for (let n = 1; n <= 20; n += 1) {
    await acme.ask('POST', `/visitors/q${n}/chats`, { chatId: `q${n}`, department: 'nobody' });
    await reader.until(() => reader.of('chat').some(({ data }) => data.chat.chatId === `q${n}`));
    expect((await acme.ask('GET', `/chats/q${n}`)).chatId).toBe(`q${n}`);
  }
  const queue = await acme.ask('GET', '/queue?department=nobody');
  expect(queue.items.map((chat: { chatId: string }) => chat.chatId)).toEqual(
    Array.from({ length: 20 }, (_, n) => `q${n + 1}`),
  );
  await reader.close();
});
