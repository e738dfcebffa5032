/** Pidgin on Xvfb. It is driven through its D-Bus interface, which does what its windows do. */
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { waitFor } from '../support/wait.ts';
import type { Account, Client } from './client.ts';
import { startDisplay } from './display.ts';
import { needProgram, type Program, run, startProgram } from './processes.ts';
import { contactOf, logOfStanzas } from './stanza-log.ts';

const LOGIN_DEADLINE_MS = 120_000;
/** PURPLE_CONV_TYPE_IM */
const IM = '1';
/** PURPLE_CONV_TYPE_CHAT */
const CHAT = '2';

const accounts = ({ username, domain, password, port }: Account): string => `<?xml version='1.0'?>
<account version='1.0'><account>
  <protocol>prpl-jabber</protocol>
  <name>${username}@${domain}/pidgin</name>
  <password>${password}</password>
  <settings>
    <setting name='connect_server' type='string'>127.0.0.1</setting>
    <setting name='port' type='int'>${port}</setting>
    <setting name='connection_security' type='string'>opportunistic_tls</setting>
    <setting name='auth_plain_in_clear' type='bool'>1</setting>
  </settings>
  <settings ui='gtk-gaim'><setting name='auto-login' type='bool'>1</setting></settings>
</account></account>
`;

/** Logs as texts; no sounds; the formatting bar takes room. */
const PREFERENCES = `<?xml version='1.0'?>
<pref version='1' name='/'>
  <pref name='purple'><pref name='logging'>
    <pref name='format' type='string' value='txt'/><pref name='log_ims' type='bool' value='1'/>
    <pref name='log_chats' type='bool' value='1'/>
  </pref></pref>
  <pref name='pidgin'>
    <pref name='sound'><pref name='method' type='string' value='none'/></pref>
    <pref name='conversations'><pref name='show_formatting_toolbar' type='bool' value='0'/></pref>
  </pref>
</pref>
`;

/** @throws {Missing} without Pidgin, Xvfb and what belongs to it */
export async function makePidgin(account: Account, folder: string): Promise<Client> {
  needProgram('pidgin', 'pidgin');
  needProgram('gdbus', 'libglib2.0-bin');
  await mkdir(folder, { recursive: true });
  const display = await startDisplay(folder);
  const profile = join(folder, 'purple');
  await mkdir(profile, { recursive: true });
  await writeFile(join(profile, 'accounts.xml'), accounts(account), { mode: 0o600 });
  await writeFile(join(profile, 'prefs.xml'), PREFERENCES);
  let program: Program | undefined;

  /** Calls a function of libpurple. @returns what it answers, as gdbus prints it */
  async function purple(name: string, ...args: readonly string[]): Promise<string> {
    const method = ['--method', `im.pidgin.purple.PurpleInterface.Purple${name}`];
    const object = ['--object-path', '/im/pidgin/purple/PurpleObject'];
    const to = ['--session', '--dest', 'im.pidgin.purple.PurpleService', ...object];
    return run('gdbus', ['call', ...to, ...method, ...args], display.env);
  }
  const number = (answer: string): string => /-?\d+/.exec(answer.replace('int32', ''))?.[0] ?? '0';
  const ours = async () => number(await purple('AccountsGetAllActive'));
  /** Rooms that it is in. */
  const rooms = new Set<string>();
  const room = async (jid: string) =>
    number(await purple('FindConversationWithAccount', CHAT, jid, await ours()));
  async function conversation(jid: string): Promise<string> {
    if (rooms.has(jid)) return room(jid);
    return number(await purple('ConversationNew', IM, await ours(), jid));
  }
  const stanzas = async () =>
    logOfStanzas(
      program?.output() ?? '',
      /^(?=\(\d\d:\d\d:\d\d\) )/m,
      /^.{11}jabber: Sending [^:]*: /,
      /^.{11}jabber: Recv [^:]*: /,
    );

  return {
    name: 'pidgin',
    version: `Pidgin ${(await run('pidgin', ['--version'], display.env)).split(' ')[1]?.trim()}`,
    async start() {
      program = startProgram('pidgin', ['--debug', '--config', profile], display.env);
      await waitFor(async () => number(await purple('AccountIsConnected', await ours())) === '1', {
        deadlineMs: LOGIN_DEADLINE_MS,
        every: 200,
        what: () => `Pidgin to log in:\n${program?.output().slice(-2000)}`,
      });
    },
    async kill() {
      await program?.kill();
    },
    contact: async (jid) => contactOf(jid, (await stanzas()).received),
    async open(jid) {
      await purple('ConversationPresent', await conversation(jid));
    },
    async write(jid, text) {
      if (rooms.has(jid)) {
        await purple('ConvChatSend', number(await purple('ConvChat', await room(jid))), text);
        return;
      }
      const im = number(await purple('ConvIm', await conversation(jid)));
      await purple('ConvImSend', im, text);
    },
    correct: null,
    async accept(jid) {
      const dialog = await waitFor(
        () => display.xdotool('search', '--onlyvisible', '--name', '^Pidgin$').catch(() => ''),
        { every: 200, what: 'the invitation in Pidgin' },
      );
      await display.xdotool('windowactivate', '--sync', dialog.split('\n')[0] ?? '');
      await display.xdotool('key', 'alt+a');
      await waitFor(async () => (await room(jid)) !== '0', {
        every: 200,
        what: 'Pidgin to be in the room',
      });
      rooms.add(jid);
    },
    async whisper(jid, nick, text) {
      const im = number(await purple('ConvIm', await conversation(`${jid}/${nick}`)));
      await purple('ConvImSend', im, text);
    },
    async messages(jid) {
      const logs = join(
        profile,
        'logs/jabber',
        `${account.username}@${account.domain}`,
        rooms.has(jid) ? `${jid}.chat` : jid,
      );
      if (!existsSync(logs)) return [];
      const files = (await readdir(logs)).sort();
      const texts = await Promise.all(files.map((file) => readFile(join(logs, file), 'utf8')));
      return texts.flatMap((text) => text.split(/^\(\d\d:\d\d:\d\d(?: [AP]M)?\) /m).slice(1));
    },
    async screenshot(path, jid) {
      // A person closes the windows of chats that are over.
      for (const id of (await purple('GetIms')).match(/\d+/g) ?? []) {
        if (jid !== null && !(await purple('ConversationGetName', id)).includes(jid)) {
          await purple('ConversationDestroy', id);
        }
      }
      if (jid !== null) await purple('ConversationPresent', await conversation(jid));
      await purple('BlistSetVisible', '1');
      const list = (await display.xdotool('search', '--name', 'Buddy List')).split('\n')[0] ?? '';
      await display.xdotool('windowsize', list, '300', '560');
      await display.xdotool('windowmove', list, '0', '0');
      const others = (await display.xdotool('search', '--onlyvisible', '--class', 'Pidgin'))
        .split('\n')
        .filter((id) => id !== '' && id !== list);
      for (const id of others) {
        await display.xdotool('windowsize', id, '580', '560');
        await display.xdotool('windowmove', id, '310', '0');
      }
      await display.screenshot(path);
    },
    stanzas,
    async close() {
      await program?.kill();
      await display.close();
    },
  };
}
