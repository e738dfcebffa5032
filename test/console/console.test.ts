/** The console in a real browser, on the real service with a real ejabberd. */
import { afterAll, expect, it } from 'vitest';
import { ADMIN_TOKEN } from '../support/service.ts';
import { testWorld } from '../support/test-world.ts';
import { openConsole } from './page.ts';
import { HOSTILE_NICK, playScene, REQUEST, TENANTS } from './scene.ts';
import { timelineTests } from './timeline.ts';

const world = await testWorld({ tenants: TENANTS });
const [page] = await Promise.all([openConsole(world.service.url), playScene(world)]);
afterAll(() => page.close());
const acme = world.tenant('acme');

const address = async () => String(await page.evaluate('location.pathname + location.search'));
const stored = () => page.evaluate('JSON.stringify({ ...sessionStorage, ...localStorage })');

it('lets nobody in without the admin token', async () => {
  await page.sees('Admin token');
  expect(await page.findings()).toEqual([]);
  await page.logIn('a wrong token');
  await page.sees('This is not the admin token');
  expect(await stored()).toBe('{}');
  // A tenant's key opens its tenant, and not the console.
  await page.logIn(acme.apiKey);
  await page.sees('This is not the admin token');
});

it('shows the tenants in numbers, and the board of the one that is chosen', async () => {
  await page.logIn(ADMIN_TOKEN);
  await page.sees(/acme\s+1, longest/);
  expect(await address()).toBe('/console');
  expect(await page.findings()).toEqual([]);
  await page.click('a', 'acme');
  await page.sees(/Ben\s+8\s+waiting/);
  await page.sees(/Ann\s+7\s+chatting/);
  await page.sees(/Olga\s+olga\s+busy|Olga\s+olga\s+available/);
  await page.sees('1 of 1');
  expect(await page.findings()).toEqual([]);
});

it('cuts no time off, however long somebody waits', async () => {
  const cut = await page.evaluate(`(() => {
    const row = document.querySelector('table[aria-label=Visitors] tbody tr').cloneNode(true);
    document.querySelector('table[aria-label=Visitors] tbody').append(row);
    const cells = [row.children[1], row.children[5]]; // State, Seen
    cells[0].innerText = 'chatting  59 min 59 s (left)';
    cells[1].innerText = '59 min ago';
    const cut = cells.filter(({ scrollWidth, clientWidth }) => scrollWidth > clientWidth);
    row.remove();
    return 'cut: ' + cut.map(({ innerText }) => innerText).join();
  })()`);
  expect(cut).toBe('cut: ');
});

it('shows a visitor who arrives, without being asked', async () => {
  await acme.view('11', { page: 'https://shop.test/gloves', title: 'Gloves', nick: 'Dora' });
  await page.sees('Dora');
  await acme.ask('POST', '/visitors/11/timeout');
  await page.sees(/^(?!.*Dora)/s);
});

it('shows what visitors write as text', async () => {
  await page.sees(HOSTILE_NICK);
  expect(await page.evaluate("document.querySelectorAll('img').length")).toBe(0);
});

it('moves through a table by keys', async () => {
  await page.evaluate("document.querySelector('table[aria-label=Visitors] tbody a').focus()");
  await page.key('ArrowDown');
  const focused = () => page.evaluate('document.activeElement.textContent');
  expect(await focused()).toBe('Ann');
  await page.key('Home');
  expect(await focused()).toBe('Ben');
});

it('finds a visitor by the search, with keys alone', async () => {
  await page.evaluate('document.activeElement.blur()');
  await page.key('/');
  await page.type(acme.visitorJid('7'));
  await page.has('[role=option]', 'visitor.7@xmpp.test');
  await page.key('ArrowDown');
  await page.key('Enter');
  await page.sees('visitor-acme.7');
  expect(await address()).toMatch(/^\/console\/streams\/visitor-acme\.7/);
  expect(await page.findings()).toEqual([]);
});

