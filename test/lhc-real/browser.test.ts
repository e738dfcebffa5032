/** A visitor in a browser, in LHC's own widget on a shop's page: what the operator does is seen there, and the other way. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import xml, { type Element } from '@xmpp/xml';
import { afterAll, expect, it } from 'vitest';
import { type Browser, startBrowser } from '../clients/chromium.ts';
import { waitFor } from '../support/wait.ts';
import { testInstallation } from './installation.ts';

/** The widget asks for invitations every 10 s and for messages every 3.5 s, on a machine that may be busy. */
const SEEN_DEADLINE_MS = 90_000;
const WIDGET = "document.querySelector('#lhc_widget_v2')";

const site = await testInstallation();
const { lhc } = site;
const olga = await site.connect('olga');
const folder = await mkdtemp(join(tmpdir(), 'chromium-'));
const browser = await startBrowser(folder, `${lhc.shop}boots`);
afterAll(async () => {
  await browser.kill();
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
});

/** The widget in a browser, as a person uses it. */
function widgetIn(page: Browser) {
  const inside = `${WIDGET}.contentDocument`;
  /** The text that a person sees; empty while the widget is closed. */
  const shown = async (): Promise<string> =>
    String(
      await page.evaluate(`${WIDGET}?.checkVisibility() ? (${inside}?.body?.innerText ?? '') : ''`),
    );
  const click = (selector: string) =>
    page.evaluate(`${inside}.querySelector('${selector}').click()`);
  async function fill(selector: string, text: string): Promise<void> {
    const field = `${inside}?.querySelector('${selector}')`;
    await waitFor(() => page.evaluate(`Boolean(${field})`), {
      deadlineMs: SEEN_DEADLINE_MS,
      what: selector,
    });
    await page.evaluate(`${field}.focus()`);
    await page.type(text);
  }
  return {
    click,
    fill,
    async sees(text: string | RegExp): Promise<void> {
      let last = '';
      await waitFor(
        async () => {
          last = await shown();
          return typeof text === 'string' ? last.includes(text) : text.test(last);
        },
        { deadlineMs: SEEN_DEADLINE_MS, every: 200, what: () => `${text} in the widget: ${last}` },
      );
    },
    async seesNot(text: string): Promise<void> {
      const has = async () => (await shown()).includes(text);
      const what = `${text} to go from the widget`;
      await waitFor(async () => !(await has()), { deadlineMs: SEEN_DEADLINE_MS, every: 200, what });
    },
    /** The text of the last such element. */
    text: (selector: string) =>
      page.evaluate(`[...${inside}.querySelectorAll('${selector}')].at(-1)?.innerText.trim()`),
    /** The form that begins a chat. */
    async begin(name: string, question: string): Promise<void> {
      await fill('input[name=Username]', name);
      await fill('textarea[name=Question]', question);
      await click('button[type=submit]');
    },
    async say(text: string): Promise<void> {
      await fill('#CSChatMessage', text);
      await page.key('Enter');
    },
  };
}
const anna = widgetIn(browser);
const reads = (text: string) =>
  olga.waitFor(() => olga.messages.find(({ body }) => body === text), text);

const vid = () => site.row('SELECT id FROM lh_chat_online_user', [], 'the visitor of the browser');
const jid = site.tenant.visitorJid((await vid()).id ?? '');

it('the operator sees which page the visitor is on', async () => {
  await olga.waitFor(() => olga.presences.get(jid)?.status.startsWith('Boots'), 'the page');
});

it('an invitation is seen, also on a page that was open before', async () => {
  olga.send(jid, 'May I help you?');
  await anna.sees('May I help you?');
});

it('the visitor answers it in the widget, and the operator reads that', async () => {
  await anna.click('#proactive-wrapper');
  await anna.begin('Anna', 'Yes, please');
  await reads('Yes, please');
  await anna.sees('Yes, please');
});

