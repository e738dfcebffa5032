/** Files both ways and the typing preview, with a real ejabberd, its uploads, and a server in the place of LHC's files. */
import xml from '@xmpp/xml';
import { afterAll, expect, it } from 'vitest';
import { freePorts } from '../../scripts/ejabberd/ports.ts';
import { PNG, startClamd, startFileServer } from '../files/servers.ts';
import { testWorld } from '../support/test-world.ts';
import { waitFor } from '../support/wait.ts';

const clamd = await startClamd();
const FILES: Record<string, Buffer> = {
  '/file/1/a.png': PNG,
  '/file/2/b.txt': Buffer.from('The EICAR of the tests'),
};
const lhcFiles = await startFileServer(({ url = '' }, response) => {
  if (url.startsWith('/link/')) {
    response.writeHead(302, { location: url.replace('/link/', '/file/') }).end();
  } else response.writeHead(FILES[url] ? 200 : 404).end(FILES[url]);
});
afterAll(async () => {
  await clamd[Symbol.asyncDispose]();
  await lhcFiles[Symbol.asyncDispose]();
});
const ports = await freePorts({});
const uploads = `http://127.0.0.1:${ports.http}/upload/`;
const world = await testWorld({
  tenants: [
    {
      id: 'acme',
      host: 'xmpp.test',
      settings: {
        typingPreview: true,
        files: { uploads: [uploads], lhc: [lhcFiles.url], maxBytes: 100_000 },
      },
    },
  ],
  ejabberd: { ports },
  environment: { FILE_SCANNER: `clamd://127.0.0.1:${clamd.port}` },
});
const acme = world.tenant('acme');
await acme.register('olga', { lhcUserId: 70 });
const olga = await acme.connect('olga');
await acme.operatorIs('olga', 'available');
const visitor = '7';
const jid = acme.visitorJid(visitor);
await acme.view(visitor, { page: 'https://shop.test/', nick: 'Ann' });
await acme.ask('POST', `/visitors/${visitor}/chats`, {
  chatId: 'c1',
  message: { id: 'm1', body: 'Hello?' },
});
const fromAnn = () => olga.messages.filter(({ from }) => from.startsWith(jid));
await olga.waitFor(() => fromAnn().length > 0, 'the chat');
olga.send(jid, 'Hello Ann');
await acme.callback('chat.accepted');

/** Uploads as a client does (XEP-0363). @returns the address to send */
async function upload(name: string, bytes: Buffer): Promise<string> {
  const slot = await olga.request(
    xml(
      'iq',
      { type: 'get', to: 'upload.xmpp.test' },
      xml('request', {
        xmlns: 'urn:xmpp:http:upload:0',
        filename: name,
        size: String(bytes.length),
      }),
    ),
  );
  const urlOf = (what: string) => slot.getChild('slot')?.getChild(what)?.attrs.url ?? '';
  const put = await fetch(urlOf('put'), { method: 'PUT', body: new Uint8Array(bytes) });
  expect(put.status).toBe(201);
  return urlOf('get');
}
const send = (url: string): string => {
  const id = `up-${Math.random()}`;
  const oob = xml('x', { xmlns: 'jabber:x:oob' }, xml('url', {}, url));
  olga.sendStanza(xml('message', { type: 'chat', to: jid, id }, xml('body', {}, url), oob));
  return id;
};

it('an upload reaches LHC with what the service has found out', async () => {
  const url = await upload('a.png', PNG);
  expect(url.startsWith(uploads)).toBe(true);
  const id = send(url);
  olga.send(jid, 'Do you see it?');
  const { data } = await acme.callback('chat.message', ({ message }) => message.id === id);
  expect(data.message).toEqual({
    id,
    body: url,
    files: [
      {
        url,
        name: 'a.png',
        type: 'image/png',
        size: PNG.length,
        sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
      },
    ],
  });
  await acme.callback('chat.message', ({ message }) => message.body === 'Do you see it?');
  const bodies = acme.callbacks('chat.message').map(({ data: { message } }) => message.body);
  expect(bodies.slice(-2)).toEqual([url, 'Do you see it?']);
  expect(clamd.scanned.some((bytes) => bytes.equals(PNG))).toBe(true);
});

