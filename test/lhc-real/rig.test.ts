/** The rig itself: a visitor and an operator of LHC talk, without the service. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { logIn } from '../../scripts/lhc/back-office.ts';
import { type Lhc, startLhc } from '../../scripts/lhc/real-lhc.ts';
import { createVisitor } from '../../scripts/lhc/visitor.ts';

const dir = await mkdtemp(join(tmpdir(), 'lhc-'));
const start = (): Promise<Lhc> =>
  startLhc({
    lhcDir: process.env.LHC_DIR ?? '',
    dir,
    departments: ['Sales', 'Support'],
    operators: [{ username: 'olga', name: 'Olga', departments: ['Sales'] }],
  });
let lhc = await start();
afterAll(async () => {
  await lhc.stop();
  await rm(dir, { recursive: true, force: true });
});

const rowsOf = (chatId: number) =>
  lhc.sql('SELECT user_id, msg FROM lh_msg WHERE chat_id = ? AND user_id >= 0 ORDER BY id', [
    chatId,
  ]);

it('takes a visitor and an operator', async () => {
  const visitor = createVisitor(lhc.url);
  await visitor.view('https://shop.example/shoes', 'Shoes');
  const { id } = await visitor.start('Do you have these in 43?', { name: 'Anna' });
  const olga = await logIn(lhc.url, lhc.operator('olga'));
  await olga.open(id);
  await olga.write(id, 'Yes, in black.');
  expect((await visitor.fetch()).text).toContain('Yes, in black.');
  await visitor.write('Fine.');
  expect(await rowsOf(id)).toEqual([
    { user_id: '0', msg: 'Do you have these in 43?' },
    { user_id: String(lhc.operator('olga').id), msg: 'Yes, in black.' },
    { user_id: '0', msg: 'Fine.' },
  ]);
  expect(await lhc.sql('SELECT nick, status FROM lh_chat WHERE id = ?', [id])).toEqual([
    { nick: 'Anna', status: '1' },
  ]);
  await olga.close(id);
  expect(await lhc.sql('SELECT status FROM lh_chat WHERE id = ?', [id])).toEqual([{ status: '2' }]);
});

it('keeps its data when it is started again', async () => {
  const { url, admin } = lhc;
  const chats = await lhc.sql('SELECT * FROM lh_chat ORDER BY id');
  await lhc.stop();
  lhc = await start();
  expect({ url: lhc.url, admin: lhc.admin }).toEqual({ url, admin });
  expect(await lhc.sql('SELECT * FROM lh_chat ORDER BY id')).toEqual(chats);
  expect([...lhc.departments]).toEqual([
    ['Sales', 1],
    ['Support', 2],
  ]);
});

it('lets only one run on a folder', async () => {
  await expect(start()).rejects.toThrow('already runs');
});

it('goes on after a kill of each server', async () => {
  for (const server of [lhc.database, lhc.fpm, lhc.nginx]) {
    await server.kill();
    expect(server.pid).toBe(undefined);
    await server.start();
  }
  const visitor = createVisitor(lhc.url);
  expect((await visitor.view('https://shop.example/boots')).status).toBe(200);
});

it('begins an installation anew that was interrupted', async () => {
  await lhc.stop();
  await rm(join(lhc.web, 'settings/settings.ini.php'));
  lhc = await start();
  expect([...lhc.departments.keys()]).toEqual(['Sales', 'Support']);
  await logIn(lhc.url, lhc.operator('olga'));
});

it.each([
  ['/nowhere', 'git clone'],
  [import.meta.dirname, 'cli/install-cli.php'],
])('says what a checkout is', async (lhcDir, expected) => {
  await expect(startLhc({ lhcDir, dir })).rejects.toThrow(expected);
});
