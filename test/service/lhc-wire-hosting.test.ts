/** Hosting on the wire of existing installations: a recorded day of two instances, and instances that come and go. */
import { afterAll, expect, test } from 'vitest';
import { recorded, type ToLhc } from '../lhc-wire/recording.ts';
import { recordedFor, replay, shownTo } from '../lhc-wire/replay.ts';
import { HOST, SECRET, startWireSite } from '../lhc-wire/site.ts';
import { connectOperator } from '../support/operator.ts';
import { testWorld } from '../support/test-world.ts';
import { waitFor } from '../support/wait.ts';

const lines = recorded('hosting');
const site = await startWireSite();
const { lhc } = site;
afterAll(lhc.close);

const world = await testWorld({
  tenants: [
    {
      id: 'shops',
      host: HOST,
      instance: '*',
      // A template has no key.
      settings: { ...site.settings('/{address}/xmppservice'), apiKey: undefined },
    },
  ],
  modLhc: { ping_interval: 1 },
  environment: { ...site.environment, CALLBACK_ALLOW: '127.0.0.1' },
});

const admin = async (path: string): Promise<{ status: number; text: string }> => {
  const { status, body } = await world.service.call('GET', path);
  return { status, text: JSON.stringify(body) };
};

/** `acme.shop.hosted.example` is the site `acme.shop`. */
const siteOf = ({ host = '' }: ToLhc) => lhc.site(host.replace('.hosted.example', ''));

/** Before an instance's first visitor, behind a chat, and between the two groups of a removal. */
const KILLED_BEFORE = [30, 75, 92];

test('a day of two instances is as it was with the old server', async () => {
  const { operators } = await replay({
    lines,
    ports: site.ports,
    xmpp: world.ejabberd.xmpp,
    lhcOf: siteOf,
    async before({ n }) {
      if (!KILLED_BEFORE.includes(n)) return;
      await world.service.kill();
      await world.service.start();
    },
  });

  for (const [name, instance, other] of [
    ['amy.acme-shop', 'acme-shop', 'zeta'],
    ['zac.zeta', 'zeta', 'acme-shop'],
  ] as const) {
    const operator = operators.get(name);
    if (!operator) throw new Error(`${name} never came`);
    for (const visitor of ['5', '4.chat']) {
      const jid = `visitor.${visitor}.${instance}@${HOST}`;
      expect(shownTo(operator, jid)).toEqual(recordedFor(lines, `${name}@${HOST}`, jid));
    }
    const foreign = operator.stanzas.filter((stanza) => stanza.toString().includes(other));
    expect(foreign, `${name} sees of ${other}`).toEqual([]);
  }
  for (const name of ['acme.shop', 'zeta']) {
    const said = lines.flatMap((line) =>
      line.dir === 'ejabberd-to-lhc' && line.body.includes('type=chat') && siteNameOf(line) === name
        ? [line.body]
        : [],
    );
    const passedOn = lhc.site(name).requests.filter(({ body }) => body.includes('type=chat'));
    expect(passedOn.map(({ body }) => body)).toEqual(said);
  }
});

const siteNameOf = ({ host = '' }: ToLhc): string => host.replace('.hosted.example', '');

test('the removed instance is gone from ejabberd, and the other one is whole', async () => {
  await waitFor(async () => (await world.accounts(HOST)).every((name) => !name.endsWith('.zeta')), {
    what: 'the accounts of zeta to be gone',
  });
  await waitFor(
    async () => {
      const groups = await world.admin('srg_list', { host: HOST });
      return !JSON.stringify(groups).includes('zeta');
    },
    { what: 'the groups of zeta to be gone' },
  );
  const accounts = await world.accounts(HOST);
  expect(accounts).toEqual(expect.arrayContaining(['amy.acme-shop', 'owner.acme-shop']));
});

