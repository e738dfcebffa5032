/**
 * Dino on Xvfb, driven by the keyboard. It takes a server's address from DNS and its certificate from the system's
 * authorities, and has no setting for either. So it runs in a mount namespace with two other files there.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { waitFor } from '../support/wait.ts';
import { type Account, type Client, Missing } from './client.ts';
import { startDisplay } from './display.ts';
import { needProgram, type Program, run, startProgram } from './processes.ts';
import { contactOf, type StanzaLog } from './stanza-log.ts';

const START_DEADLINE_MS = 60_000;
/** It asks DNS for the server first, which may not answer. */
const LOGIN_DEADLINE_MS = 120_000;
/** What the program finds in the place of the system's files: $1 the authorities, $2 the hosts. */
const NAMESPACE =
  'mount --bind "$1" /etc/ssl/certs/ca-certificates.crt && mount --bind "$2" /etc/hosts && shift 2 && exec "$@"';

/** @throws {Missing} if this user may not make such a namespace */
async function namespaceOptions(): Promise<readonly string[]> {
  for (const options of [['--mount'], ['--user', '--map-root-user', '--mount']]) {
    const works = await run('unshare', [...options, 'true']).catch(() => null);
    if (works !== null) return options;
  }
  throw new Missing('this user may not make a mount namespace (unshare)');
}

/**
 * What `--print-xmpp` prints: a line that says the direction, then the stanza over several lines, with the namespace of
 * each name in braces before it.
 */
function stanzasOf(output: string): StanzaLog {
  const found = { sent: [] as string[], received: [] as string[] };
  for (const part of output.split(/^(?=XMPP (?:IN|OUT) )/m)) {
    const [head = '', ...lines] = part.split('\n');
    const stanza = lines
      .map((line) => line.trim())
      .join('')
      .replaceAll(/<\{([^}]*)\}:([\w-]+)/g, "<$2 xmlns='$1'")
      .replaceAll(/\{[^}]*\}:([\w-]+)/g, '$1');
    if (head.startsWith('XMPP IN ')) found.received.push(stanza);
    if (head.startsWith('XMPP OUT ')) found.sent.push(stanza);
  }
  return found;
}

