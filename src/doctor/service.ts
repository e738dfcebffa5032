/** The running service, as it says itself. */
import { z } from 'zod';
import { type Check, type Finding, ok, problem, warning } from './check.ts';

/** How the service is asked; with the admin token, where there is one. */
export interface ServicePort {
  /** Where it listens. */
  readonly url: string;
  /**
   * The body is JSON where it is sent as such, else text. null: nobody is there; `silent`: somebody takes the request
   * and does not answer.
   * @param deadlineMs default 4,000
   */
  get(
    path: string,
    deadlineMs?: number,
  ): Promise<{ readonly status: number; readonly body: unknown } | 'silent' | null>;
}

/** What was answered, if it was. */
async function bodyOf(service: ServicePort, path: string): Promise<unknown> {
  const answer = await service.get(path);
  return answer === null || answer === 'silent' ? undefined : answer.body;
}

const Health = z.object({ version: z.string() });
const Readiness = z.object({
  checks: z.record(z.string(), z.object({ ok: z.boolean(), reason: z.string().optional() })),
  unfit: z.object({ count: z.number(), actors: z.array(z.string()).optional() }),
});

const LAG_S = 5;
const PENDING = 1000;

const MEANINGS: Readonly<Record<string, string>> = {
  eventstore: 'nothing is accepted until it is back: see the event store',
  projections: "queries answer old data: see the service's log",
  work: "nothing new is performed: see the service's log",
  ejabberd: 'effects wait until it answers: see the checks of ejabberd',
  lhc: 'callbacks wait and are repeated: see the checks of the callbacks; of a tenant that is not configured: TENANTS_FILE has to name it, in every process, until they are done',
};

/** @param version of this program */
export const serviceCheck = (service: ServicePort, version: string): Check => ({
  name: 'service',
  async run() {
    const health = await service.get('/healthz');
    if (health === null) {
      return [
        warning(
          `no service answers at ${service.url}`,
          'if it should run: look at its log; if it listens elsewhere: set LISTEN as for the service',
        ),
      ];
    }
    if (health === 'silent') {
      return [
        problem(
          `the service at ${service.url} takes requests and does not answer`,
          'it hangs: look at its CPU and the end of its log, then restart it; nothing that was acknowledged is lost',
        ),
      ];
    }
    const running = Health.safeParse(health.body);
    if (!running.success) {
      return [
        problem(
          `${service.url} answers, but not as this service does (${health.status})`,
          'set LISTEN to another port, or end what has it',
        ),
      ];
    }
    return [
      running.data.version === version
        ? ok(`it runs, version ${version}`)
        : warning(
            `it runs version ${running.data.version}, this is ${version}`,
            'restart it, if an upgrade was meant to be done',
          ),
      ...(await readiness(service)),
      ...(await numbers(service)),
    ];
  },
});

async function readiness(service: ServicePort): Promise<Finding[]> {
  const parsed = Readiness.safeParse(await bodyOf(service, '/readyz'));
  if (!parsed.success)
    return [problem('/readyz does not answer as it should', "see the service's log")];
  const { checks, unfit } = parsed.data;
  const bad = Object.entries(checks).filter(([, check]) => !check.ok);
  const findings = bad.map(([name, { reason }]) => {
    const why = reason ? `: ${reason}` : ' (ADMIN_TOKEN shows why)';
    return name === 'readModels'
      ? warning(
          `its read models are not complete${why}`,
          'wait: after an upgrade they are built anew, and older ones answer where they can; if it stays, see GET /debug/projections',
        )
      : problem(
          `it says that ${name} does not work${why}`,
          MEANINGS[name] ?? "see the service's log",
        );
  });
  if (unfit.count > 0) {
    findings.push(
      problem(
        `${unfit.count} actors have a history that does not fit their machine: ${(unfit.actors ?? []).slice(0, 5).join(', ')}`,
        'they refuse commands: go back to the version that wrote them, or forward to one that knows their facts',
      ),
    );
  }
  return findings.length > 0 ? findings : [ok('everything that it depends on answers')];
}

async function numbers(service: ServicePort): Promise<Finding[]> {
  const text = String((await bodyOf(service, '/metrics')) ?? '');
  const value = (name: string): number =>
    Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1] ?? Number.NaN);
  const letters = value('xmpp_chat_dead_letters');
  const lag = value('xmpp_chat_projection_lag_seconds');
  const pending = value('xmpp_chat_effects_pending');
  if ([letters, lag, pending].some(Number.isNaN)) {
    return [problem('/metrics does not answer as it should', "see the service's log")];
  }
  return [
    letters > 0
      ? warning(`${letters} dead letters`, 'xmpp-chat dead-letters list, then show and send each')
      : ok('no dead letters'),
    lag > LAG_S
      ? warning(
          `the read models are ${lag.toFixed(1)} s behind`,
          'wait while it catches up after a start; if it stays: CPU and disk',
        )
      : ok('the read models are up to date'),
    pending > PENDING
      ? warning(`${pending} effects wait`, 'ejabberd or LHC is away or slow: see their checks')
      : ok(`${pending} effects wait`),
  ];
}
