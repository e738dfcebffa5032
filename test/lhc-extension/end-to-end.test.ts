/** The extension on the double of LHC, the real service, a real ejabberd and a real XMPP client: both ways, and kills. */
import { afterAll, expect, it } from 'vitest';
import { startLhcDouble } from '../support/lhc-double.ts';
import { wordsIn } from '../support/marked.ts';
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

/**
 * The words of a visitor that olga's client has got, in order. After a kill the service may send a stanza again, with the
 * same id, which clients leave out.
 */
const textsFrom = (jid: string): string[] => {
  const stanzas = olga.messages.filter(({ from }) => from.startsWith(jid));
  const words = new Map(
    stanzas.map(({ id, stanza }) => [id, wordsIn(stanza.getChildText('body') ?? '')]),
  );
  return [...words.values()].filter(Boolean);
};
const reads = (jid: string, text: string) =>
  olga.waitFor(() => textsFrom(jid).includes(text), `${text}; ${said()}`);
/** A line of the service in the conversation with the visitor. */
const isTold = (jid: string, text: RegExp) =>
  olga.waitFor(
    () => olga.messages.some(({ from, lines }) => from.startsWith(jid) && text.test(lines)),
    `${text}; ${said()}`,
  );
/** The rows of a chat that people wrote, as `user id: text`. */
const rowsOf = async ({ id }: Chat): Promise<string[]> => {
  const sql = `SELECT user_id, msg FROM lh_msg WHERE chat_id = ${id} AND user_id >= 0 ORDER BY id`;
  return (await lhc.rows(sql)).map(([user, text]) => `${user}: ${text}`);
};
const STATUS = ['pending', 'active', 'closed'];
const chatOf = async (id: number) => {
  const [row = []] = await lhc.rows(`SELECT status, user_id FROM lh_chat WHERE id = ${id}`);
  return { status: STATUS[Number(row[0])], owner: Number(row[1]) };
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

it('a visitor and an operator talk, and the operator closes', async () => {
  const { id, jid } = await chat('ben', 'Do you have these in red?');
  olga.send(jid, 'Yes, we do.');
  await hasRows({ id, jid }, ['0: Do you have these in red?', `${made.id}: Yes, we do.`]);
  await lhc.post('/write', { chat: id, text: 'Fine, thank you 👟' });
  await reads(jid, 'Fine, thank you 👟');
  expect(await chatOf(id)).toEqual({ status: 'active', owner: made.id });
  olga.send(jid, '!close');
  await waitFor(async () => (await chatOf(id)).status === 'closed', { what: 'a closed chat' });
  await world.idle();
  await outboxIsEmpty();
  expect(textsFrom(jid)).toEqual(['Do you have these in red?', 'Fine, thank you 👟']);
});

it('an operator invites, and the answer belongs to the invitation', async () => {
  const jid = await arrive('cleo');
  olga.send(jid, 'May I help you?');
  // Not asked by page views: LHC writes the whole row of the visitor at each, so one at the same moment undoes the invitation.
  const stands = "SELECT 1 FROM lh_chat_online_user WHERE operator_message = 'May I help you?'";
  await waitFor(async () => (await lhc.rows(stands)).length > 0, { what: said });
  const { invitation } = await lhc.post('/view', { vid: 'cleo', page: '//shop.test/again' });
  expect(invitation).toBe('May I help you?');
  const { id } = await lhc.post('/start', { vid: 'cleo', text: 'Yes, please', department: 0 });
  await reads(jid, 'Yes, please');
  await hasRows({ id, jid }, [`${made.id}: May I help you?`, '0: Yes, please']);
  await world.idle();
  await outboxIsEmpty();
  expect(textsFrom(jid)).toEqual(['Yes, please']);
  expect((await chatOf(id)).owner).toBe(made.id);
  olga.send(jid, 'Which size?');
  await hasRows({ id, jid }, [
    `${made.id}: May I help you?`,
    '0: Yes, please',
    `${made.id}: Which size?`,
  ]);
});

it("what operators do in LHC's own pages is told, and is not said again", async () => {
  const { id, jid } = await chat('dora', 'Is anybody there?');
  olga.send(jid, 'I am.');
  await hasRows({ id, jid }, ['0: Is anybody there?', `${made.id}: I am.`]);
  const lena = await lhc.post('/operator/make', { username: 'lena', department: 'Sales' });
  await lhc.post('/operator/write', { chat: id, user: lena.id, text: 'So am I.' });
  await isTold(jid, /Lena.*So am I\./s);
  await lhc.post('/operator/close', { chat: id, user: lena.id });
  await isTold(jid, /closed/);
  await world.idle();
  await outboxIsEmpty();
  expect(textsFrom(jid)).toEqual(['Is anybody there?']);
  expect(await rowsOf({ id, jid })).toEqual([
    '0: Is anybody there?',
    `${made.id}: I am.`,
    `${lena.id}: So am I.`,
  ]);
});

it('the visitor ends the chat, and operators are told', async () => {
  const { id, jid } = await chat('emil', 'Just looking');
  await lhc.post('/end', { chat: id });
  await isTold(jid, /closed/);
});

it('a PHP worker that is killed in the transaction leaves nothing; one killed behind it loses nothing', async () => {
  const jid = await arrive('fred');
  const start = { vid: 'fred', text: 'First', department: made.department };
  await lhc.killed('/start', { ...start, text: 'Never said' }, 'in-transaction');
  await lhc.killed('/start', start, 'after-commit');
  const [row] = await lhc.rows('SELECT MAX(id) FROM lh_chat');
  const id = Number(row?.[0]);
  await lhc.killed('/write', { chat: id, text: 'Neither' }, 'in-transaction');
  await lhc.killed('/write', { chat: id, text: 'Second' }, 'after-commit');
  await lhc.post('/write', { chat: id, text: 'Third' });
  await reads(jid, 'Third');
  await outboxIsEmpty();
  expect(textsFrom(jid)).toEqual(['First', 'Second', 'Third']);
  expect(await rowsOf({ id, jid })).toEqual(['0: First', '0: Second', '0: Third']);
});

it('service, database and workers are killed: nothing is lost, nothing doubled, and the order is kept', async () => {
  const { id, jid } = await chat('gina', 'Hello');
  const asked = ['Hello'];
  const answered: string[] = [];
  /** A visitor tries again until the row is there, as a person does. */
  async function visitorWrites(text: string): Promise<void> {
    await waitFor(async () => {
      const posted = await lhc.post('/write', { chat: id, text }).catch(() => null);
      if (posted?.messageId) return true;
      return (await rowsOf({ id, jid })).includes(`0: ${text}`);
    });
    asked.push(text);
  }
  async function exchange(name: string): Promise<void> {
    for (const number of [1, 2, 3]) {
      await visitorWrites(`${name} ${number}`);
      const answer = `answer to ${name} ${number}`;
      await olga.sendAndAck(jid, answer);
      answered.push(answer);
    }
  }
  await exchange('all is well');
  await world.service.kill();
  await exchange('the service is away');
  await lhc.killed('/write', { chat: id, text: 'a worker dies' }, 'after-commit');
  asked.push('a worker dies');
  await world.service.start();
  await exchange('the service is back');
  await lhc.db.kill();
  olga.send(jid, 'while the database is away');
  answered.push('while the database is away');
  await lhc.db.start();
  await exchange('the database is back');
  await Promise.all([exchange('the service dies'), world.service.kill()]);
  await world.service.start();

  let rows: string[] = [];
  await waitFor(
    async () => {
      rows = await rowsOf({ id, jid });
      return rows.length >= asked.length + answered.length && textsFrom(jid).length >= asked.length;
    },
    {
      deadlineMs: 60_000,
      what: () =>
        `all of ${asked.length} and ${answered.length}: ${textsFrom(jid)}; ${rows}; ${said()}`,
    },
  );
  await outboxIsEmpty();
  await world.idle();
  expect(textsFrom(jid)).toEqual(asked);
  rows = await rowsOf({ id, jid });
  expect(rows.filter((row) => row.startsWith('0: '))).toEqual(asked.map((text) => `0: ${text}`));
  expect(rows.filter((row) => !row.startsWith('0: '))).toEqual(
    answered.map((text) => `${made.id}: ${text}`),
  );
});
