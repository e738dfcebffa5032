/** An operator's page in a headless Chromium, as a person uses it: by what it shows, by clicks and by keys. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, startBrowser } from '../clients/chromium.ts';
import { WAIT_DEADLINE_MS, waitFor } from '../support/wait.ts';

export interface OperatorPage extends Browser {
  /** The text that a person sees. */
  text(): Promise<string>;
  /** Waits until the page shows this. */
  sees(text: string | RegExp, deadlineMs?: number): Promise<void>;
  /** Waits until an element is there that the selector names and that has this text, and clicks on it. */
  click(selector: string, text?: string): Promise<void>;
  /** Waits until there is such an element. */
  has(selector: string, text?: string): Promise<void>;
  logIn(username: string, password: string): Promise<void>;
  /** Opens the conversation with a contact of the list. */
  openChat(name: string): Promise<void>;
  /** Writes into the conversation that is open. @param within the element around the field */
  write(text: string, within?: string): Promise<void>;
  logOut(): Promise<void>;
  close(): Promise<void>;
}

const quoted = JSON.stringify;

/** @param url of the page */
export async function openOperatorPage(url: string): Promise<OperatorPage> {
  const folder = await mkdtemp(join(tmpdir(), 'operator-browser-'));
  const browser = await startBrowser(folder, url);
  await browser.look({ width: 1280, height: 800 });

  const text = async () => String(await browser.evaluate('document.body?.innerText ?? ""'));
  const element = (selector: string, wish = '') =>
    `[...document.querySelectorAll(${quoted(selector)})].find((each) => each.checkVisibility() && each.textContent.includes(${quoted(wish)}))`;

  async function sees(wish: string | RegExp, deadlineMs = WAIT_DEADLINE_MS): Promise<void> {
    let last = '';
    await waitFor(
      async () => {
        last = await text();
        return typeof wish === 'string' ? last.includes(wish) : wish.test(last);
      },
      {
        deadlineMs,
        what: () => `${wish} in the page: ${last.slice(0, 2_000)}`,
      },
    );
  }

  async function has(selector: string, wish?: string): Promise<void> {
    await waitFor(() => browser.evaluate(`Boolean(${element(selector, wish)})`), {
      what: `${selector} with ${wish ?? 'anything'}`,
    });
  }

  async function click(selector: string, wish?: string): Promise<void> {
    await has(selector, wish);
    await browser.evaluate(`${element(selector, wish)}.click()`);
  }

  async function fill(selector: string, value: string): Promise<void> {
    await has(selector);
    // Converse.js takes the focus for itself when it has drawn the form.
    await waitFor(
      async () => {
        await browser.evaluate(`(${element(selector)}.focus(), ${element(selector)}.select())`);
        return browser.evaluate(`document.activeElement === ${element(selector)}`);
      },
      { what: `the focus on ${selector}` },
    );
    await browser.type(value);
  }

  return {
    ...browser,
    text,
    sees,
    has,
    click,
    async logIn(username, password) {
      await fill('#converse-login-jid', username);
      await fill('#converse-login-password', password);
      await browser.key('Enter');
    },
    async openChat(name) {
      await click('converse-roster-contact a.open-chat', name);
      await has('converse-chat-heading', name);
    },
    async write(message, within = 'converse-chat') {
      await fill(`${within} .chat-textarea`, message);
      await browser.key('Enter');
    },
    async logOut() {
      await click('converse-user-profile .logout, converse-user-profile [title="Log out"]');
    },
    async close() {
      await browser.kill();
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