it.each([
  ['with a virus', 'b.txt', Buffer.from('EICAR'), /virus scanner .*: Test\.EICAR\.$/],
  [
    'that is something else',
    'c.png',
    Buffer.from('MZ'),
    /its content is not what its name says\.$/,
  ],
  ['of another type', 'd.exe', Buffer.from('MZ'), /files of the type \.exe are not passed on\.$/],
  ['that is too large', 'e.txt', Buffer.alloc(100_001, 'x'), /it is larger than 97\.6 kB\.$/],
])('an upload %s reaches nobody, and the operator reads why', async (_, name, bytes, why) => {
  const url = await upload(name, bytes);
  const id = send(url);
  const line = await olga.waitFor(() => fromAnn().find(({ body }) => why.test(body)), String(why));
  expect(line.lines).toMatch(/^Not delivered: the file was not passed on: /);
  olga.send(jid, `behind ${name}`);
  await acme.callback('chat.message', ({ message }) => message.body === `behind ${name}`);
  expect(acme.callbacks('chat.message').some(({ data }) => data.message.id === id)).toBe(false);
});

it("a visitor's file is a message of its own that clients show, in the order of what was said", async () => {
  const url = `${lhcFiles.url}/link/1/a.png`;
  const before = fromAnn().length;
  await acme.ask('POST', `/visitors/${visitor}/messages`, {
    id: 'm2',
    body: 'This one',
    files: [{ url, name: 'a.png', type: 'image/png', size: PNG.length }],
  });
  await acme.ask('POST', `/visitors/${visitor}/messages`, { id: 'm3', body: 'In red' });
  await olga.waitFor(() => fromAnn().length >= before + 3, 'three messages');
  const received = fromAnn().slice(before);
  expect(received.map(({ id, body }) => [id, body])).toEqual([
    ['m2', 'This one'],
    ['m2.1', url],
    ['m3', 'In red'],
  ]);
  const oobOf = (at: number) =>
    received[at]?.stanza.getChild('x', 'jabber:x:oob')?.getChildText('url');
  expect([oobOf(0), oobOf(1)]).toEqual([undefined, url]);
  await acme.callback('message.delivered', ({ messageId }) => messageId === 'm2.1');
});

it("a visitor's file that is refused is a line of the service", async () => {
  const file = { url: `${lhcFiles.url}/link/2/b.txt`, name: 'b.txt' };
  await acme.ask('POST', `/visitors/${visitor}/messages`, { id: 'm4', files: [file] });
  const line = await olga.waitFor(() => fromAnn().find(({ id }) => id === 'm4'), 'the line');
  expect(line.lines).toMatch(/^The visitor has sent a file, and it was not passed on: .*virus/);
  const elsewhere = { url: 'http://127.0.0.1:1/a.png', name: 'a.png' };
  await acme.ask('POST', `/visitors/${visitor}/messages`, { id: 'm5', files: [elsewhere] });
  const other = await olga.waitFor(() => fromAnn().find(({ id }) => id === 'm5'), 'the line');
  expect(other.lines).toMatch(/its address is not where files may come from\.$/);
});

it('the scanner is a part of /readyz, and files are counted', async () => {
  const ready = await world.service.call('GET', '/readyz');
  expect(ready.body.checks.scanner).toEqual({ ok: true });
  expect(await world.metric('xmpp_chat_files_passed_total')).toBe(2);
  expect(await world.metric('xmpp_chat_files_refused_total')).toBe(6);
  expect(await world.metric('xmpp_chat_file_looks_failed_total')).toBe(0);
});

it('no line of the log has a name or an address of a file', () => {
  expect(world.service.logs()).not.toMatch(/a\.png|\/upload\/|\/link\/|EICAR/);
});

it('the operator sees what the visitor types, as the status, until the message comes', async () => {
  const own = await olga.waitFor(() => olga.presences.get(jid)?.status, 'a status');
  const typing = (body: object) => acme.ask('POST', `/visitors/${visitor}/typing`, body);
  await typing({ state: 'composing', preview: 'Do you ha' });
  await olga.waitFor(() => olga.presences.get(jid)?.status === 'Writes: Do you ha', 'the preview');
  const before = fromAnn().length;
  await acme.ask('POST', `/visitors/${visitor}/messages`, { id: 'm6', body: 'Do you have it?' });
  await olga.waitFor(() => olga.presences.get(jid)?.status === own, 'the status again');
  await olga.waitFor(() => fromAnn().length > before, 'the message');
  expect(fromAnn().at(-1)?.body).toBe('Do you have it?');
  await typing({ state: 'composing', preview: 'And' });
  await olga.waitFor(() => olga.presences.get(jid)?.status === 'Writes: And', 'the preview');
  await typing({ state: 'paused' });
  await waitFor(() => olga.presences.get(jid)?.status === own);
});
