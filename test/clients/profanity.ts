/** Profanity in a terminal that tmux holds. */
import { existsSync } from 'node:fs';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { waitFor } from '../support/wait.ts';
import type { Account, Client } from './client.ts';
import { type Display, startDisplay } from './display.ts';
import { needProgram, type Program, run, startProgram } from './processes.ts';
import { contactOf, logOfStanzas } from './stanza-log.ts';

const LOGIN_DEADLINE_MS = 120_000;
const COLUMNS = 112;
const ROWS = 34;
/** More than a picture of one colour has. */
const EMPTY_PICTURE_BYTES = 3_000;

/** @throws {Missing} without Profanity or tmux */
export async function makeProfanity(account: Account, folder: string): Promise<Client> {
  needProgram('profanity', 'profanity');
  needProgram('tmux', 'tmux');
  const jid = `${account.username}@${account.domain}`;
  const data = join(folder, 'data/profanity');
  await mkdir(data, { recursive: true });
  await mkdir(join(folder, 'config/profanity'), { recursive: true });
  await writeFile(
    join(data, 'accounts'),
    `[${jid}]
enabled=true
jid=${jid}
server=127.0.0.1
port=${account.port}
password=${account.password}
tls.policy=disable
resource=profanity
`,
    { mode: 0o600 },
  );
  await writeFile(
    join(folder, 'config/profanity/profrc'),
    '[ui]\ncorrection.allow=true\nsplash=false\nroster=true\nroster.status=true\nroster.size=28\n[logging]\nrotate=false\n',
  );
  const env: NodeJS.ProcessEnv = {
    PATH: process.env.PATH,
    LANG: 'C.UTF-8',
    TZ: 'UTC',
    HOME: folder,
    TERM: 'xterm-256color',
    XDG_CONFIG_HOME: join(folder, 'config'),
    XDG_DATA_HOME: join(folder, 'data'),
  };
  const socket = join(folder, 'tmux');
  const tmux = (...args: readonly string[]) =>
    run('tmux', ['-S', socket, '-f', '/dev/null', ...args], env);
  /** Types a line and sends it. */
  async function enter(line: string): Promise<void> {
    await tmux('send-keys', '-l', line);
    await tmux('send-keys', 'Enter');
  }
  const screen: () => Promise<string> = () => tmux('capture-pane', '-p');
  const logFile = join(data, 'logs/profanity.log');
  /** The length of the log when this run began. */
  let begun = 0;
  const log = async () => (existsSync(logFile) ? await readFile(logFile, 'utf8') : '');
  const stanzas = async () =>
    logOfStanzas(
      (await log()).slice(begun),
      /^(?=\d\d\/\d\d\/\d{4} |\d{4}-\d\d-\d\d)/m,
      /^.*?SENT: /,
      /^.*?RECV: /,
    );

  /** For pictures alone: a window that shows the terminal. */
  let display: Display | undefined;
  let xterm: Program | undefined;
  async function terminal(): Promise<Display> {
    needProgram('xterm', 'xterm');
    display ??= await startDisplay(folder, '900x600');
    if (!xterm || xterm.ended()) {
      const font = ['-fa', 'DejaVu Sans Mono', '-fs', '10', '-bg', 'black', '-fg', 'white'];
      const size = ['-geometry', `${COLUMNS}x${ROWS}+0+0`];
      const attach = ['-e', 'tmux', '-S', socket, '-f', '/dev/null', 'attach'];
      const terminalEnv = { ...display.env, TERM: 'xterm-256color' };
      xterm = startProgram('xterm', [...font, ...size, ...attach], terminalEnv);
    }
    return display;
  }

  /** Rooms that it is in. */
  const rooms = new Set<string>();
  /** Opens the window of this conversation. */
  async function focus(jid: string): Promise<void> {
    if (rooms.has(jid)) return enter(`/win ${jid}`);
    await enter('/win 1'); // in a room /msg takes the names of its people alone
    await enter(`/msg ${jid}`);
  }

  return {
    name: 'profanity',
    version: (await run('profanity', ['--version'], env)).split('\n')[0] ?? '',
    async start() {
      begun = (await log()).length;
      const command = ['profanity', '--log', 'DEBUG', '--account', jid];
      await tmux('new-session', '-d', '-x', String(COLUMNS), '-y', String(ROWS), ...command);
      await tmux('set-option', '-g', 'status', 'off');
      await waitFor(async () => /logged in successfully/.test(await screen()), {
        deadlineMs: LOGIN_DEADLINE_MS,
        every: 100,
        what: 'Profanity to log in',
      });
      await enter('/clear'); // the greeting
    },
    async kill() {
      await tmux('kill-server').catch(() => undefined); // it may not run
    },
    contact: async (contact) => contactOf(contact, (await stanzas()).received),
    async open(contact) {
      await focus(contact);
    },
    async write(contact, text) {
      // As a line of the window: as an argument of /msg it would need quotes.
      await focus(contact);
      await enter(text);
    },
    async correct(contact, text) {
      await focus(contact);
      await enter(`/correct ${text}`);
    },
    async command(contact, node) {
      await enter('/win 1'); // where its result is
      await enter(`/cmd exec ${node} ${contact}`);
      let shown = '';
      await waitFor(
        async () => {
          shown = await screen();
          return new RegExp(`${node}[^]*completed`).test(shown);
        },
        { every: 100, what: () => `Profanity to show the end of ${node}:\n${shown}` },
      );
      return shown;
    },
    async accept(room, nick) {
      await enter('/win 1');
      let shown = '';
      await waitFor(
        async () => {
          await enter('/invite list');
          shown = await screen();
          return new RegExp(`Chat room invites[^]*${room}`).test(shown);
        },
        { every: 500, what: () => `the invitation in Profanity:\n${shown}` },
      );
      await enter(`/join ${room} nick ${nick}`);
      rooms.add(room);
      await waitFor(
        async () => {
          shown = await screen();
          return /-> You have joined the room/.test(shown);
        },
        { every: 200, what: () => `Profanity to be in the room:\n${shown}` },
      );
    },
    async whisper(room, nick, text) {
      await focus(room);
      await enter(`/msg ${nick} ${text}`);
    },
    async messages(contact) {
      if (rooms.has(contact)) {
        // It stores nothing of what was said before it came.
        await focus(contact);
        return (await screen()).split('\n');
      }
      const path = join(data, 'database', jid.replace('@', '_at_'), 'chatlog.db');
      if (!existsSync(path)) return [];
      // Without a lock: Profanity drops a message that it cannot write at once.
      const unlocked = new URL(`${pathToFileURL(path)}?immutable=1`);
      const database = new DatabaseSync(unlocked, { readOnly: true });
      try {
        const rows = database
          .prepare('SELECT message FROM ChatLogs WHERE from_jid = ? OR to_jid = ? ORDER BY id')
          .all(contact, contact);
        return rows.map(({ message }) => String(message));
      } finally {
        database.close();
      }
    },
    async screenshot(path, contact) {
      await (contact === null ? enter('/win 1') : focus(contact));
      const shown = await terminal();
      // Until xterm has made its font, everything is black.
      await waitFor(
        async () => {
          await shown.screenshot(path);
          return (await stat(path)).size > EMPTY_PICTURE_BYTES;
        },
        { what: () => `xterm to draw:\n${xterm?.output()}` },
      );
    },
    stanzas,
    async close() {
      await xterm?.kill();
      await display?.close();
      await tmux('kill-server').catch(() => undefined);
    },
  };
}
