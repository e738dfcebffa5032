/** Whether the callbacks of ejabberd's older modules arrive, and from where. The running service knows (/debug/webhooks). */
import { z } from 'zod';
import { type Check, type Finding, ok, problem, warning } from './check.ts';
import type { ServicePort } from './service.ts';

/** Both modules report if each has within this time. mod_lhc reports operators every minute. */
export const BOTH_WITHIN_MS = 10 * 60_000;
const ADDRESSES_NAMED = 5;

export const OlderModules = z.object({
  hosts: z.record(
    z.string(),
    z.object({ at: z.number(), callbacks: z.number(), address: z.string() }),
  ),
  refused: z.record(z.string(), z.object({ at: z.number(), callbacks: z.number() })),
});
const View = z.object({
  hosts: z.record(z.string(), z.object({ acceptedAt: z.number() })),
  olderModules: OlderModules,
});

/**
 * @param expected LEGACY_CALLBACKS_FROM names an address
 * @param hosts of the tenants that use the xmppservice wire
 */
export const olderModulesCheck = (
  service: Pick<ServicePort, 'get'>,
  hosts: readonly string[],
  expected: boolean,
  now: () => number = Date.now,
): Check => ({
  name: 'older modules',
  async run() {
    const answer = await service.get('/debug/webhooks');
    // Other checks report a service that does not answer, and a wrong token.
    const body = answer === null || answer === 'silent' ? undefined : answer.body;
    const { data } = View.safeParse(body);
    if (!data) return [];
    return [
      ...hosts.flatMap((host) => judgeHost(data, host, expected, now())),
      ...judgeRefused(data.olderModules.refused),
    ];
  },
});

function judgeHost(
  { hosts, olderModules }: z.output<typeof View>,
  host: string,
  expected: boolean,
  now: number,
): Finding[] {
  const older = olderModules.hosts[host];
  const ours = hosts[host];
  if (!older) {
    if (!expected || ours) return [];
    return [
      warning(
        `no callback of the older modules for ${host} has come since the service started`,
        'wait for an operator to log in. If none comes: in ejabberd.yml, message_address, login_address, logout_address and ping_address have to be those of the service (docs/migration.md). If mod_lhc of this release is installed, remove LEGACY_CALLBACKS_FROM',
      ),
    ];
  }
  const isRecent = (at: number): boolean => now - at < BOTH_WITHIN_MS;
  if (ours && isRecent(older.at) && isRecent(ours.acceptedAt)) {
    return [
      warning(
        `both mod_lhc and the older modules report from ${host} (from ${older.address}): the messages of the older ones are left out, so that none is said twice`,
        'remove mod_lhcping and the older mod_lhc from ejabberd.yml, and LEGACY_CALLBACKS_FROM',
      ),
    ];
  }
  const seconds = Math.round((now - older.at) / 1000);
  return [
    ok(
      `the older modules report from ${host}: ${older.callbacks} callbacks, the last one ${seconds} s ago from ${older.address}`,
    ),
  ];
}

function judgeRefused(refused: z.output<typeof OlderModules>['refused']): Finding[] {
  const addresses = Object.entries(refused).map(
    ([address, { callbacks }]) => `${address} (${callbacks})`,
  );
  if (addresses.length === 0) return [];
  const named = addresses.slice(-ADDRESSES_NAMED).join(', ');
  return [
    problem(
      `callbacks of the older modules were refused because of where they came from: ${named}`,
      'if that is ejabberd, add the address to LEGACY_CALLBACKS_FROM and restart the service. If not, somebody else posts there',
    ),
  ];
}
