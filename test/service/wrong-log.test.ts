/** A service with a wrong DATA_DIR begins a new log. It removes nothing of what ejabberd has (docs/adr/0028). */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { testWorld } from '../support/test-world.ts';
import { waitFor } from '../support/wait.ts';

const HOST = 'xmpp.test';
const world = await testWorld({ tenants: [{ id: 'acme', host: HOST }] });
const acme = world.tenant('acme');
const { service } = world;
const wrong = { DATA_DIR: join(service.dir, 'not-mounted') };

const visitors = async () =>
  (await world.accounts(HOST)).filter((name) => name.startsWith('visitor.')).sort();
const accountsCheck = async () => (await service.call('GET', '/readyz')).body.checks.accounts;
const untilKept = () =>
  waitFor(async () => !(await accountsCheck()).ok, { what: '/readyz to tell of the accounts' });
const LOG_ID = '[0-9a-f-]{36}';

it('says so, and no account is removed, whatever it does itself and however often it starts', {
  timeout: 240_000,
}, async () => {
  await acme.register('olga');
  await acme.view('1', { page: 'https://shop.test/' });
  await acme.view('2', { page: 'https://shop.test/' });
  await world.idle();
  expect(service.logs().match(/a new log begins/g)).toHaveLength(1); // its first start
  const all = ['visitor.1', 'visitor.2'];
  expect(await visitors()).toEqual(all);
  expect((await accountsCheck()).ok).toBe(true);
  await service.stop();

  await service.start(wrong);
  await untilKept();
  expect(service.logs()).toMatch(
    /"level":40[^\n]*not-mounted[^\n]*"logId":"[0-9a-f-]{36}"[^\n]*a new log begins/,
  );
  const { status, body } = await service.call('GET', '/readyz');
  expect([status, body.checks.accounts.reason]).toEqual([
    200,
    expect.stringMatching(
      new RegExp(`^acme: .*2 visitors that .*belong to log ${LOG_ID}.*TAKE_OVER_FROM=${LOG_ID}`),
    ),
  ]);
  expect(await world.metric('xmpp_chat_visitors_of_another_log')).toBe(2);
  const { output } = await service.cli('doctor');
  expect(output).toMatch(/belong to another log.*DATA_DIR/s);

  // It shows its own visitors, and one of the other log, and lets them go again.
  for (const visitor of ['2', '3']) await acme.view(visitor, { page: 'https://shop.test/' });
  await world.idle();
  for (const visitor of ['2', '3']) await acme.ask('DELETE', `/visitors/${visitor}`);
  await world.idle();
  await service.stop();
  await service.start(wrong);
  await untilKept();
  await world.idle();
  expect(await visitors()).toEqual([...all, 'visitor.3']);
  await service.stop();

  // The right folder again: everything is as before, and what the other log has left goes.
  await service.start();
  await waitFor(async () => (await visitors()).length === 2, { what: 'visitor.3 to go' });
  expect(await visitors()).toEqual(all);
  expect((await accountsCheck()).ok).toBe(true);
});

it('takes the accounts over when the administrator says from which log', {
  timeout: 120_000,
}, async () => {
  await service.stop();
  await service.start(wrong);
  await untilKept();
  const reason: string = (await accountsCheck()).reason;
  const log = new RegExp(`TAKE_OVER_FROM=(${LOG_ID})`).exec(reason)?.[1] ?? '';
  await service.stop();
  await service.start({ ...wrong, TAKE_OVER_FROM: log });
  await waitFor(async () => (await visitors()).length === 0, { what: 'the accounts to go' });
  expect((await accountsCheck()).ok).toBe(true);
  await service.stop();
  await service.start(wrong); // the setting is not needed any more
  await world.idle();
  expect((await accountsCheck()).ok).toBe(true);
});
