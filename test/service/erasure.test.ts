/**
 * A person is erased: no file of the service has their words any more, on SQLite, and with two processes on one
 * EventStoreDB. Before, the same search finds them, so it can find something.
 */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { Webhook } from 'standardwebhooks';
import { expect, it, onTestFinished } from 'vitest';
import { openEventStore } from '../../src/eventstore/open.ts';
import { lastEvent } from '../../src/eventstore/reading.ts';
import { createJournal } from '../../src/runtime/journal/journal.ts';
import { wordsInFiles } from '../support/file-words.ts';
import { silent } from '../support/rig.ts';
import { makeService, writeTenants } from '../support/service.ts';
import { newTenantId, sharedLog } from '../support/shared-log.ts';
import { testWorld } from '../support/test-world.ts';
import { waitFor } from '../support/wait.ts';

/** The promise is a minute. */
const FORGOTTEN_WITHIN_MS = 60_000;

const environment = await sharedLog();
const world = await testWorld({
  tenants: [{ id: 'acme', host: 'xmpp.test', settings: { lhcCommands: ['block'] } }],
});
const { service } = world;
const acme = world.tenant('acme');
await acme.register('olga', { lhcUserId: 7 });
const olga = await acme.connect('olga');

const WORDS = {
  nick: 'Zyzzyvanne',
  title: 'Quäkfröschle',
  page: 'kamelotische-schuhe',
  first: 'Brambuschka',
  answer: 'Oltramontsche',
  note: 'Vexilloblume',
  command: 'Pfingstochsig',
  setAside: 'Knurrhahnig',
  onItsWay: 'Tschilpspatz',
  deadLetter: 'Mondkalbig',
  reason: 'Schnurrbarsch',
  refused: 'Zwitscherlied',
};
const ALL = Object.values(WORDS);
/** The reason of a dead letter is what the service says. Its fact has it for good. */
const found = () =>
  wordsInFiles(service.dataDir, ALL).filter(
    (each) => !(each.startsWith('events.db') && each.endsWith(WORDS.deadLetter)),
  );
const gone = (files = found) =>
  waitFor(() => files().length === 0, {
    deadlineMs: FORGOTTEN_WITHIN_MS,
    what: () => `files without ${files().join(', ')}`,
  });
const jid = acme.visitorJid('42');
const facts = async () =>
  (await service.call('GET', '/debug/streams/visitor-acme.42?limit=500')).body.items as {
    type: string;
    erased: boolean;
    personal: unknown;
    sealedBy: string | null;
  }[];
const erase = () => acme.call('DELETE', '/visitors/42?erase=true');

async function post(event: object) {
  const at = new Date();
  const body = JSON.stringify([event]);
  const id = randomUUID();
  const answer = await service.call('POST', '/ejabberd/events', body, {
    headers: {
      'webhook-id': id,
      'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
      'webhook-signature': new Webhook(world.webhookSecret).sign(id, at, body),
    },
  });
  expect(answer.status).toBe(204);
}

it('the words are in files before', async () => {
  const {
    nick,
    title,
    page,
    first,
    answer,
    note,
    command,
    setAside,
    onItsWay,
    deadLetter,
    refused,
  } = WORDS;
  await acme.view('42', { page: `https://shop.test/${page}`, title, nick });
  const chat = { chatId: 'c1', message: { id: 'm1', body: `${first}?` } };
  await acme.ask('POST', '/visitors/42/chats', chat);
  await olga.waitFor(() => olga.messages.find(({ body }) => body.includes(first)), 'the question');
  olga.send(jid, `${answer}!`);
  await acme.callback('chat.message', ({ message }) => message.body.includes(answer));
  olga.send(jid, `!note ${note}`);
  await acme.callback('chat.note', (data) => data.note.body.includes(note));
  olga.send(jid, `!block ${command}`);
  await acme.callback('chat.command', (data) => data.text.includes(command));
  await post({
    queueId: randomUUID(),
    seq: 1,
    at: new Date().toISOString(),
    host: 'xmpp.test',
    type: 'message',
    from: `${acme.operatorJid('olga')}/desk`,
    to: jid,
    id: 'odd',
    body: setAside,
  });
  await acme.lhc.stop();
  await olga.sendAndAck(jid, onItsWay);
  await waitFor(async () => JSON.stringify(await facts()).includes(onItsWay), {
    what: 'the message that LHC does not get',
  });

  // An effect that was given up: it takes a day, so the fact is written here.
  await service.stop();
  const store = await openEventStore(`sqlite:${join(service.dataDir, 'events.db')}`);
  const lane = 'lane-visitor-acme.42.lhc';
  const last = await lastEvent(store, lane);
  const message = (await store.readStream('visitor-acme.42')).find(
    ({ type }) => type === 'OperatorMessageReceived',
  );
  if (!last || !message) throw new Error('LHC has got nothing');
  const { id: through, revision } = message;
  const dead = `LHC said: ${deadLetter}`;
  const data = { stream: message.stream, destination: 'lhc', through, revision, dead };
  await store.append(lane, [{ ...last, id: randomUUID(), data }], 'any');
  await store.close();
  // An LHC that repeats in its answer what it was sent.
  const journal = createJournal({
    path: join(service.dataDir, 'journal.db'),
    now: Date.now,
    logger: silent,
  });
  journal.record({
    ...{ kind: 'attempt', at: Date.now(), ms: 1, stream: message.stream, revision },
    ...{ destination: 'lhc', outcome: 'retry', reason: `LHC said: ${refused}` },
  });
  journal.close();
  await service.start({ XMPP_CHAT_FAILPOINTS: 'after-destroyed=1' });
  await waitFor(async () =>
    (await service.cli('dead-letters', 'list')).output.includes(deadLetter),
  );

  // What was set aside is sealed.
  const before = found().map((each) => each.replace(/\.\d+(-wal)?:/, ':').replace('-wal:', ':'));
  for (const word of [nick, title, page, first, answer, note, command, onItsWay]) {
    expect(before).toContain(`projections.db: ${word}`);
  }
  expect(before).toContain(`work.db: ${deadLetter}`);
  expect(before).toContain(`journal.db: ${refused}`);
  expect(before.join()).not.toContain(setAside);
  const data42 = await service.cli('visitors', 'data', 'acme', '42');
  expect(data42).toMatchObject({ code: 0 });
  for (const word of [nick, title, page, first, answer, note, command, setAside, onItsWay]) {
    expect(data42.output).toContain(word);
  }
});

