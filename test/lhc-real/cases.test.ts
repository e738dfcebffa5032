/** Chats that begin or go on in other ways than by the widget alone: LHC's offers, its REST API, bots, files, no tracking. */
import { expect, it } from 'vitest';
import type { Operator } from '../support/operator.ts';
import { waitFor } from '../support/wait.ts';
import { testInstallation } from './installation.ts';

const site = await testInstallation();
const { lhc } = site;
const olga = await site.connect('olga');
const paula = await site.connect('paula');
const admin = await site.office('admin');
const olgaId = lhc.operator('olga').id;
const paulaId = lhc.operator('paula').id;
// As the tab at a user does it. Departments and limits are LHC's from then on.
for (const [id, username] of [
  [olgaId, 'olga'],
  [paulaId, 'paula'],
] as const) {
  await lhc.sql(
    "INSERT INTO lhc_xmppchat_account (user_id, username, state, error, updated_at) VALUES (?, ?, 'active', '', 0)",
    [id, username],
  );
}

const reads = (operator: Operator, jid: string, text: string | RegExp) =>
  operator.waitFor(
    () =>
      operator.messages
        .filter(({ from }) => from.split('/')[0] === jid)
        .find(({ body, lines }) =>
          typeof text === 'string' ? body === text : text.test(`${body}\n${lines}`),
        ),
    `${text} of ${jid}`,
  );

/** A chat that somebody in LHC's own pages has answered. */
async function adminsChat(words: string) {
  const visitor = site.visitor();
  await visitor.view('https://shop.example/shoes', 'Shoes');
  const jid = await site.jidOf(visitor);
  const { id } = await visitor.start(words);
  await reads(olga, jid, words);
  await admin.open(id);
  await admin.write(id, 'Ada here.');
  await olga.waitFor(() => olga.presences.get(jid)?.status.includes('in LHC'), 'who has the chat');
  return { visitor, jid, id };
}

const placeIs = (id: number, status: number, user: number, department: number) =>
  site.row(
    'SELECT id FROM lh_chat WHERE id = ? AND status = ? AND user_id = ? AND dep_id = ?',
    [id, status, user, department],
    `chat ${id} in state ${status} with user ${user} in department ${department}`,
  );
const offersOf = (id: number) => lhc.sql('SELECT id FROM lh_transfer WHERE chat_id = ?', [id]);

it('a transfer that LHC offers to an operator who declines it: whoever has the chat keeps it', async () => {
  const { visitor, jid, id } = await adminsChat('Offered to one');
  await admin.offer(id, olgaId);
  await reads(olga, jid, /transferred.* to you/);
  olga.send(jid, '!decline');
  await reads(olga, jid, /You have declined/);
  await site.row(
    "SELECT id FROM lh_msg WHERE chat_id = ? AND msg = 'Olga has not taken the chat.'",
    [id],
    'the line for operators in LHC',
  );
  await placeIs(id, 1, lhc.admin.id, 1);
  await olga.waitFor(() => olga.presences.get(jid)?.status.includes('in LHC'), 'who has the chat');
  expect((await visitor.fetch()).text).not.toContain('has not taken');
  // Offered again, it is taken.
  await admin.offer(id, olgaId);
  await olga.waitFor(
    () => olga.messages.filter(({ lines }) => /transferred.* to you/.test(`${lines}`)).length > 1,
    'the second offer',
  );
  olga.send(jid, 'Olga here.');
  await placeIs(id, 1, olgaId, 1);
  expect(await offersOf(id)).toEqual([]);
});

it('a transfer that LHC offers to a department is taken in XMPP, and the chat moves there', async () => {
  const { jid, id } = await adminsChat('Offered to many');
  await admin.offerToDepartment(id, 2);
  await reads(paula, jid, /transferred.* Support/);
  await placeIs(id, 1, lhc.admin.id, 1);
  paula.send(jid, 'Paula here.');
  await placeIs(id, 1, paulaId, 2);
  expect(await offersOf(id)).toEqual([]);
  expect((await site.said(id)).map(({ text }) => text)).toEqual([
    'Offered to many',
    'Ada here.',
    'Paula here.',
  ]);
});

it("an answer to LHC's own invitation is for all operators", async () => {
  const visitor = site.visitor();
  await visitor.view('https://shop.example/hats', 'Hats');
  const jid = await site.jidOf(visitor);
  await admin.post(`chat/sendnotice/${await site.keyOf(visitor)}`, {
    Message: 'May Ada help?',
    SendMessage: 'Send',
  });
  expect((await visitor.checkInvitation()).json.invitation).toBe(true);
  const { id } = await visitor.start('Somebody may', { invitation: true });
  await reads(olga, jid, 'Somebody may');
  await reads(olga, jid, /in LHC: May Ada help\?/);
  olga.send(jid, 'I do.');
  await placeIs(id, 1, olgaId, 1);
});

it('a visitor whom LHC does not track is a contact by the chat', async () => {
  const visitor = site.visitor();
  const { id } = await visitor.start('Nobody follows me');
  const jid = site.tenant.visitorJid(`${id}.chat`);
  await reads(olga, jid, 'Nobody follows me');
  olga.send(jid, 'Nor do we.');
  await waitFor(async () => (await visitor.fetch()).text.includes('Nor do we.'), {
    what: 'the answer in the widget',
  });
  await visitor.write('Good.');
  await reads(olga, jid, 'Good.');
  await visitor.leave(true);
  await reads(olga, jid, /closed/);
  olga.send(jid, 'One more thing');
  await reads(olga, jid, /Not delivered: this chat is over/);
});

