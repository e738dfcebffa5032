/** What is left of visitors who are gone: in operators' clients, and in the log when the retention is over. */
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import xml from '@xmpp/xml';
import { expect, it } from 'vitest';
import type { Operator } from '../support/operator.ts';
import { testWorld } from '../support/test-world.ts';
import { waitFor } from '../support/wait.ts';

const world = await testWorld({
  tenants: [{ id: 'acme', host: 'xmpp.test' }],
  environment: { XMPP_CHAT_TIMES: JSON.stringify({ leftoversMs: 2_000 }) },
});
const acme = world.tenant('acme');
await acme.register('olga');
await acme.register('pia');
const olga = await acme.connect('olga');
let pia = await acme.connect('pia');
const FRIEND = 'friend@elsewhere.test';
const jids = ['1', '2', '3'].map(acme.visitorJid);
const [first = '', second = '', third = ''] = jids;

/** Changes a contact as a client does when the operator renames it or puts it into a group. */
async function store(operator: Operator, jid: string, name: string, ...groups: string[]) {
  const item = xml('item', { jid, name }, ...groups.map((group) => xml('group', {}, group)));
  const answer = await operator.request(
    xml('iq', { type: 'set' }, xml('query', 'jabber:iq:roster', item)),
  );
  expect(answer.attrs.type).toBe('result');
}
/** Without the front desk, which stays. */
const contacts = async (operator: Operator) =>
  (await operator.roster())
    .map(({ jid }) => jid)
    .filter((jid) => !jid.startsWith('visitors@'))
    .toSorted();
const becomes = (operator: Operator, expected: readonly string[]) =>
  waitFor(
    async () => JSON.stringify(await contacts(operator)) === JSON.stringify(expected.toSorted()),
    {
      what: () => `the contacts ${expected}`,
    },
  );

it('a contact that an operator has renamed or grouped goes with its visitor, and no other contact does', async () => {
  for (const key of ['1', '2', '3']) await acme.view(key, { page: 'https://shop.test/' });
  for (const operator of [olga, pia]) await becomes(operator, jids);
  await store(olga, first, 'The one with the shoes', 'Important');
  await store(olga, second, 'Somebody else', 'visitors', 'Important');
  await store(olga, FRIEND, 'A friend', 'Friends');
  await store(pia, first, 'Shoes');
  await pia.disconnect(); // the rosters of operators who are offline count too

  await acme.ask('DELETE', '/visitors/1');
  await acme.callback('visitor.cleaned_up', ({ visitor }) => visitor === '1');
  await becomes(olga, [second, third, FRIEND]);
  const kept = (await olga.roster()).find(({ jid }) => jid === second);
  expect(kept).toMatchObject({ name: 'Somebody else', subscription: 'both' });
  expect(kept?.groups).toContain('Important');
  pia = await acme.connect('pia');
  await becomes(pia, [second, third]);
});

it('so does one whose visitor was cleaned up right before a kill of the service', async () => {
  await store(olga, third, 'Third', 'Important');
  await acme.ask('DELETE', '/visitors/3');
  await world.service.kill();
  await world.service.start();
  await becomes(olga, [second, FRIEND]);
});

it('a visitor who comes back has the name of the visitor, not that of the operator', async () => {
  await acme.view('1', { page: 'https://shop.test/', nick: 'Eve' });
  await waitFor(async () => (await olga.roster()).find(({ jid }) => jid === first)?.name === 'Eve');
});

const DAY = 86_400_000;
const file = (name: string) => new DatabaseSync(join(world.service.dataDir, name));

/** Facts up to the last one of this type happened earlier than they did, and what `work.db` has of them. The service is stopped. */
function age(streams: string, type: string, ms: number) {
  const log = file('events.db');
  log.exec(`UPDATE events SET body = json_set(body, '$.metadata.at', json_extract(body, '$.metadata.at') - ${ms})
    WHERE stream_id IN (SELECT id FROM streams WHERE name GLOB '${streams}') AND revision <=
      (SELECT max(revision) FROM events AS e WHERE e.stream_id = events.stream_id AND e.type = '${type}')`);
  log.close();
  const work = file('work.db');
  for (const table of ['ended_histories', 'gone_visitors']) {
    work.exec(`UPDATE ${table} SET at = at - ${ms} WHERE stream GLOB '${streams}'`);
  }
  work.close();
  // Caches, with the old times.
  for (const name of readdirSync(world.service.dataDir)) {
    if (/^(projections|snapshots)\.db/.test(name)) rmSync(join(world.service.dataDir, name));
  }
}

