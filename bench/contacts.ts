/**
 * What a component's contacts cost ejabberd: `npm run bench:contacts -- [CONTACTS] [OPERATORS]` (5,000 and 20).
 *
 * Operators with stream management are online, a component sends all contacts, changes each presence once, and one more
 * operator logs in. The clients only count what they receive and acknowledge it. CPU is that of ejabberd's process.
 * docs/ejabberd.md has results.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEjabberd } from '../scripts/private-ejabberd.ts';
import { rawComponent } from '../test/ejabberd/raw-stream.ts';
import { waitFor } from '../test/support/wait.ts';

const NS = 'urn:xmpp-chat:contacts:1';
const SECRET = 'component-secret';
const DEADLINE_MS = 300_000;
const PER_IQ = 100;
/** Linux counts CPU time in hundredths of a second. */
const TICK_MS = 10;

const [contacts = 5_000, operators = 20] = process.argv.slice(2).map(Number);
const dir = mkdtempSync(join(tmpdir(), 'bench-contacts-'));
const ejabberd = await startEjabberd({
  dir,
  modLhc: { url: 'http://127.0.0.1:9/', secret: `whsec_${Buffer.alloc(24).toString('base64')}` },
  component: { secret: SECRET },
  logLevel: 'warning',
});
const { host, pid = 0 } = ejabberd;
const domain = `visitors.${host}`;

function cpuMs(): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}
function memoryMb(): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
}

interface Client {
  readonly socket: Socket;
  presences: number;
  pushes: number;
  items: number;
  bytes: number;
}

/** Logs in, fetches the roster, and acknowledges what it gets. */
async function login(user: string): Promise<Client> {
  const socket = connect({ port: ejabberd.c2sPort, host: '127.0.0.1' });
  const client: Client = { socket, presences: 0, pushes: 0, items: 0, bytes: 0 };
  let tail = '';
  let start = '';
  let enabled = false;
  let handled = 0;
  const count = (text: string, pattern: RegExp) => (text.match(pattern) ?? []).length;
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    if (!enabled) start += chunk;
    client.bytes += chunk.length;
    // Whole elements only: what follows the last `>` waits.
    const text = tail + chunk;
    const end = text.lastIndexOf('>') + 1;
    tail = text.slice(end);
    const whole = text.slice(0, end);
    client.presences += count(whole, /<presence[ >]/g);
    client.pushes += count(whole, /<iq [^>]*type='set'/g);
    client.items += count(whole, /<item /g);
    if (!enabled) return;
    handled += count(whole, /<(presence|iq|message)[ >]/g);
    if (/<r xmlns/.test(whole)) socket.write(`<a xmlns='urn:xmpp:sm:3' h='${handled}'/>`);
  });
  const sees = async (pattern: RegExp) => {
    await waitFor(() => pattern.test(start), { deadlineMs: DEADLINE_MS, what: String(pattern) });
    start = '';
  };
  const header = `<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='${host}' version='1.0'>`;
  socket.write(header);
  await sees(/<\/stream:features>/);
  const plain = Buffer.from(`\0${user}\0pw`).toString('base64');
  socket.write(`<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>${plain}</auth>`);
  await sees(/<success/);
  socket.write(header);
  await sees(/<\/stream:features>/);
  socket.write(
    `<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq><enable xmlns='urn:xmpp:sm:3'/>`,
  );
  await sees(/<enabled/);
  enabled = true;
  socket.write(
    `<iq type='get' id='roster'><query xmlns='jabber:iq:roster' ver=''/></iq><presence/>`,
  );
  return client;
}

async function measured(what: string, work: () => Promise<void>): Promise<void> {
  const [cpu, memory, started] = [cpuMs(), memoryMb(), performance.now()];
  await work();
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const used = ((cpuMs() - cpu) / 1000).toFixed(1);
  const grown = (memoryMb() - memory).toFixed(0);
  console.log(`${what}: ${seconds} s, ejabberd ${used} s CPU, ${grown} MB more`);
}

