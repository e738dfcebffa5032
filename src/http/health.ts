/** /healthz, /readyz and /metrics. */
import { z } from '@hono/zod-openapi';
import { AppError, messageOf } from '../errors.ts';
import { within } from '../kit/deadline.ts';
import type { HttpDeps } from './deps.ts';
import { type Auth, everybody } from './frame/auth.ts';
import { type Api, addEndpoint } from './frame/endpoint.ts';
import type { HttpMetrics } from './metrics.ts';

/** How long /readyz waits for one part. */
export const CHECK_DEADLINE_MS = 3_000;
/** Parts are checked at most this often: everybody may ask for /readyz. */
export const CHECK_EVERY_MS = 1_000;

interface CheckResult {
  readonly ok: boolean;
  /** Only the admin token sees the reason: it may name places inside. */
  readonly reason?: string;
}

const late = (): AppError => new AppError('timeout', `no answer within ${CHECK_DEADLINE_MS} ms`);

async function run(check: () => Promise<void>): Promise<CheckResult> {
  try {
    await within(CHECK_DEADLINE_MS, check(), late);
    return { ok: true };
  } catch (error) {
    return { ok: false, reason: messageOf(error) };
  }
}

/** Runs all checks together. Callers within {@link CHECK_EVERY_MS} share the results. */
function createChecks({
  checks,
  advisories,
  now,
}: Pick<HttpDeps, 'checks' | 'advisories' | 'now'>): () => Promise<Record<string, CheckResult>> {
  let results: Promise<Record<string, CheckResult>> | undefined;
  let startedAt = Number.NEGATIVE_INFINITY;
  return () => {
    // A clock that was set back must not keep old results.
    if (!results || Math.abs(now() - startedAt) > CHECK_EVERY_MS) {
      startedAt = now();
      const all = Object.entries({ ...checks, ...advisories }).map(async ([name, check]) => [
        name,
        await run(check),
      ]);
      results = Promise.all(all).then((entries) => Object.fromEntries(entries));
    }
    return results;
  };
}

const Readiness = z
  .object({
    status: z.enum(['ready', 'not-ready']),
    version: z.string(),
    checks: z.record(z.string(), z.object({ ok: z.boolean(), reason: z.string().optional() })),
    unfit: z.object({ count: z.int(), actors: z.array(z.string()).optional() }),
  })
  .openapi('Readiness');

export function addHealthEndpoints(
  api: Api,
  deps: HttpDeps,
  metrics: HttpMetrics,
  { isAdmin, adminIfAny }: Auth,
): void {
  const checks = createChecks(deps);
  const tag = 'Service';

  addEndpoint(
    api,
    {
      method: 'get',
      path: '/healthz',
      operationId: 'getHealth',
      tag,
      summary: 'Whether the process is alive',
      access: everybody,
      success: {
        status: 200,
        description: 'The process is alive',
        schema: z.object({ status: z.literal('ok'), version: z.string() }),
      },
    },
    () => ({ status: 200, json: { status: 'ok', version: deps.version } }),
  );

  addEndpoint(
    api,
    {
      method: 'get',
      path: '/readyz',
      operationId: 'getReadiness',
      tag,
      summary: 'Whether the parts that the service depends on answer',
      description:
        'The service accepts commands while ejabberd or LHC is away: their effects wait. A tenant whose LHC is away is listed, but does not make the service unready. With the admin token the answer has the reasons and the names of unfit actors.',
      access: everybody,
      success: { status: 200, description: 'Every part answers', schema: Readiness },
      also: { status: 503, description: 'A part does not answer', schema: Readiness },
    },
    async ({ request }) => {
      const results = await checks();
      const unfit = deps.unfitActors();
      const ready = Object.keys(deps.checks).every((name) => results[name]?.ok);
      const admin = isAdmin(request);
      return {
        status: ready ? 200 : 503,
        json: {
          status: ready ? 'ready' : 'not-ready',
          version: deps.version,
          checks: admin ? results : withoutReasons(results),
          unfit: { count: unfit.length, ...(admin && { actors: unfit }) },
        },
      };
    },
  );

  addEndpoint(
    api,
    {
      method: 'get',
      path: '/metrics',
      operationId: 'getMetrics',
      tag,
      summary: 'Metrics for Prometheus',
      description:
        'Customers and their hosts are named only with the admin token. A wrong token is answered with 401.',
      access: adminIfAny,
      success: { status: 200, description: "Prometheus' text format" },
    },
    async ({ caller: isAdminCaller }) => ({ status: 200, ...(await metrics.text(isAdminCaller)) }),
  );
}

const withoutReasons = (results: Readonly<Record<string, CheckResult>>) =>
  Object.fromEntries(Object.entries(results).map(([name, { ok }]) => [name, { ok }]));