function streamsOf(pattern: string): string[] {
  const log = file('events.db');
  const rows = log.prepare('SELECT name FROM streams WHERE name GLOB ? ORDER BY 1').all(pattern);
  log.close();
  return rows.map(({ name }) => String(name));
}

const factsOf = async (visitor: string): Promise<{ type: string; data: object }[]> =>
  (await world.service.call('GET', `/debug/streams/visitor-acme.${visitor}?limit=100`)).body.items;

it('histories whose retention is over go, though the service is killed in the middle, again and again', async () => {
  const gone = Array.from({ length: 6 }, (_, n) => `gone${n}`);
  const back = Array.from({ length: 3 }, (_, n) => `back${n}`);
  const page = { page: 'https://shop.test/', nick: 'Ada' };
  for (const key of [...gone, ...back]) {
    await acme.view(key, page);
    const message = { id: `m-${key}`, body: 'Hello?' };
    await acme.ask('POST', `/visitors/${key}/chats`, { chatId: `c-${key}`, message });
    await acme.ask('DELETE', `/visitors/${key}`);
  }
  await acme.view('long', page);
  for (const key of back) await acme.view(key, { ...page, nick: 'Back' });
  await world.idle();
  await world.service.stop();
  for (const key of ['gone*', 'back*']) age(`visitor-acme.${key}`, 'CleanedUp', DAY / 2);
  age('visitor-acme.long', 'VisitorArrived', 40 * DAY);
  await world.configure('acme', { retention: 60 });

  // While it decides; in the next run among what the decisions call for.
  for (const step of [5, 9]) {
    await world.service.start({ XMPP_CHAT_FAILPOINTS: `retention-step=${step}` });
    await world.service.ended(60_000);
    if (step === 5)
      expect(streamsOf('visitor-acme.gone*')).toEqual(gone.map((key) => `visitor-acme.${key}`));
  }
  await world.service.start();
  await waitFor(() => streamsOf('*acme.gone*').length === 0, {
    what: () => `the end of ${streamsOf('*acme.gone*')}`,
  });
  for (const key of back) {
    await waitFor(async () => (await factsOf(key))[0]?.type === 'CleanedUp');
    expect((await factsOf(key)).filter(({ type }) => type === 'VisitorArrived')).toHaveLength(1);
    expect(await acme.ask('GET', `/visitors/${key}`)).toMatchObject({ nick: 'Back' });
  }
  expect((await acme.ask('GET', '/chats')).items).toEqual([]);
  for (const key of gone) expect((await acme.call('GET', `/visitors/${key}`)).status).toBe(404);
  await acme.view('gone0', { ...page, nick: 'Eve' });
  await waitFor(async () => (await contacts(olga)).includes(acme.visitorJid('gone0')));
});

it('nobody notices that a long history ends by a page view', async () => {
  const jid = acme.visitorJid('long');
  await olga.waitFor(() => olga.presences.get(jid)?.available, 'the visitor');
  await world.idle();
  const seen = () => olga.presenceStanzas.filter(({ attrs }) => attrs.from?.startsWith(jid));
  const before = seen().length;
  await acme.view('long', { page: 'https://shop.test/next', nick: 'Ada' });
  const facts = await factsOf('long');
  const end = facts.findIndex(({ type }) => type === 'CleanedUp');
  expect(facts[end]?.data).toMatchObject({ silent: { account: true, loggedIn: true } });
  expect(facts.slice(end + 1).map(({ type }) => type)).toEqual(['VisitorArrived']);
  await world.idle();
  await olga.waitFor(() => olga.presences.get(jid)?.status.includes('next'), 'the next page');
  expect(
    seen()
      .slice(before)
      .filter(({ attrs }) => attrs.type !== undefined),
  ).toEqual([]);
  expect((await factsOf('long')).map(({ type }) => type)).not.toContain('LoggedOut');
  const told = [...acme.callbacks('visitor.cleaned_up'), ...acme.callbacks('visitor.timed_out')];
  expect(told.filter(({ data }) => data.visitor === 'long')).toEqual([]);
  expect(await world.accounts('xmpp.test')).toContain(jid.slice(0, jid.indexOf('@')));
});