const component = await rawComponent(ejabberd.componentPort, domain, SECRET);
let ids = 0;
/** Sends everybody, and waits for each answer before the next IQ. */
async function send(show: string): Promise<void> {
  for (let at = 0; at < contacts; at += PER_IQ) {
    const entries = Array.from({ length: Math.min(PER_IQ, contacts - at) }, (_, n) => {
      const jid = `visitor.${1_000_000 + at + n}@${domain}`;
      return `<contact jid='${jid}' name='Anna from Berlin' hash='5d41402abc4b2a76'><presence from='${jid}/xmpp-chat'><show>${show}</show><status>In chat · Olga · /shop/boats/rowing-boat
Berlin, Germany · 3rd visit</status><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='https://example.org' ver='QgayPKawpkPSDYmwT/WM94uAlu0='/><x xmlns='vcard-temp:x:update'><photo>70d1c6f6aefb4fbe0a9c4fd60f3ad5a34b6b0b1c</photo></x></presence></contact>`;
    });
    ids += 1;
    component.send(
      `<iq type='set' id='c${ids}' from='${domain}' to='${host}'><contacts xmlns='${NS}'>${entries.join('')}</contacts></iq>`,
    );
    await component.sees(new RegExp(`id='c${ids}'`), DEADLINE_MS);
  }
}
const all = (clients: readonly Client[], condition: (client: Client) => boolean) =>
  waitFor(() => clients.every(condition), {
    deadlineMs: DEADLINE_MS,
    every: 20,
    what: () =>
      JSON.stringify(clients.map(({ presences, pushes, bytes }) => [presences, pushes, bytes])),
  });

for (let n = 0; n <= operators; n += 1) await ejabberd.registerOperator(`op${n}`, 'pw');
await measured(`${contacts} contacts, nobody online`, () => send('away'));
await measured('an operator logs in', async () => {
  const client = await login(`op${operators}`);
  await all([client], ({ presences, items }) => presences >= contacts && items >= contacts);
  console.log(`  ${(client.bytes / 1024).toFixed(0)} kB`);
  client.socket.destroy();
});
const online: Client[] = [];
await measured(`${operators} operators log in`, async () => {
  for (let n = 0; n < operators; n += 1) online.push(await login(`op${n}`));
  await all(online, ({ presences }) => presences >= contacts);
});
await measured(`each presence changes, ${operators} operators online`, async () => {
  for (const client of online) client.presences = 0;
  await send('dnd');
  await all(online, ({ presences }) => presences >= contacts);
});
component.send(
  `<iq type='get' id='end' from='${domain}' to='${host}'><contacts xmlns='${NS}' max='1'/></iq>`,
);
await component.sees(/id='end'/, DEADLINE_MS);
await measured(`all leave, ${operators} operators online`, async () => {
  for (const client of online) client.pushes = 0;
  for (let at = 0; at < contacts; at += PER_IQ) {
    const entries = Array.from(
      { length: Math.min(PER_IQ, contacts - at) },
      (_, n) => `<gone jid='visitor.${1_000_000 + at + n}@${domain}'/>`,
    );
    component.send(
      `<iq type='set' id='g${at}' from='${domain}' to='${host}'><contacts xmlns='${NS}'>${entries.join('')}</contacts></iq>`,
    );
    await component.sees(new RegExp(`id='g${at}'`), DEADLINE_MS);
  }
  await all(online, ({ pushes }) => pushes >= contacts);
});
await measured(`${contacts} contacts come, ${operators} operators online`, async () => {
  for (const client of online) {
    client.presences = 0;
    client.pushes = 0;
  }
  await send('chat');
  await all(online, ({ presences, pushes }) => presences >= contacts && pushes >= contacts);
});
console.log(`stanzas to the component: ${component.count(/<presence/)} presences`);
for (const { socket } of online) socket.destroy();
component.drop();
await ejabberd.stop();
rmSync(dir, { recursive: true, force: true });