test('read models, debug and logs keep the instances apart', async () => {
  const visitors = await admin('/v1/shops-acme-shop/visitors');
  expect(visitors.status).toBe(200);
  for (const path of ['visitors', 'chats', 'operators', 'stats']) {
    const { text } = await admin(`/v1/shops-acme-shop/${path}`);
    expect(text, path).not.toContain('zeta');
    expect(text, path).not.toContain('zac');
  }
  for (const words of ['Hi Anna', 'Untracked', 'amy-pw-1', SECRET]) {
    expect(world.service.logs()).not.toContain(words);
  }
});

test('twenty instances come and go while others chat', async () => {
  const call = async (path: string, fields: Readonly<Record<string, unknown>>): Promise<void> => {
    const response = await fetch(`http://127.0.0.1:${site.ports[4567]}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ host: HOST, grouphost: HOST, secret_key: SECRET, ...fields }),
    });
    const answer = await response.text();
    if (answer !== 'ok')
      expect(JSON.parse(answer), `${path} ${fields.user}`).toMatchObject({ error: false });
  };
  const ann = 'ann.acme-shop';
  await call('/xmpp-register', { user: ann, password: 'ann-pw-1' });
  await call('/xmpp-assign-user-to-roaster', { user: ann, group: 'operators.acme-shop' });
  const operator = await connectOperator({
    service: world.ejabberd.xmpp,
    domain: HOST,
    username: ann,
    password: 'ann-pw-1',
  });
  const sent: string[] = [];
  const visitor = `visitor.70.acme-shop@${HOST}`;
  const say = async (message: string): Promise<void> => {
    await call('/xmpp-send-message', {
      jid: visitor,
      pass: '58fb5e0aeac7a4935ca4',
      host: 'localhost',
      operator_username: `${ann}@${HOST}`,
      message,
      nick: 'Nora #70',
      status: 'default\n| /boots\n| Pending chat',
    });
    sent.push(message);
  };
  const live = async (n: number): Promise<void> => {
    const instance = `shop-${n}`;
    const boss = `boss.${instance}`;
    await call('/xmpp-setup-instance-roasters', {
      group: `visitors.${instance}`,
      display_array: [],
    });
    await call('/xmpp-setup-instance-roasters', {
      group: `operators.${instance}`,
      display_array: [`operators.${instance}`, `visitors.${instance}`],
    });
    await call('/xmpp-register', { user: boss, password: 'boss-pw-1' });
    await call('/xmpp-assign-user-to-roaster', { user: boss, group: `operators.${instance}` });
    await call('/xmpp-register-online-visitor', {
      user: `visitor.70.${instance}`,
      password: '58fb5e0aeac7a4935ca4',
      hostlogin: 'localhost',
      nick: 'Online visitor',
      status: `/of-${instance}\n| Visits - 1`,
      group: `visitors.${instance}`,
    });
    await say(`while ${instance} lives`);
    await call('/xmpp-delete-instance-roasters', { group: `visitors.${instance}` });
    await call('/xmpp-delete-instance-roasters', { group: `operators.${instance}` });
    await call('/xmpp-delete-user-from-roaster', { user: boss, group: `operators.${instance}` });
    await call('/xmpp-unregister', { user: boss });
  };
  for (let n = 0; n < 20; n += 4) await Promise.all([n, n + 1, n + 2, n + 3].map(live));

  await operator.waitFor(
    () => shownTo(operator, visitor).length >= sent.length,
    'all that the visitor has said',
  );
  expect([...shownTo(operator, visitor)].sort()).toEqual([...sent].sort());
  expect(operator.stanzas.filter((stanza) => stanza.toString().includes('boss.'))).toEqual([]);
  let left: readonly string[] = [];
  await waitFor(
    async () => {
      left = (await world.accounts(HOST)).filter((name) => /\.shop-\d+$/.test(name));
      return left.length === 0;
    },
    { deadlineMs: 60_000, what: () => `the accounts of the removed instances to be gone: ${left}` },
  );
  await operator.disconnect();
});
