/**
 * `npm run web-client:pictures`: makes the pictures of docs/web-client.md anew. Starts the service with a real ejabberd, as the
 * tests do. Needs `npm run build:web-client` and Chromium; ImageMagick, if it is there, makes the pictures small.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startWorld } from '../test/support/world.ts';
import { openOperatorPage } from '../test/web-client/page.ts';

const FOLDER = join(import.meta.dirname, '../docs/web-client');
const COLOURS = '64';

/** @returns the picture with a palette; as it came, if ImageMagick is not there */
function smaller(png: Buffer): Buffer {
  const wish = ['png:-', '-strip', '+dither', '-colors', COLOURS, 'png8:-'];
  const { status, stdout } = spawnSync('convert', wish, { input: png });
  return status === 0 ? stdout : png;
}

mkdirSync(FOLDER, { recursive: true });
const tenant = { id: 'shop', host: 'chat.example.org' };
const world = await startWorld({ tenants: [tenant], running: false });
try {
  const websocket = `ws://127.0.0.1:${world.ejabberd.httpPort}/ws`;
  await world.configure(tenant.id, { webClient: { enabled: true, websocket, title: 'The shop' } });
  await world.service.start();
  const shop = world.tenant(tenant.id);
  await shop.register('olga', { name: 'Olga' });
  const page = await openOperatorPage(`${world.service.url}/operator/${tenant.id}`);
  const take = async (name: string): Promise<void> => {
    writeFileSync(join(FOLDER, `${name}.png`), smaller(await page.screenshot()));
  };
  const looksAround = (key: string, nick: string, title: string, city: string) =>
    shop.view(key, { page: `https://shop.example/${key}`, title, nick, city, country: 'Latvia' });
  try {
    await page.look({ width: 1000, height: 560 });
    await page.has('#converse-login-jid');
    await page.evaluate('Promise.all(document.getAnimations().map(({ finished }) => finished))');
    await take('login');
    await page.logIn('olga', 'pw');
    await shop.operatorIs('olga', 'available');
    await looksAround('hats', 'Ben', 'Hats', 'Riga');
    await looksAround('gloves', 'Dora', 'Gloves', 'Liepāja');
    await looksAround('boots', 'Anna', 'Boots', 'Riga');
    const message = { id: 'm1', body: 'Do you have these in red?' };
    await shop.ask('POST', '/visitors/boots/chats', { chatId: '7', department: 'sales', message });
    await page.sees(/New messages\s+1 Anna\s+Waiting/);
    await page.has(
      'converse-roster-contact:has([data-jid^="visitor.gloves@"]) converse-avatar image',
    );
    await take('waiting');
    await page.openChat('Anna');
    await page.write('Yes, in size 38 to 43.');
    await shop.callback('chat.message');
    await shop.ask('POST', '/visitors/boots/messages', { id: 'm2', body: 'Size 40 then.' });
    await page.sees('Size 40 then.');
    await page.sees(/In chat · Olga.*Ben/s);
    await take('chat');
    await page.look({ width: 390, height: 640 });
    await page.has('converse-controlbox-navback');
    await take('phone');
  } finally {
    await page.close();
  }
} finally {
  await world.close();
}
