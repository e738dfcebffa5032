/** The extension on the double of LHC, the real service, a real ejabberd and a real XMPP client: both ways, and kills. */
import { afterAll, expect, it } from 'vitest';
import { startLhcDouble } from '../support/lhc-double.ts';
import { testWorld } from '../support/test-world.ts';
import { waitFor } from '../support/wait.ts';

const lhc = await startLhcDouble();
afterAll(() => lhc.close());
const callbackSecret = `whsec_${Buffer.alloc(32, 'end to end').toString('base64')}`;
const world = await testWorld({
  tenants: [
    {
      id: 'acme',
      host: 'xmpp.test',
      settings: { callbackUrl: `${lhc.url}/xmppchat/callback`, callbackSecret },
    },
  ],
});
const acme = world.tenant('acme');
await lhc.configure({
  enabled: '1',
  serviceUrl: world.url,
  tenant: 'acme',
  apiKey: acme.apiKey,
  callbackSecret,
});
const made = await lhc.post('/operator/make', { username: 'olga', department: 'Sales' });
await acme.register('olga', { lhcUserId: made.id, departments: ['Sales'] });
const olga = await acme.connect('olga', { features: [] });
await acme.operatorIs('olga', 'available');

interface Chat {
  readonly id: number;
  readonly jid: string;
}

/** What the extension and PHP had to say, for the error of a wait. */
const said = (): string =>
  lhc
    .log()
    .split('\n')
    .filter((line) => !/ (Accepted|Closing|PHP \S+ Development Server .*)$/.test(line))
    .slice(-20)
    .join('\n');

/** A visitor who looks at a page. */
async function arrive(vid: string): Promise<string> {
  const { id } = await lhc.post('/view', { vid, page: `//shop.test/${vid}`, title: vid });
  const jid = acme.visitorJid(String(id));
  await olga.waitFor(() => olga.presences.get(jid)?.available, `the contact of ${vid}; ${said()}`);
  return jid;
}

/** A chat that olga has. */
async function chat(vid: string, text: string): Promise<Chat> {
  const jid = await arrive(vid);
  const { id } = await lhc.post('/start', { vid, text, department: made.department });
  await reads(jid, text);
  return { id, jid };
}

const textsFrom = (jid: string): string[] =>
  olga.messages.filter(({ from }) => from.startsWith(jid)).map(({ body }) => body);
const reads = (jid: string, text: string) =>
  olga.waitFor(() => textsFrom(jid).includes(text), text);
/** The rows of a chat that people wrote, as `user id: text`. */
const rowsOf = async ({ id }: Chat): Promise<string[]> => {
  const sql = `SELECT user_id, msg FROM lh_msg WHERE chat_id = ${id} AND user_id >= 0 ORDER BY id`;
  return (await lhc.rows(sql)).map(([user, text]) => `${user}: ${text}`);
};
const hasRows = (of: Chat, expected: readonly string[]) =>
  waitFor(async () => (await rowsOf(of)).length >= expected.length, {
    what: () => `the rows; ${said()}`,
  }).then(async () => expect(await rowsOf(of)).toEqual(expected));
const outboxIsEmpty = () =>
  waitFor(async () => (await lhc.rows('SELECT * FROM lhc_xmppchat_outbox')).length === 0, {
    what: 'an empty outbox',
  });

it('a page view becomes a contact, which follows the next page', async () => {
  const jid = await arrive('anna');
  expect(olga.presences.get(jid)?.status).toContain('shop.test/anna');
  await lhc.post('/view', { vid: 'anna', page: '//shop.test/boots', title: 'Boots' });
  await olga.waitFor(() => olga.presences.get(jid)?.status.includes('boots'), 'the next page');
  await outboxIsEmpty();
});

it('a visitor and an operator talk, and an operator closes', async () => {
  const { id, jid } = await chat('ben', 'Do you have these in red?');
  olga.send(jid, 'Yes, we do.');
  await hasRows({ id, jid }, ['0: Do you have these in red?', `${made.id}: Yes, we do.`]);
  await lhc.post('/write', { chat: id, text: 'Fine, thank you 👟' });
  await reads(jid, 'Fine, thank you 👟');
  expect(await lhc.rows(`SELECT status, user_id FROM lh_chat WHERE id = ${id}`)).toEqual([
    ['1', String(made.id)],
  ]);
  olga.send(jid, '!close');
  await waitFor(
    async () => (await lhc.rows(`SELECT status FROM lh_chat WHERE id = ${id}`))[0]?.[0] === '2',
    { what: 'a closed chat' },
  );
});
