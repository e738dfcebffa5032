/** Converse.js in a headless Chromium, driven by the Chrome DevTools Protocol. */
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { waitFor } from '../support/wait.ts';
import { type Browser, startBrowser } from './chromium.ts';
import { type Account, type Client, Missing } from './client.ts';
import { needProgram, run } from './processes.ts';

/** The version that docs/clients.md tells of. */
const VERSION = '14.0.0';
const CACHE = join(import.meta.dirname, '../../.cache/clients');
/** Of a login with many contacts on a busy machine, and of whatever is done during it. */
const BUSY_DEADLINE_MS = 300_000;

const TYPES: Record<string, string> = {
  '.css': 'text/css',
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
  '.woff2': 'font/woff2',
};

/** Fetches the package into .cache/clients. @returns its folder */
async function fetchPackage(): Promise<string> {
  const folder = join(CACHE, `converse.js-${VERSION}`);
  const dist = join(folder, 'node_modules/converse.js/dist');
  if (!existsSync(join(dist, 'converse.min.js'))) {
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'package.json'), '{}');
    const options = ['--no-audit', '--no-fund', '--ignore-scripts', '--silent'];
    await run('npm', ['install', '--prefix', folder, ...options, `converse.js@${VERSION}`]).catch(
      () => {
        throw new Missing(`npm could not fetch converse.js@${VERSION}`);
      },
    );
  }
  return dist;
}

/** The settings are those of its documentation for a page with a chat of the whole window; all but one are as they come. */
const page = ({ username, domain, password, websocket }: Account): string => `<!doctype html>
<meta charset="utf-8"><title>Converse</title>
<link rel="stylesheet" href="/converse.min.css">
<body class="converse-fullscreen"><div id="conversejs-bg"></div>
<script type="module">
import converse from '/converse.min.js';
converse.plugins.add('rig', { initialize() { window._converse = this._converse; } });
converse.initialize(${JSON.stringify({
  authentication: 'login',
  auto_login: true,
  jid: `${username}@${domain}`,
  password,
  websocket_url: websocket,
  discover_connection_methods: false,
  view_mode: 'fullscreen',
  assets_path: '/',
  muc_history_max_stanzas: 20, // without it a room shows nothing of what was said before
  whitelisted_plugins: ['rig'],
})});
</script></body>`;