it("the operator's message and name are seen", async () => {
  olga.send(jid, 'Which size do you need?');
  await anna.sees('Which size do you need?');
  await anna.sees('Olga');
});

it('the operator sees that the visitor types, and reads what they send', async () => {
  await anna.fill('#CSChatMessage', 'Size 43');
  // The widget looks at keys.
  await browser.key('ArrowUp');
  await olga.waitFor(
    () =>
      olga.stanzas.some(
        (each) =>
          each.attrs.from?.startsWith(jid) &&
          each.getChild('composing', 'http://jabber.org/protocol/chatstates'),
      ),
    'that the visitor types',
    SEEN_DEADLINE_MS,
  );
  await browser.key('Enter');
  await reads('Size 43');
});

it('the visitor sees that the operator types, and what they write', async () => {
  olga.chatState(jid, 'composing');
  await anna.sees(/Olga is typing/);
  olga.send(jid, 'We have it.');
  await anna.sees('We have it.');
});

it('a reply, a reaction, a correction and a retraction are seen', async () => {
  const size = await reads('Size 43');
  const send = (id: string, ...children: Element[]) =>
    olga.sendStanza(xml('message', { type: 'chat', to: jid, id }, ...children));
  const react = (...emojis: string[]) =>
    send(
      `react-${emojis.length}`,
      xml(
        'reactions',
        { xmlns: 'urn:xmpp:reactions:0', id: size.id },
        ...emojis.map((emoji) => xml('reaction', {}, emoji)),
      ),
    );
  send(
    'reply',
    xml('body', {}, '> Size 43\nIn a box of its own.'),
    xml('reply', { xmlns: 'urn:xmpp:reply:0', id: size.id }),
    xml(
      'fallback',
      { xmlns: 'urn:xmpp:fallback:0', for: 'urn:xmpp:reply:0' },
      xml('body', { start: '0', end: '10' }),
    ),
  );
  await anna.sees('In a box of its own.');
  expect(await anna.text('blockquote')).toBe('Size 43');
  react('👍', '🐢');
  await anna.sees('🐢');
  react();
  await anna.seesNot('🐢');
  const id = olga.send(jid, 'My pasword is 1234');
  await anna.sees('My pasword is 1234');
  send(
    'corrected',
    xml('body', {}, 'My password is 1234'),
    xml('replace', { xmlns: 'urn:xmpp:message-correct:0', id }),
  );
  await anna.sees('My password is 1234');
  send('taken', xml('retract', { xmlns: 'urn:xmpp:message-retract:1', id }));
  await anna.seesNot('My password is 1234');
  expect(olga.messages.filter(({ lines }) => /^Not |reaction/.test(lines))).toEqual([]);
});

it('the end of the chat is seen', async () => {
  olga.send(jid, '!close');
  await anna.sees(/closed|ended|new chat/i);
});

it('a chat that the visitor begins, the accept and the answer', async () => {
  const page = await startBrowser(join(folder, 'other'), `${lhc.shop}shoes`);
  try {
    const berta = widgetIn(page);
    const icon = "document.querySelector('#lhc_needhelp_widget_v2')";
    await waitFor(() => page.evaluate(`Boolean(${icon}?.checkVisibility())`), {
      deadlineMs: SEEN_DEADLINE_MS,
      what: 'the widget',
    });
    await page.evaluate(`${icon}.contentDocument.querySelector('#start-chat-btn').click()`);
    await berta.begin('Berta', 'Are they waterproof?');
    const { from } = await reads('Are they waterproof?');
    expect(from.split('/')[0]).not.toBe(jid);
    const contact = from.split('/')[0] ?? '';
    olga.send(contact, '!take');
    // LHC's widget says who it is once the chat is accepted, and before any message.
    await berta.sees('Olga');
    olga.send(contact, 'Yes, they are.');
    await berta.sees('Yes, they are.');
  } finally {
    await page.kill();
  }
});