it('lists the streams, and opens one at its address', async () => {
  await page.open('/console/streams?category=operator');
  await page.sees('operator-acme.olga');
  expect(await page.findings()).toEqual([]);
  await page.open('/console/streams/visitor-acme.7?revision=1');
  await page.sees('visitor-acme.7');
});

it('shows all results of a search', async () => {
  await page.open('/console/search?q=c7');
  await page.sees('#c7');
  expect(await page.findings()).toEqual([]);
});

it('shows what a request caused, and leads from a fact to its place', async () => {
  await page.open(`/console/traces/${REQUEST}`);
  await page.has('tbody a', 'ChatStarted');
  await page.has('tbody .kind', 'request');
  await page.has('tbody .kind', 'attempt');
  await page.has('tbody time', '.'); // absolute, with ms
  await page.has('tbody .moment', '+0 ms');
  expect(await page.findings()).toEqual([]);
  await page.click('tbody a', 'ChatStarted');
  await page.has('h1', 'visitor-acme.7');
  expect(await address()).toBe('/console/streams/visitor-acme.7?revision=1');
});

it('shows dead letters, and discards one when asked twice', async () => {
  await page.open('/console/dead-letters');
  await page.sees('event from ejabberd: message');
  expect(await page.findings()).toEqual([]);
  await page.click('main a', 'event from ejabberd');
  await page.sees('a text where an object should be');
  expect(await page.findings()).toEqual([]);
  await page.click('button', 'Send again');
  // The reason why it cannot be sent.
  await page.has('[role=alert]', 'only a whole message can be sent again');
  await page.click('button', 'Discard');
  await page.has('dialog');
  expect(await page.findings('dialog')).toEqual([]);
  await page.click('dialog button', 'Discard');
  await page.sees('Discarded: event from ejabberd: message');
  await page.sees('There is no dead letter');
});

timelineTests(page, world);

it('fits on a narrow screen', async () => {
  await page.look({ width: 400, height: 800 });
  const pages: [string, string][] = [
    ['/console', 'longest'],
    ['/console?tenant=acme', 'chatting'],
    ['/console/streams', 'visitor-acme.7'],
    ['/console/streams/visitor-acme.8', 'ChatStarted'],
    ['/console/search?q=c8', '#c8'],
    ['/console/dead-letters', 'Load again'],
  ];
  for (const [path, shows] of pages) {
    await page.open(path);
    await page.sees(shows);
    await page.idle();
    const over = await page.evaluate(
      'document.documentElement.scrollWidth - document.documentElement.clientWidth',
    );
    expect([path, over]).toEqual([path, 0]);
  }
  await page.look({ width: 1280, height: 800 });
});

it('says that a page is of an older build, instead of nothing', async () => {
  await page.block(['*/console/assets/StreamPage-*']);
  await page.open('/console');
  await page.click('nav a', 'Streams');
  await page.click('tbody a', 'visitor-acme.8');
  await page.sees('This page could not be drawn');
  await page.click('nav a', 'Dead letters');
  await page.sees('There is no dead letter');
  await page.block([]);
});

it('stays within its policy', () => {
  // React reports what the test above has blocked.
  const blocked = /StreamPage/;
  expect(page.complaints().filter((each) => !blocked.test(each))).toEqual([]);
});

it('asks for the token again when the service takes it no more', async () => {
  await page.evaluate("sessionStorage.setItem('xmpp-chat-admin-token', 'an old token')");
  await page.open('/console/streams?category=tenant');
  await page.sees('The service does not take the token any more');
  expect(await stored()).toBe('{}');
  await page.logIn(ADMIN_TOKEN);
  await page.sees('tenant-acme');
  expect(await address()).toBe('/console/streams?category=tenant');
});

it('forgets the token at the end', async () => {
  expect(await stored()).toContain(ADMIN_TOKEN);
  await page.click('button', 'Log out');
  await page.sees('You are logged out');
  expect(await stored()).toBe('{}');
});