/** Serves the package and the page on loopback. */
async function serve(dist: string, html: string) {
  const server = createServer((request, response) => {
    const path = normalize(new URL(request.url ?? '/', 'http://rig').pathname);
    const file = path === '/' ? null : join(dist, path);
    (file === null ? Promise.resolve(html) : readFile(file)).then(
      (content) => {
        response.writeHead(200, { 'content-type': TYPES[extname(file ?? '.html')] ?? '' });
        response.end(content);
      },
      () => response.writeHead(404).end(),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, // it listens on a TCP port
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

const quoted = (text: string): string => JSON.stringify(text);
/** The element of the chat with this contact, or of this room. */
const chatOf = (jid: string): string =>
  `document.querySelector(':is(converse-chat, converse-muc)[jid=${quoted(jid)}]')`;

const chatboxOf = (jid: string): string => `_converse.state.chatboxes.get(${quoted(jid)})`;

/** @throws {Missing} without Chromium, or if the package cannot be fetched */
export async function makeConverse(account: Account, folder: string): Promise<Client> {
  needProgram('chromium', 'chromium');
  const site = await serve(await fetchPackage(), page(account));
  let browser: Browser | undefined;
  const there = (): Browser => {
    if (!browser) throw new Error('Converse.js does not run');
    return browser;
  };
  const evaluate = (expression: string) => there().evaluate(expression);

  async function open(jid: string): Promise<void> {
    // As a click on the contact does, which has no place in a long list that is not scrolled to.
    await evaluate(`_converse.api[${chatboxOf(jid)}?.get('type') === 'chatroom' ? 'rooms' : 'chats']
      .open(${quoted(jid)}, {}, true)`);
    await waitFor(() => evaluate(`!!${chatOf(jid)}?.querySelector('.chat-textarea')`), {
      deadlineMs: BUSY_DEADLINE_MS,
      what: `the chat with ${jid} in Converse.js`,
    });
  }

  const focus = async (jid: string) => {
    await open(jid);
    await waitFor(
      () =>
        evaluate(
          `(() => { const area = ${chatOf(jid)}.querySelector('.chat-textarea'); area.focus(); return document.activeElement === area; })()`,
        ),
      { deadlineMs: BUSY_DEADLINE_MS, what: 'the focus' },
    );
  };

  /** Clicks on what the selector finds, as soon as it is there. */
  const click = (selector: string) =>
    waitFor(
      () =>
        evaluate(
          `(() => { const found = document.querySelector(${quoted(selector)}); found?.click(); return !!found; })()`,
        ),
      { deadlineMs: BUSY_DEADLINE_MS, every: 100, what: `${selector} in Converse.js` },
    );
  /** Chooses from the menu of the message with this text. */
  async function act(jid: string, text: string, action: string): Promise<void> {
    await open(jid);
    const all = (within: string, selector: string) =>
      `[...(${within}?.querySelectorAll('${selector}') ?? [])]`;
    const message = `${all(chatOf(jid), 'converse-chat-message')}
      .find((each) => each.textContent.includes(${quoted(text)}))`;
    await waitFor(
      () =>
        evaluate(`(() => {
          const found = ${all(message, '.chat-msg__action')}
            .find((each) => each.textContent.includes(${quoted(action)}));
          found?.click();
          return !!found;
        })()`),
      { deadlineMs: BUSY_DEADLINE_MS, every: 100, what: `${action} in Converse.js` },
    );
  }

  return {
    name: 'converse',
    version: `Converse.js ${VERSION}`,
    async start() {
      browser = await startBrowser(join(folder, 'chromium'), site.url);
      await waitFor(() => evaluate('!!_converse.api.connection.connected()'), {
        deadlineMs: BUSY_DEADLINE_MS,
        every: 100,
        what: 'Converse.js to log in',
      });
    },
    async kill() {
      await browser?.kill();
      browser = undefined;
    },
    async contact(jid) {
      const found = await evaluate(`(() => {
        const contact = _converse.state.roster?.get(${quoted(jid)});
        if (!contact) return null;
        const presence = contact.presence;
        return JSON.stringify({ name: contact.getDisplayName(), status: contact.get('status') ?? '',
          show: presence.get('show') ?? presence.get('presence') ?? '' });
      })()`);
      return found ? JSON.parse(String(found)) : undefined;
    },
    open,
    async write(jid, text) {
      await focus(jid);
      await there().type(text);
      await there().key('Enter');
      await waitFor(() => evaluate(`${chatOf(jid)}.querySelector('.chat-textarea').value === ''`), {
        deadlineMs: BUSY_DEADLINE_MS,
        what: 'Converse.js to send',
      });
    },
    async correct(jid, text) {
      await focus(jid);
      await there().key('ArrowUp');
      await waitFor(() => evaluate(`${chatOf(jid)}.querySelector('.chat-textarea').value !== ''`), {
        deadlineMs: BUSY_DEADLINE_MS,
        what: 'Converse.js to offer its last message',
      });
      await evaluate(`${chatOf(jid)}.querySelector('.chat-textarea').select()`);
      await there().type(text);
      await there().key('Enter');
    },
    async command(jid, node) {
      // What its dialog calls: the dialog itself is three pages deep.
      await evaluate(`(window.rigCommand = '', _converse.api.adhoc
        .getCommands(${quoted(jid)})
        .then((all) => _converse.api.adhoc.fetchCommandForm(all.find((each) => each.node === ${quoted(node)}).jid, ${quoted(node)}))
        .then((shown) => { window.rigCommand = [shown.note?.text, ...(shown.items ?? []).flat().map(({ value }) => value)].join('\\n'); }), true)`);
      await waitFor(() => evaluate('window.rigCommand'), { what: `the end of ${node}` });
      return String(await evaluate('window.rigCommand'));
    },
    async retract(jid, text) {
      await act(jid, text, 'Retract');
      await click('.modal.show .btn-primary');
    },
    async react(jid, text, emoji) {
      await act(jid, text, 'Add Reaction');
      await waitFor(
        () =>
          evaluate(`(() => {
            const found = [...document.querySelectorAll('.reaction-picker .reaction-item')]
              .find((each) => each.textContent === ${quoted(emoji)});
            found?.click();
            return !!found;
          })()`),
        { deadlineMs: BUSY_DEADLINE_MS, every: 100, what: `${emoji} in Converse.js` },
      );
    },
    async accept(room, nick) {
      await click('.modal.show .btn-primary');
      await waitFor(() => evaluate(`!!${chatOf(room)}`), {
        deadlineMs: BUSY_DEADLINE_MS,
        what: 'the room in Converse.js',
      });
      await waitFor(
        () =>
          evaluate(`(() => {
            const form = ${chatOf(room)}.querySelector('.muc-nickname-form, converse-muc-nickname-form form');
            const field = form?.querySelector('input[name=nick]');
            if (field && !field.value) {
              field.value = ${quoted(nick)};
              form.querySelector('input[type=submit], button[type=submit]').click();
            }
            return ${chatboxOf(room)}?.session?.get('connection_status') === 5 ||
              !!${chatOf(room)}.querySelector('.chat-textarea');
          })()`),
        { deadlineMs: 60_000, every: 200, what: 'Converse.js to be in the room' },
      );
    },
    async messages(jid) {
      const found = await evaluate(
        `(() => { const shown = ${chatOf(jid)}?.querySelectorAll('.chat-msg__text');
          // Until it is opened there is nothing but what is stored.
          const stored = ${chatboxOf(jid)}?.messages?.models ?? [];
          return JSON.stringify(shown?.length ? [...shown].map((each) => each.innerText)
            : stored.map((each) => each.get('body') ?? '')); })()`,
      );
      return JSON.parse(String(found));
    },
    async screenshot(path, jid) {
      if (jid !== null) await open(jid);
      await delay(500); // pictures and fonts
      await writeFile(path, await there().screenshot());
    },
    stanzas: async () => there().frames(),
    async close() {
      await browser?.kill();
      await site.close();
    },
  };
}
