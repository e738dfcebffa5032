/** Whether mod_lhc's signed webhook reaches the service: a session is made, and the service says what it was brought. */
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { type Finding, ok, problem, warning } from './check.ts';
import { judgeClock } from './clock.ts';
import type { ServicePort } from './service.ts';

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
});
type View = z.infer<typeof View>;

export interface WebhookWatch {
  /** Before the session: what to compare with; a finding when that cannot be had. */
  before(host: string): Promise<View | Finding>;
  /** Behind it: waits a while for a batch. */
  after(host: string, before: View | Finding): Promise<Finding[]>;
}

/** mod_lhc posts at once; after failures it waits up to its max_backoff (10 s) between two attempts. */
const WAIT_MS = 2_500;
const LOOK_MS = 100;
/** A service that hangs leaves time for the rest of the check. */
const ASK_MS = 1_500;
/** Of the module, with the time of an attempt: older ones were refused for that. */
const TOLERANCE_S = 300;

const SEE_LOG =
  'look in ejabberd\'s log for lines with mod_lhc: they say what it gets for an answer; compare its "url" with where the service (or its balancer) listens, /ejabberd/events';

export function createWebhookWatch(
  service: ServicePort,
  options: { readonly shared: boolean },
): WebhookWatch {
  async function look(): Promise<View | Finding> {
    const answer = await service.get('/debug/webhooks', ASK_MS);
    const start = "then the doctor sees whether mod_lhc's webhook arrives";
    if (answer === null || answer === 'silent')
      return warning(
        'mod_lhc was not tried: no service answers at LISTEN',
        `start the service; ${start}`,
      );
    if (answer.status === 401) {
      return warning(
        'mod_lhc was not tried: the service does not accept ADMIN_TOKEN, or has none',
        `set ADMIN_TOKEN, the same for the service and the doctor; ${start}`,
      );
    }
    const view = View.safeParse(answer.body);
    return view.success
      ? view.data
      : warning(
          `mod_lhc was not tried: the service answered ${answer.status}`,
          'is it another version?',
        );
  }

  /** At the end only: what is refused or fails in between may be another host's, and is not told apart. */
  function without(host: string, before: View, now: View): Finding {
    if (now.refused.count > before.refused.count) return refused(host, now);
    if (now.failed.count > before.failed.count) {
      return problem(
        `mod_lhc's events of ${host} cannot be stored: ${now.failed.reason}`,
        'see the event store; nothing is lost, mod_lhc keeps them and sends them again',
      );
    }
    return nothing(host, now, options.shared);
  }

  return {
    before: () => look(),
    async after(host, before) {
      if ('status' in before) return [before];
      const end = performance.now() + WAIT_MS;
      for (;;) {
        const now = await look();
        if ('status' in now) return [now];
        if ((now.hosts[host]?.batches ?? 0) > (before.hosts[host]?.batches ?? 0))
          return judge(host, now);
        if (performance.now() >= end) return [without(host, before, now)];
        await delay(LOOK_MS);
      }
    },
  };
}

function judge(host: string, { hosts }: View): Finding[] {
  const { module, ejabberd, clockOffset = 0 } = hosts[host] ?? {};
  const which = module ? `mod_lhc ${module} on ejabberd ${ejabberd}` : 'mod_lhc';
  return [
    ok(`${which} reported the session of ${host}, rightly signed`),
    judgeClock('ejabberd', clockOffset),
  ];
}

function refused(host: string, { refused: { clockOffset } }: View): Finding {
  if (clockOffset !== null && Math.abs(clockOffset) > TOLERANCE_S)
    return judgeClock('ejabberd', clockOffset);
  return problem(
    `mod_lhc reports from ${host}, and the service refuses the signature: nothing that operators do arrives`,
    'set "secret" of mod_lhc to one of EJABBERD_WEBHOOK_SECRET, then ejabberdctl reload_config; mod_lhc keeps what waits',
  );
}

function nothing(host: string, { hosts }: View, shared: boolean): Finding {
  const message = `mod_lhc did not report the session of ${host} within ${WAIT_MS / 1000} s`;
  if (shared) {
    return warning(
      `${message} to this process: another one may have been told`,
      `run the doctor against the others, too; if none is told: ${SEE_LOG}`,
    );
  }
  const heard = hosts[host] !== undefined;
  const advice = heard
    ? `it has before, so the way was right: ${SEE_LOG}`
    : `is mod_lhc loaded for ${host} (modules, ejabberd/README.md)? If it is: ${SEE_LOG}`;
  return problem(message, advice);
}
