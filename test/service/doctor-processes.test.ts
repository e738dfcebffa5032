/** `xmpp-chat doctor` with two processes on one log: on a real EventStoreDB if EVENTSTOREDB_URL names one, otherwise on the double. */
import { expect, it } from 'vitest';
import type { Report } from '../../src/doctor/report.ts';
import { balanced } from '../support/partitions.ts';
import { newTenantId, sharedLog } from '../support/shared-log.ts';
import { testWorld } from '../support/test-world.ts';

const TENANT = newTenantId();
const world = await testWorld({
  tenants: [{ id: TENANT, host: 'xmpp.test' }],
  processes: 2,
  environment: await sharedLog(),
});
await balanced(world.processes);
await world.tenant(TENANT).register('olga');

it('finds no fault next to either process, and knows that the log is not on this disk', async () => {
  for (const process of world.processes) {
    const { output } = await process.cli('doctor', '--json');
    const { results }: Report = JSON.parse(output); // a wrong shape fails the assertion that reads it
    const about = (name: string) =>
      results.filter(({ check }) => check === name).map(({ message }) => message);
    const problems = results.filter(
      // Effects that earlier runs left on a real server.
      ({ status, message }) => status === 'problem' && !message.includes('is not configured here'),
    );
    expect(problems).toEqual([]);
    expect(about('event store')[0]).toMatch(/^it answers; the log ends at esdb:/);
    expect(about('disk')).toEqual([expect.stringMatching(/ MiB free, the log is not on it$/)]);
  }
});