it('a kill between the keys and the fact about them loses nothing, and ejabberd may be away', async () => {
  await world.ejabberd.kill();
  await erase().catch(() => undefined);
  await service.ended(FORGOTTEN_WITHIN_MS);
  await service.start();
  await waitFor(async () => (await facts()).at(-1)?.type === 'DataKeyDestroyed', {
    what: 'the fact that the keys are destroyed',
  });
  const all = await facts();
  expect(all.map(({ type }) => type)).toContain('PersonalDataErased');
  expect(all.some(({ erased }) => erased)).toBe(true);
  expect(all.every(({ personal }) => personal === null)).toBe(true);
  expect((await acme.call('GET', '/visitors/42')).status).toBe(404);
  expect((await service.cli('dead-letters', 'list')).output).toMatch(/no dead letters/);
  expect(await erase()).toMatchObject({
    status: 202,
    body: { state: { presence: 'cleanedUp' }, erased: { generation: 1, dataKeys: 'destroyed' } },
  });
  expect((await acme.call('DELETE', '/visitors/nobody?erase=true')).status).toBe(404);
});

it('no file has a word of them any more, and nobody is told what was on its way', async () => {
  await gone();
  await acme.lhc.start();
  await acme.callback('chat.closed');
  await acme.callback('visitor.cleaned_up');
  expect(acme.lhc.requests.some(({ text }) => text.includes(WORDS.onItsWay))).toBe(false);
  await service.call('POST', '/debug/projections/rebuild');
  let builds: { readonly building?: unknown } = {};
  await waitFor(
    async () => {
      builds = (await service.call('GET', '/debug/projections')).body;
      return builds.building === null;
    },
    { what: () => `new rows: ${JSON.stringify(builds)}` },
  );
  await gone();
  const printed = service.logs();
  const own = ALL.filter((word) => word !== WORDS.deadLetter);
  expect(own.filter((word) => printed.includes(word))).toEqual([]);
  const data42 = await service.cli('visitors', 'data', 'acme', '42');
  expect(data42).toMatchObject({ code: 0 });
  expect(ALL.filter((word) => data42.output.includes(word))).toEqual([]);
  const slip = await service.cli('visitors', 'erase', 'acme', '42');
  expect(slip).toMatchObject({ code: 1, output: expect.stringContaining('say --yes') });
  const again = await service.cli('visitors', 'erase', 'acme', '42', '--yes');
  expect(again).toMatchObject({ code: 0, output: expect.stringContaining('is erased') });
});

it('with two processes on one log, and in one that comes later', async () => {
  const tenant = { id: newTenantId(), host: 'shop.test', apiKey: `key-${randomUUID()}` };
  const make = async () => {
    const made = await makeService();
    onTestFinished(made.close);
    const {
      EJABBERD_API_URL,
      EJABBERD_API_USER,
      EJABBERD_API_PASSWORD,
      EJABBERD_XMPP,
      EJABBERD_WEBHOOK_SECRET,
    } = service.settings;
    // That ejabberd is away.
    Object.assign(
      made.settings,
      {
        EJABBERD_API_URL,
        EJABBERD_API_USER,
        EJABBERD_API_PASSWORD,
        EJABBERD_XMPP,
        EJABBERD_WEBHOOK_SECRET,
      },
      environment,
    );
    await writeTenants(made, [tenant]);
    await made.start();
    return made;
  };
  const [one, other] = await Promise.all([make(), make()]);
  const words = [WORDS.nick, WORDS.title, WORDS.first];
  const path = `/v1/${tenant.id}/visitors/42`;
  await one.call('POST', `${path}/page-views`, { page: '/', title: WORDS.title, nick: WORDS.nick });
  await other.call('POST', `${path}/chats`, { chatId: 'c1', message: { body: WORDS.first } });
  const both = () => [one, other].flatMap(({ dataDir }) => wordsInFiles(dataDir, words));
  await waitFor(() => both().length >= 2 * words.length, { what: 'rows in both processes' });

  const erased = await other.call('DELETE', `${path}?erase=true`);
  expect(erased).toMatchObject({ status: 202, body: { erased: { dataKeys: 'destroyed' } } });
  await gone(both);
  // Its folder is empty, and the log has the key still: nobody has scavenged.
  const third = await make();
  await waitFor(
    async () => (await third.call('GET', `/v1/${tenant.id}/chats`)).body.items?.length === 1,
  );
  expect(wordsInFiles(third.dataDir, words)).toEqual([]);
  await one.call('POST', `${path}/page-views`, { page: '/', nick: 'Bob' });
  const back = await waitFor(async () => {
    const { status, body } = await one.call('GET', path);
    return status === 200 && body;
  });
  expect(back).toMatchObject({ nick: 'Bob', title: null });
});
