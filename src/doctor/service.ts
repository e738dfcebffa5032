/** The running service: what it says about itself. */
import { z } from 'zod';
import type { Config } from '../config/config.ts';
import { type Check, type Finding, ok, problem, warning } from './check.ts';
import type { EjabberdReach } from './ejabberd-reach.ts';

export const SERVICE_DEADLINE_MS = 4_000;

export interface ServiceAnswer {
  readonly status: number;
  /** Parsed where it was sent as JSON, otherwise the text. */
  readonly body: unknown;
}

export interface GetOptions {
  /** Default {@link SERVICE_DEADLINE_MS}. */
  readonly deadlineMs?: number;
  /** Default: the admin token. */
  readonly token?: string;
}

/** The running service, asked with the admin token where there is one. */
export interface ServicePort {
  readonly url: string;
  /**
   * @returns null if nobody answers; `silent` if the request was taken and not answered in time
   */
  get(path: string, options?: GetOptions): Promise<ServiceAnswer | 'silent' | null>;
}

/** The same with POST, without a body. */
export interface PostingService extends ServicePort {
  post(path: string, options?: GetOptions): Promise<ServiceAnswer | 'silent' | null>;
}

/** The address at which a listener of the service can be asked. */
export function urlOf(listen: Config['listen']): string {
  // A service that listens on all addresses answers on the loopback address.
  const host = { '0.0.0.0': '127.0.0.1', '::': '::1' }[listen.host] ?? listen.host;
  return `http://${host.includes(':') ? `[${host}]` : host}:${listen.port}`;
}

export function servicePort({
  listen,
  adminToken,
}: Pick<Config, 'listen' | 'adminToken'>): PostingService {
  const url = urlOf(listen);
  async function ask(
    method: 'GET' | 'POST',
    path: string,
    { deadlineMs = SERVICE_DEADLINE_MS, token = adminToken }: GetOptions = {},
  ): Promise<ServiceAnswer | 'silent' | null> {
    try {
      const response = await fetch(url + path, {
        method,
        ...(token && { headers: { authorization: `Bearer ${token}` } }),
        signal: AbortSignal.timeout(deadlineMs),
      });
      const isJson = /json/.test(response.headers.get('content-type') ?? '');
      const text = await response.text();
      return { status: response.status, body: isJson ? parse(text) : text };
    } catch (error) {
      // The checks judge what that means.
      return error instanceof Error && error.name === 'TimeoutError' ? 'silent' : null;
    }
  }
  return {
    url,
    get: (path, options) => ask('GET', path, options),
    post: (path, options) => ask('POST', path, options),
  };
}

/** JSON as its value. Another program may send anything: text that is not JSON stays text. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

const Health = z.object({ version: z.string() });
const Readiness = z.object({
  checks: z.record(z.string(), z.object({ ok: z.boolean(), reason: z.string().optional() })),
  unfit: z.object({ count: z.number(), actors: z.array(z.string()).optional() }),
});

export const LAG_WARNING_S = 5;
export const PENDING_WARNING = 1_000;
const UNFIT_ACTORS_NAMED = 5;
const SEE_LOG = "see the service's log";

/** What it means when a part in /readyz does not work. */
const MEANINGS: Readonly<Record<string, string>> = {
  eventstore: 'see the event store: the service accepts nothing until it is back',
  projections: "see the service's log: queries answer with old data",
  work: "see the service's log: no new effect is carried out",
  ejabberd: 'see the checks of ejabberd: effects wait until it answers',
  lhc: 'see the checks of the callbacks, which wait and are repeated. Callbacks of a tenant that is not configured wait until the TENANTS_FILE of every process names it',
};

/** @param version of this program */
export const serviceCheck = (
  service: ServicePort,
  version: string,
  { apiFault }: Pick<EjabberdReach, 'apiFault'>,
): Check => ({
  name: 'service',
  async run() {
    const health = await service.get('/healthz');
    if (health === null) {
      return [
        warning(
          `no service answers at ${service.url}`,
          'if it should run, see its log. If it listens elsewhere, set LISTEN as for the service',
        ),
      ];
    }
    if (health === 'silent') {
      return [
        problem(
          `the service at ${service.url} takes requests and does not answer`,
          'it hangs: look at its CPU and the end of its log, then restart it. Nothing that it acknowledged is lost',
        ),
      ];
    }
    const { data } = Health.safeParse(health.body);
    if (!data) {
      return [
        problem(
          `the program at ${service.url} is not this service (it answered ${health.status})`,
          'set LISTEN to another port, or end that program',
        ),
      ];
    }
    return [
      data.version === version
        ? ok(`it runs version ${version}`)
        : warning(
            `it runs version ${data.version}, and this is ${version}`,
            'restart the service if it was upgraded',
          ),
      ...judgeReadiness(await bodyOf(service, '/readyz'), (await apiFault()) !== null),
      ...judgeMetrics(await service.get('/metrics')),
    ];
  },
});

