/** The support of these tests itself: what a start that failed leaves behind. */
import { execFileSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { startWorld } from '../support/world.ts';

/** Processes that this one has started. */
const children = (): string[] =>
  execFileSync('ps', ['-o', 'pid=,args=', '--ppid', String(process.pid)], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.includes('ps -o'));

it('a start that fails ends ejabberd and every process of the service', async () => {
  const before = children();
  const world = startWorld({
    tenants: [{ id: 'acme', host: 'xmpp.test' }],
    processes: 2,
    environment: { DEADLINE_GRACE: 'never' },
  });
  await expect(world).rejects.toThrow(/ended with 1.*DEADLINE_GRACE/s);
  expect(children()).toEqual(before);
});