/** @throws {Missing} without Dino, Xvfb and what belongs to it */
export async function makeDino(account: Account, folder: string): Promise<Client> {
  needProgram('dino-im', 'dino-im');
  needProgram('gdbus', 'libglib2.0-bin');
  const unshare = await namespaceOptions();
  await mkdir(folder, { recursive: true });
  const hosts = join(folder, 'hosts');
  await writeFile(hosts, `127.0.0.1 localhost\n${account.tls.address} ${account.domain}\n`);
  const display = await startDisplay(folder);
  const env = { ...display.env, GSK_RENDERER: 'cairo', GTK_A11Y: 'none', NO_AT_BRIDGE: '1' };
  const path = join(folder, 'data/dino/dino.db');
  let program: Program | undefined;

  function startDino(): Program {
    const files = ['sh', account.tls.authority, hosts];
    const command = ['dino-im', '--print-xmpp=all'];
    return startProgram('unshare', [...unshare, 'sh', '-c', NAMESPACE, ...files, ...command], env);
  }
  function query(sql: string, ...values: readonly string[]) {
    const database = new DatabaseSync(path, { timeout: 5_000 });
    try {
      return database.prepare(sql).all(...values);
    } finally {
      database.close();
    }
  }
  /** There is no other way to give it an account than by hand. Every start makes the database, even one for the version. */
  function addAccount(): void {
    query(
      `INSERT INTO account (bare_jid, resourcepart, password, alias, enabled, roster_version, mam_earliest_synced)
       VALUES (?, 'dino', ?, '', 1, '', 0)`,
      `${account.username}@${account.domain}`,
      account.password,
    );
  }
  const stanzas = async () => stanzasOf(program?.output() ?? '');

  /** Rooms that it is in. */
  const rooms = new Set<string>();

  async function openUri(uri: string): Promise<void> {
    const object = ['--dest', 'im.dino.Dino', '--object-path', '/im/dino/Dino'];
    const method = ['--method', 'org.freedesktop.Application.Open'];
    await run('gdbus', ['call', '--session', ...object, ...method, `['${uri}']`, '{}'], env);
    await delay(700); // nothing tells that the window shows it
  }
  async function open(jid: string): Promise<void> {
    await openUri(`xmpp:${jid}?${rooms.has(jid) ? 'join' : 'message'}`);
    if (!rooms.has(jid)) return;
    // It asks whether to join, also the room that it is in.
    const dialog = await waitFor(
      () => display.xdotool('search', '--onlyvisible', '--name', 'Join Channel').catch(() => ''),
      { every: 100, what: 'the question of Dino' },
    );
    const [id = ''] = dialog.split('\n');
    const { WIDTH } = Object.fromEntries(
      (await display.xdotool('getwindowgeometry', '--shell', id))
        .split('\n')
        .map((line) => line.split('=')),
    );
    await display.xdotool('mousemove', '--window', id, String(Number(WIDTH) - 45), '25');
    await display.xdotool('click', '1');
    await delay(700);
  }

  return {
    name: 'dino',
    version: `Dino ${(await run('dino-im', ['--version'], env)).split(' ')[1]?.trim()}`,
    async start() {
      if (query('SELECT * FROM account').length === 0) addAccount();
      const started = startDino();
      program = started;
      await waitFor(
        () => stanzasOf(started.output()).sent.some((stanza) => stanza.startsWith('<presence')),
        {
          deadlineMs: LOGIN_DEADLINE_MS,
          every: 200,
          what: () => `Dino to log in: \n${started.output().slice(-3000)}`,
        },
      );
      const window = await waitFor(
        () => display.xdotool('search', '--onlyvisible', '--name', 'Dino'),
        {
          deadlineMs: START_DEADLINE_MS,
          every: 200,
          what: 'the window of Dino',
        },
      );
      const [id = ''] = window.split('\n');
      await display.xdotool('windowmove', id, '0', '0', 'windowsize', id, '890', '580');
    },
    async kill() {
      await program?.kill();
    },
    contact: async (jid) => contactOf(jid, (await stanzas()).received),
    open,
    async write(jid, text) {
      if (jid !== null) await open(jid);
      await display.type(text);
      await display.xdotool('key', 'Return');
    },
    async correct(jid, text) {
      if (jid !== null) await open(jid);
      await display.xdotool('key', 'Up');
      await display.xdotool('key', 'ctrl+a');
      await display.type(text);
      await display.xdotool('key', 'Return');
    },
    async accept(room) {
      await waitFor(
        async () =>
          (await stanzas()).received.some(
            (each) => each.includes('jabber:x:conference') && each.includes(room),
          ),
        { every: 200, what: 'the invitation in Dino' },
      );
      // The invitation is a notification of the desktop, which is not here. The line in the conversation has the address.
      rooms.add(room);
      await open(room);
      await waitFor(
        async () =>
          (await stanzas()).received.some(
            (each) =>
              each.startsWith('<presence') && each.includes(room) && /code=["']110/.test(each),
          ),
        { every: 200, what: 'Dino to be in the room' },
      );
    },
    async messages(jid) {
      const rows = query(
        `SELECT message.body AS body FROM content_item
         JOIN message ON content_item.content_type = 1 AND message.id = content_item.foreign_id
         JOIN jid ON jid.id = message.counterpart_id
         WHERE jid.bare_jid = ? AND content_item.hide = 0 ORDER BY content_item.time, content_item.id`,
        jid,
      );
      return rows.map(({ body }) => String(body));
    },
    async screenshot(file, jid) {
      if (jid !== null) await open(jid);
      await display.screenshot(file);
    },
    stanzas,
    async close() {
      await program?.kill();
      await display.close();
    },
  };
}
