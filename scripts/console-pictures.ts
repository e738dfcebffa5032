/**
 * `npm run console:pictures` makes docs/console/*.png anew: it starts a service with an ejabberd, plays the scene of the
 * tests, and takes a picture of each page in a headless Chromium. Needs `npm run build:console` and Chromium; ImageMagick, if
 * it is there, makes the files a third as large.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ConsolePage, openConsole } from '../test/console/page.ts';
import { playScene, REQUEST, TENANTS } from '../test/console/scene.ts';
import { ADMIN_TOKEN } from '../test/support/service.ts';
import { startWorld } from '../test/support/world.ts';

const FOLDER = join(import.meta.dirname, '../docs/console');
const WIDE = { width: 1280, height: 720 };
const LOW = { width: 1280, height: 400 };
const TALL = { width: 1440, height: 1560 };
/** Text stays sharp with so many. */
const COLOURS = '64';
/** `ChatAccepted`, in the scene. */
const FACT = '/console/streams/visitor-acme.7?revision=8';

/** A page by its address, and what it shows when it is there. */
interface Picture {
  readonly name: string;
  readonly path: string;
  readonly shows: string | RegExp;
  readonly size?: { readonly width: number; readonly height: number };
  readonly scheme?: 'light' | 'dark';
  /** What somebody does on the page before the picture. */
  readonly act?: (page: ConsolePage) => Promise<void>;
}

/** @returns the picture with a palette; as it came, if ImageMagick is not there */
function smaller(png: Buffer): Buffer {
  const wish = ['png:-', '-strip', '+dither', '-colors', COLOURS];
  const { status, stdout } = spawnSync('convert', [...wish, 'png8:-'], { input: png });
  return status === 0 ? stdout : png;
}

/** The chart is code of its own, which comes later than the rest. */
const chart = (page: ConsolePage): Promise<void> => page.has('.drawings svg');

/** A branch behind the fact that is shown: the visitor closes the chat, and time passes. */
async function branch(page: ConsolePage): Promise<void> {
  await page.click('button', 'Branch here');
  await page.choose('.action-form select', 'CloseChat');
  await page.has('.action-form label', 'chatId');
  await page.click('.action-form button', 'Send the command');
  await page.has('.branch-step', 'ChatClosed');
  await page.click('label', 'Time passes');
  await page.click('button', 'Until hardTimeout is due');
  await page.click('.branch-step', 'TimedOut');
  await page.has('[data-region=presence]', 'timedOut');
}

const PICTURES: readonly Picture[] = [
  { name: 'tenants', path: '/console', shows: /longest/, size: LOW },
  { name: 'board', path: '/console?tenant=acme', shows: /chatting/, size: LOW },
  {
    name: 'board-dark',
    path: '/console?tenant=acme',
    shows: /chatting/,
    size: LOW,
    scheme: 'dark',
  },
  {
    name: 'board-narrow',
    path: '/console?tenant=acme',
    shows: /chatting/,
    size: { width: 400, height: 720 },
  },
  { name: 'streams', path: '/console/streams', shows: 'visitor-acme.7' },
  { name: 'stream', path: FACT, shows: 'waiting → chatting', size: TALL, act: chart },
  { name: 'what-if', path: FACT, shows: 'waiting → chatting', size: TALL, act: branch },
  { name: 'trace', path: `/console/traces/${REQUEST}`, shows: 'ChatStarted' },
  { name: 'search', path: '/console/search?q=boots', shows: 'red boots', size: LOW },
  { name: 'dead-letters', path: '/console/dead-letters', shows: 'event from ejabberd', size: LOW },
];

const world = await startWorld({ tenants: TENANTS });
const page = await openConsole(world.service.url);
try {
  await playScene(world);
  mkdirSync(FOLDER, { recursive: true });
  const save = async (name: string) =>
    writeFileSync(join(FOLDER, `${name}.png`), smaller(await page.screenshot()));
  await page.look({ ...LOW, scheme: 'light' });
  await page.sees('Admin token');
  await save('login');
  await page.logIn(ADMIN_TOKEN);
  await page.sees('Live board');
  for (const { name, path, shows, size = WIDE, scheme = 'light', act } of PICTURES) {
    await page.look({ ...size, scheme });
    await page.open(path);
    await page.sees(shows);
    await act?.(page);
    await page.idle();
    await save(name);
    console.log(`docs/console/${name}.png`);
  }
} finally {
  await page.close();
  await world.close();
}
