/** Whether mod_lhc's signed webhook reaches the service: the doctor makes a session and asks the service about it. */
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { type Finding, ok, problem, warning } from './check.ts';
import { judgeClock, WEBHOOK_TOLERANCE_S } from './clock.ts';
import { OlderModules } from './older-modules.ts';
import type { ServicePort } from './service.ts';

/** The version of mod_lhc in this release. */
const MOD_LHC_VERSION = '1.4.0';
/** mod_lhc posts at once. After failures it waits up to its max_backoff (10 s) between two attempts. */
export const BATCH_DEADLINE_MS = 2_500;
const LOOK_INTERVAL_MS = 100;
/** Short, so that a service that hangs leaves time for the rest of the check. */
export const VIEW_DEADLINE_MS = 1_500;

const View = z.object({
  hosts: z.record(
    z.string(),
    z.object({
      batches: z.number(),
      clockOffset: z.number(),
      module: z.string().nullable(),
      ejabberd: z.string().nullable(),
    }),
  ),
  refused: z.object({ count: z.number(), clockOffset: z.number().nullable() }),
  failed: z.object({ count: z.number(), reason: z.string().nullable() }),
  olderModules: OlderModules.optional(), // 0.1.0 has none
});
type View = z.infer<typeof View>;

/**
 * Remembers which webhooks have come, before a session is made.
 * @returns to be called after the login: waits for the report of the session and judges it
 */
export type WebhookWatch = (host: string) => Promise<() => Promise<Finding[]>>;

/** @param shared other processes work on the same log, so mod_lhc may report to one of them */
export const createWebhookWatch =
  (service: ServicePort, { shared }: { readonly shared: boolean }): WebhookWatch =>
  async (host) => {
    const before = await look(service);
    if (isFinding(before)) return async () => [before];
    return async () => {
      const end = performance.now() + BATCH_DEADLINE_MS;
      for (;;) {
        const now = await look(service);
        if (isFinding(now)) return [now];
        if (batchesOf(now, host) > batchesOf(before, host)) return judgeReport(now, host);
        if (performance.now() >= end) return [judgeSilence(before, now, host, shared)];
        await delay(LOOK_INTERVAL_MS);
      }
    };
  };

const batchesOf = ({ hosts }: View, host: string): number => hosts[host]?.batches ?? 0;

const isFinding = (look: View | Finding): look is Finding => 'status' in look;

/** @returns a finding if the service does not answer as it should */
async function look(service: ServicePort): Promise<View | Finding> {
  const answer = await service.get('/debug/webhooks', { deadlineMs: VIEW_DEADLINE_MS });
  if (answer === null || answer === 'silent') {
    return warning('mod_lhc was not tried: no service answers at LISTEN', 'start the service');
  }
  if (answer.status === 401) {
    return warning(
      'mod_lhc was not tried: the service has no ADMIN_TOKEN, or another one',
      'set ADMIN_TOKEN to the same for the service and the doctor',
    );
  }
  const { data } = View.safeParse(answer.body);
  return (
    data ??
    warning(
      `mod_lhc was not tried: the service answered ${answer.status}`,
      'compare the versions of the service and the doctor',
    )
  );
}

function judgeReport({ hosts }: View, host: string): Finding[] {
  const { module, ejabberd, clockOffset = 0 } = hosts[host] ?? {};
  const sender = module ? `mod_lhc ${module} on ejabberd ${ejabberd}` : 'mod_lhc';
  return [
    ok(`${sender} reported the session of ${host} with a valid signature`),
    ...(module === null || module === undefined ? [] : judgeVersion(module)),
    judgeClock('ejabberd', clockOffset),
  ];
}

function judgeVersion(module: string): Finding[] {
  if (module.localeCompare(MOD_LHC_VERSION, 'en', { numeric: true }) >= 0) return [];
  return [
    warning(
      `mod_lhc ${module} is older than this service, which comes with ${MOD_LHC_VERSION}`,
      'install ejabberd/mod_lhc of this release (ejabberd/README.md). CHANGELOG says what is missing until then',
    ),
  ];
}

/**
 * Judged at the end only: a webhook that is refused or fails in the meantime may be that of another host, and the
 * service does not say whose it was.
 */
function judgeSilence(before: View, now: View, host: string, shared: boolean): Finding {
  const { refused, failed, hosts } = now;
  if (refused.count > before.refused.count) return judgeRefusal(host, refused.clockOffset);
  if (failed.count > before.failed.count) {
    return problem(
      `mod_lhc's events of ${host} cannot be stored: ${failed.reason}`,
      'see the event store. Nothing is lost: mod_lhc keeps the events and sends them again',
    );
  }
  const older = now.olderModules?.hosts[host];
  if (older && !hosts[host]) {
    return ok(
      `the older modules of ejabberd report from ${host}, and mod_lhc does not (docs/migration.md says what it would add)`,
    );
  }
  const seeLog =
    'look in ejabberd\'s log for lines of mod_lhc: they have the answers that it gets. Compare its "url" with the address of the service or its balancer, with the path /ejabberd/events';
  const message = `mod_lhc did not report the session of ${host} within ${BATCH_DEADLINE_MS / 1000} s`;
  if (shared) {
    return warning(
      `${message} to this process. Perhaps it reported to another one`,
      `run the doctor for the other processes too. If it reported to none, ${seeLog}`,
    );
  }
  return problem(
    message,
    hosts[host]
      ? `it has reported before, so its settings were right once: ${seeLog}`
      : `is mod_lhc loaded for ${host} (modules, ejabberd/README.md)? If so, ${seeLog}`,
  );
}

function judgeRefusal(host: string, clockOffset: number | null): Finding {
  if (clockOffset !== null && Math.abs(clockOffset) > WEBHOOK_TOLERANCE_S) {
    return judgeClock('ejabberd', clockOffset);
  }
  return problem(
    `the service refuses the signature of mod_lhc on ${host}: nothing that operators do arrives`,
    'set "secret" of mod_lhc to a secret of EJABBERD_WEBHOOK_SECRET, then ejabberdctl reload_config. mod_lhc keeps its events until then',
  );
}