it("a chat of LHC's REST API", async () => {
  await lhc.sql(
    "INSERT INTO lh_abstract_rest_api_key (api_key, user_id, active, ip_restrictions) VALUES ('key-of-the-tests', ?, 1, '')",
    [lhc.admin.id],
  );
  const call = async (path: string, fields: Readonly<Record<string, string>>) => {
    const answer = await fetch(`${lhc.url}/restapi/${path}`, {
      method: 'POST',
      body: new URLSearchParams(fields),
      headers: { authorization: `Basic ${btoa('admin:key-of-the-tests')}` },
    });
    const text = await answer.text();
    expect(answer.status, text).toBe(200);
    // biome-ignore lint/suspicious/noExplicitAny: JSON of LHC; a wrong shape fails where it is read
    return (JSON.parse(text) as any).result;
  };
  const { id, hash } = (
    await call('startchat', { Username: 'Rita', Question: 'By program', DepartamentID: '1' })
  ).chat;
  const jid = site.tenant.visitorJid(`${id}.chat`);
  await reads(olga, jid, 'By program');
  await call('addmsguser', { chat_id: String(id), hash, msg: 'And more' });
  await reads(olga, jid, 'And more');
  olga.send(jid, 'By hand.');
  await placeIs(id, 1, olgaId, 1);
  await call('addmsgadmin', { chat_id: String(id), sender: 'operator', msg: 'I add this.' });
  await reads(olga, jid, /in LHC: I add this\./);
  await call('setchatstatus', { chat_id: String(id), status: '2' });
  await reads(olga, jid, /closed chat/);
});

it('a bot has the chat until it hands it over, with all that was said', async () => {
  const triggers = [
    [1, 1, 0, [{ type: 'text', content: { text: 'I am a bot.' } }]],
    [
      2,
      0,
      1,
      [
        { type: 'text', content: { text: 'A person comes.' } },
        { type: 'command', content: { command: 'stopchat', payload_ignore_status: true } },
      ],
    ],
  ] as const;
  await lhc.sql(
    "INSERT INTO lh_generic_bot_bot (id, configuration, avatar, filename, filepath, name, nick, attr_str_1, attr_str_2, attr_str_3) VALUES (1, '[]', '', '', '', 'Bot', 'Robo', '', '', '')",
  );
  await lhc.sql("INSERT INTO lh_generic_bot_group (id, name, bot_id) VALUES (1, 'all', 1)");
  for (const [id, first, unknown, actions] of triggers) {
    await lhc.sql(
      "INSERT INTO lh_generic_bot_trigger (id, name, actions, group_id, bot_id, `default`, default_unknown, default_always) VALUES (?, 't', ?, 1, 1, ?, ?, 0)",
      [id, JSON.stringify(actions), first, unknown],
    );
  }
  await lhc.sql(`UPDATE lh_departament SET bot_configuration = '{"bot_id":1}' WHERE id = 1`);
  const visitor = site.visitor();
  await visitor.view('https://shop.example/bot', 'Bot');
  const jid = await site.jidOf(visitor);
  const { id } = await visitor.start('Anybody?');
  await placeIs(id, 5, 0, 1);
  await site.drained();
  expect(olga.messages.filter(({ from }) => from.startsWith(jid))).toEqual([]);
  await visitor.write('A person, please');
  await reads(olga, jid, 'A person, please');
  await reads(olga, jid, /Robo, in LHC: A person comes\./);
  expect(
    olga.messages.filter(({ from }) => from.startsWith(jid)).map(({ body }) => body.split('\n')[0]),
  ).toEqual([
    'Anybody?',
    'Robo, in LHC: I am a bot.',
    'A person, please',
    'Robo, in LHC: A person comes.',
  ]);
  olga.send(jid, 'I am one.');
  await placeIs(id, 1, olgaId, 1);
  await lhc.sql("UPDATE lh_departament SET bot_configuration = '' WHERE id = 1");
});

it('a file of the visitor is a link that opens without a login', async () => {
  const visitor = site.visitor();
  await visitor.view('https://shop.example/file', 'File');
  const jid = await site.jidOf(visitor);
  const { id, hash } = await visitor.start('Look');
  await reads(olga, jid, 'Look');
  // Visitors may send files in this chat.
  await lhc.sql(`UPDATE lh_chat SET chat_variables = '{"lhc_fu":1}' WHERE id = ?`, [id]);
  const pixel =
    'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
  const form = new FormData();
  const bytes = Buffer.from(pixel, 'base64');
  form.append('files', new Blob([bytes], { type: 'image/png' }), 'a photo.png');
  const sent = await fetch(`${lhc.url}/file/uploadfile/${id}/${hash}`, {
    method: 'POST',
    body: form,
  });
  expect(await sent.text()).toContain('"error":"false"');
  const { body } = await reads(olga, jid, /xmppchat\/file/);
  expect(body).toContain('a photo.png ');
  const link = /https?:\S+/.exec(body)?.[0] ?? '';
  const file = await fetch(link);
  expect(file.status).toBe(200);
  expect(Buffer.from(await file.arrayBuffer())).toEqual(bytes);
  expect((await fetch(`${link}0`)).headers.get('content-type')).not.toBe('image/png');
});

it("LHC's limit of chats is the operator's capacity", async () => {
  const capacityIs = (capacity: number) =>
    waitFor(
      async () => {
        const operator = await site.tenant.ask('GET', '/operators/paula');
        return operator.capacity === capacity;
      },
      { deadlineMs: 60_000, what: `a capacity of ${capacity}` },
    );
  await capacityIs(5);
  await lhc.sql('UPDATE lh_users SET max_active_chats = 2 WHERE id = ?', [paulaId]);
  await capacityIs(2);
  await lhc.sql('UPDATE lh_users SET max_active_chats = 0 WHERE id = ?', [paulaId]);
  await capacityIs(5);
});