async function bodyOf(service: ServicePort, path: string): Promise<unknown> {
  const answer = await service.get(path);
  return answer === null || answer === 'silent' ? undefined : answer.body;
}

/** @param ejabberdIsReported another check has said what is wrong with ejabberd */
function judgeReadiness(body: unknown, ejabberdIsReported: boolean): Finding[] {
  const { data } = Readiness.safeParse(body);
  if (!data) return [problem('its answer to /readyz cannot be read', SEE_LOG)];
  const parts = Object.entries(data.checks).filter(([, check]) => !check.ok);
  const findings = parts
    .filter(([part]) => part !== 'ejabberd' || !ejabberdIsReported)
    .map(([part, { reason }]) => judgePart(part, reason));
  const { count, actors = [] } = data.unfit;
  if (count > 0) {
    findings.push(
      problem(
        `${count} actors have a history that does not fit their machine: ${actors.slice(0, UNFIT_ACTORS_NAMED).join(', ')}`,
        'they refuse commands. Install the version that wrote their facts, or a newer one that knows them',
      ),
    );
  }
  const isFine = parts.length === 0 && count === 0;
  return isFine ? [ok('everything that it depends on answers')] : findings;
}

function judgePart(part: string, reason: string | undefined): Finding {
  const why = reason ? `: ${reason}` : ' (set ADMIN_TOKEN to see why)';
  if (part === 'secrets') {
    return warning(
      `a change of the service secret is not finished${why}`,
      'keep every secret in SERVICE_SECRET, of every process, until the doctor says that the older ones can be removed',
    );
  }
  if (part === 'accounts') {
    return problem(
      `the accounts of visitors in ejabberd belong to another log${why}`,
      'is DATA_DIR the right folder, and mounted? Is EVENT_STORE the right one? Nothing is removed meanwhile. TAKE_OVER_FROM gives the accounts to this log (docs/operations.md)',
    );
  }
  if (part === 'readModels') {
    return warning(
      `its read models are not complete${why}`,
      'wait: after an upgrade they are built again, and the older ones answer where they can. If it stays, see GET /debug/projections',
    );
  }
  return problem(`it says that ${part} does not work${why}`, MEANINGS[part] ?? SEE_LOG);
}

function judgeMetrics(answer: Awaited<ReturnType<ServicePort['get']>>): Finding[] {
  if (answer === null || answer === 'silent') return [problem('it does not answer', SEE_LOG)];
  if (answer.status === 401) {
    return [
      problem(
        'it does not accept this ADMIN_TOKEN',
        'set ADMIN_TOKEN as for the service, or restart the service if it was changed',
      ),
    ];
  }
  const text = String(answer.body);
  const metric = (name: string): number =>
    Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1] ?? Number.NaN);
  const letters = metric('xmpp_chat_dead_letters');
  const lagS = metric('xmpp_chat_projection_lag_seconds');
  const pending = metric('xmpp_chat_effects_pending');
  if ([letters, lagS, pending].some(Number.isNaN)) {
    return [problem('its answer to /metrics cannot be read', SEE_LOG)];
  }
  const waiting = `${pending} effects wait`;
  return [
    letters > 0
      ? warning(`${letters} dead letters`, 'xmpp-chat dead-letters list, then show and send each')
      : ok('no dead letters'),
    lagS > LAG_WARNING_S
      ? warning(
          `the read models are ${lagS.toFixed(1)} s behind`,
          'wait, if it has just started. If it stays, look at CPU and disk',
        )
      : ok('the read models are up to date'),
    pending > PENDING_WARNING
      ? warning(waiting, 'ejabberd or LHC is away or slow: see their checks')
      : ok(waiting),
  ];
}
