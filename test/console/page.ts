/** The console in a headless Chromium, as a person uses it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import axe from 'axe-core';
import { type Browser, startBrowser } from '../clients/chromium.ts';
import { WAIT_DEADLINE_MS, waitFor } from '../support/wait.ts';

/** What axe-core found. Only its serious and critical findings count. */
export interface Finding {
  readonly rule: string;
  /** Where, as CSS selectors. */
  readonly where: string;
}

export interface ConsolePage extends Browser {
  /** The text that a person sees. */
  text(): Promise<string>;
  /** Waits until the page shows this. */
  sees(text: string | RegExp): Promise<void>;
  /** Waits until an element is there that the selector names and that has this text, and clicks on it. */
  click(selector: string, text?: string): Promise<void>;
  /** Puts the focus into a field, and a text in the place of what it has. */
  fill(selector: string, text: string): Promise<void>;
  /** Chooses an option of a select, or puts a value into a field that takes no typed text. */
  choose(selector: string, value: string): Promise<void>;
  /** Opens a page of the console by its address, from `/console`. */
  open(path: string): Promise<void>;
  logIn(token: string): Promise<void>;
  /** Waits until an element is there that a person sees. */
  has(selector: string, text?: string): Promise<void>;
  /** Serious and critical findings of axe-core, in light and in dark. @param within a selector; default: the whole page */
  findings(within?: string): Promise<Finding[]>;
  /** Waits until nothing is loading and two frames were drawn. */
  idle(): Promise<void>;
  close(): Promise<void>;
}

/** @param url of the service */
export async function openConsole(url: string): Promise<ConsolePage> {
  const folder = await mkdtemp(join(tmpdir(), 'console-browser-'));
  const browser = await startBrowser(folder, `${url}/console`);
  await browser.look({ width: 1280, height: 800, scheme: 'light' });

  const text = async () => String(await browser.evaluate('document.body.innerText'));
  /** An expression for the first element that can be used and has the text. */
  const element = (selector: string, wish = '') =>
    `[...document.querySelectorAll(${JSON.stringify(selector)})].find((each) => each.checkVisibility() && !each.disabled && each.textContent.includes(${JSON.stringify(wish)}))`;

  async function sees(wish: string | RegExp): Promise<void> {
    let last = '';
    await waitFor(
      async () => {
        last = await text();
        return typeof wish === 'string' ? last.includes(wish) : wish.test(last);
      },
      {
        deadlineMs: WAIT_DEADLINE_MS,
        what: () => `${wish} in the console: ${last.slice(0, 2_000)}`,
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
    const found = element(selector);
    await browser.evaluate(`(${found}.focus(), ${found}.select())`);
    await browser.type(value);
  }

  async function choose(selector: string, value: string): Promise<void> {
    await has(selector);
    // React looks at the setter of the element's kind.
    await browser.evaluate(`(() => {
      const field = ${element(selector)};
      Object.getOwnPropertyDescriptor(Object.getPrototypeOf(field), 'value').set.call(field, ${JSON.stringify(value)});
      field.dispatchEvent(new Event(field.matches('select') ? 'change' : 'input', { bubbles: true }));
      return true;
    })()`);
  }

  async function findingsIn(scheme: 'light' | 'dark', within: string): Promise<Finding[]> {
    await browser.look({ scheme });
    await browser.evaluate(`Boolean(window.axe) || (() => { ${axe.source}; return true; })()`);
    const found = await browser.evaluate(
      `axe.run(${JSON.stringify(within)}, { resultTypes: ['violations'] }).then(({ violations }) => JSON.stringify(
        violations.filter(({ impact }) => impact === 'serious' || impact === 'critical').map(({ id, nodes }) => ({
          rule: '${scheme}: ' + id,
          where: nodes.map(({ target, failureSummary }) => target.join(' ') + ': ' + failureSummary).join('; '),
        }))))`,
    );
    return JSON.parse(String(found)) as Finding[]; // made in the line above
  }

  return {
    ...browser,
    text,
    sees,
    has,
    click,
    fill,
    choose,
    async open(path) {
      await browser.navigate(`${url}${path}`);
    },
    async logIn(token) {
      await fill('#token', token);
      await browser.key('Enter');
    },
    async findings(within = 'html') {
      return [...(await findingsIn('dark', within)), ...(await findingsIn('light', within))];
    },
    async idle() {
      await waitFor(async () => !/Loading|asking …/.test(await text()), {
        what: 'the page to be loaded',
      });
      await browser.evaluate(
        'new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))',
      );
    },
    async close() {
      await browser.kill();
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
