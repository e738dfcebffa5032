/** Whether the service lives, what it lacks, and its numbers. */
import { z } from '@hono/zod-openapi';
import { AppError, messageOf } from '../errors.ts';
import type { HttpDeps } from './deps.ts';
import { open } from './frame/auth.ts';
import { type Api, endpoint } from './frame/endpoint.ts';

const CHECK_MS = 3000;
/** Anybody may ask: the parts are asked at most this often. */
const FRESH_MS = 1000;

interface Check {
  readonly ok: boolean;
  /** For those with the admin token: it may name places inside. */
  readonly reason?: string;
}

async function run(check: () => Promise<void>): Promise<Check> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new AppError('timeout', `no answer within ${CHECK_MS} ms`)),
    CHECK_MS,
  );
  try {
    await Promise.race([check(), late.promise]);
    return { ok: true };
  } catch (error) {
    return { ok: false, reason: messageOf(error) };
  } finally {
    clearTimeout(timer);
  }
}

/** Asks every part at once; one question at a time, and its answer serves for a moment. */
function createChecks({
  checks,
  advisories,
  now,
}: Pick<HttpDeps, 'checks' | 'advisories' | 'now'>) {
  let asked: Promise<Record<string, Check>> | undefined;
  let askedAt = Number.NEGATIVE_INFINITY;
  return (): Promise<Record<string, Check>> => {
    if (!asked || now() - askedAt > FRESH_MS) {
      askedAt = now();
      const all = Object.entries({ ...checks, ...advisories }).map(async ([name, check]) => [
        name,
        await run(check),
      ]);
      asked = Promise.all(all).then((results) => Object.fromEntries(results));
    }
    return asked;
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

/** /healthz, /readyz and /metrics. */
export function health(
  api: Api,
  isAdmin: (request: Parameters<typeof open.authorize>[0]) => boolean,
) {
  const { deps, metrics } = api;
  const checks = createChecks(deps);
  const tag = 'Service';

  endpoint(
    api,
    {
      method: 'get',
      path: '/healthz',
      operationId: 'getHealth',
      tag,
      summary: 'Whether the process lives',
      access: open,
      success: {
        status: 200,
        description: 'It does',
        schema: z.object({ status: z.literal('ok'), version: z.string() }),
      },
    },
    () => ({ status: 200, json: { status: 'ok', version: deps.version } }),
  );

  endpoint(
    api,
    {
      method: 'get',
      path: '/readyz',
      operationId: 'getReadiness',
      tag,
      summary: 'What it depends on, and whether that answers',
      description:
        'Commands are accepted while ejabberd or LHC is away: their effects wait. A tenant whose LHC is away is shown, and leaves the service ready. The admin token shows reasons and the names of unfit actors.',
      access: open,
      success: { status: 200, description: 'Every part answers', schema: Readiness },
      also: { status: 503, description: 'A part does not answer', schema: Readiness },
    },
    async ({ request }) => {
      const states = await checks();
      const unfit = deps.unfitActors();
      const ready = Object.keys(deps.checks).every((name) => states[name]?.ok);
      const admin = isAdmin(request);
      return {
        status: ready ? 200 : 503,
        json: {
          status: ready ? 'ready' : 'not-ready',
          version: deps.version,
          checks: admin
            ? states
            : Object.fromEntries(Object.entries(states).map(([name, { ok }]) => [name, { ok }])),
          unfit: { count: unfit.length, ...(admin && { actors: unfit }) },
        },
      };
    },
  );

  endpoint(
    api,
    {
      method: 'get',
      path: '/metrics',
      operationId: 'getMetrics',
      tag,
      summary: 'Numbers for Prometheus',
      access: open,
      success: { status: 200, description: 'In its text format' },
    },
    async () => ({ status: 200, ...(await metrics.text()) }),
  );
}
