/** What a tenant's LHC may know of its own tenant: a look at clock and settings, and a test of its callbacks. */
import { z } from '@hono/zod-openapi';
import type { TenantId } from '../../actors/ids.ts';
import { lhcCommandsOf } from '../../actors/tenant/lhc-commands.ts';
import { CALLBACK_FLAVOURS } from '../../actors/tenant/settings.ts';
import type { Tenant } from '../../actors/tenant/tenant.ts';
import { withoutCredentials } from '../../kit/fetch-url.ts';
import { Lru } from '../../kit/lru.ts';
import { type Rate, TokenBucket } from '../../kit/token-bucket.ts';
import { CALLBACK_STATES } from '../../runtime/tenant-ports.ts';
import type { Access, Caller } from '../frame/auth.ts';
import { type Api, addEndpoint } from '../frame/endpoint.ts';
import { TENANTS_REMEMBERED } from '../frame/limits.ts';
import { tooMany } from '../frame/problem.ts';
import { CallbackTested } from './tenant-bodies.ts';

/** Tests of its callbacks that a tenant's key may ask for, in this process: each is a request to LHC. */
export const CALLBACK_TESTS: Rate = { burst: 5, perSecond: 1 / 10 };

const OwnTenant = z
  .object({
    id: z.string(),
    host: z.string().openapi({ description: 'The XMPP domain of its accounts' }),
    instance: z.string().nullable(),
    version: z.string().openapi({ description: 'Of the service' }),
    time: z.int().openapi({ description: "The service's clock, in ms since 1970" }),
    state: z.enum(['active', 'removing']),
    readOnly: z.boolean().openapi({ description: 'TENANTS_FILE of the service declares it' }),
    callbacks: z.object({
      host: z.string().nullable().openapi({
        description: 'Host, and port if there is one, of `callbackUrl`; null without one',
      }),
      flavour: z.enum(CALLBACK_FLAVOURS),
      signed: z.boolean().openapi({ description: 'There is a `callbackSecret`' }),
      state: z.enum(CALLBACK_STATES).openapi({
        description:
          'off: there is no `callbackUrl`. paused: LHC has answered 410. away: LHC does not answer, and all callbacks wait. failing: some are not taken, and are repeated. As this process sees it',
      }),
      since: z.number().nullable().openapi({ description: 'Of away and failing; ms since 1970' }),
      reason: z.string().nullable(),
    }),
    routing: z.object({
      by: z.string(),
      departments: z
        .array(z.string())
        .openapi({ description: 'Those that the settings name. Others may be used too' }),
    }),
    lhcCommands: z
      .array(z.string())
      .openapi({ description: 'Commands of operators that LHC gets as `chat.command`' }),
  })
  .openapi('OwnTenant');

/** A budget for each tenant. @returns ms until the next one is allowed; 0 if this one is */
function createTestBudget(monotonicMs: () => number): (tenant: TenantId) => number {
  const budgets = new Lru<TokenBucket>(TENANTS_REMEMBERED);
  return (tenant) => {
    const budget = budgets.get(tenant) ?? new TokenBucket(CALLBACK_TESTS);
    budgets.set(tenant, budget);
    const at = monotonicMs();
    return budget.take(at) ? 0 : budget.waitMs(at);
  };
}

export function addOwnTenantEndpoints(
  api: Api,
  access: Access<Caller>,
  version: string,
  monotonicMs: () => number = () => performance.now(),
): void {
  const { tenancy, tenantEffects, now } = api.deps;
  const waitMs = createTestBudget(monotonicMs);

  const viewOf = async (tenant: Tenant): Promise<z.output<typeof OwnTenant>> => {
    const { id, host, instance = null, callbackUrl, routing } = tenant;
    return {
      id,
      host,
      instance,
      version,
      time: now(),
      state: tenant.removing ? 'removing' : 'active',
      readOnly: tenancy.isDeclared(id),
      callbacks: {
        host: callbackUrl === undefined ? null : withoutCredentials(callbackUrl).address.host,
        flavour: tenant.callbackFlavour,
        signed: tenant.callbackSecret !== undefined,
        ...(await tenantEffects.callbacks(tenant)),
      },
      routing: { by: routing.by, departments: Object.keys(routing.departments) },
      lhcCommands: [...lhcCommandsOf(tenant)],
    };
  };

  addEndpoint(
    api,
    {
      method: 'get',
      path: '/v1/{tenant}',
      operationId: 'getOwnTenant',
      tag: 'Tenant',
      summary: "The caller's own tenant: clock, version and settings, without secrets",
      description: 'A cheap look: nothing is asked of ejabberd or LHC.',
      access,
      query: z.strictObject({}),
      // With its type it has no ETag: the time differs each time.
      success: {
        status: 200,
        description: 'The tenant',
        schema: OwnTenant,
        type: 'application/json',
      },
    },
    async ({ caller: { tenant } }) => ({ status: 200, json: await viewOf(tenant) }),
  );

  addEndpoint(
    api,
    {
      method: 'post',
      path: '/v1/{tenant}/callback-test',
      operationId: 'testOwnCallback',
      tag: 'Tenant',
      summary: 'Does LHC take callbacks?',
      description: `Sends a callback of type \`doctor.ping\`, signed as all others, and says what the answer means. It takes up
to 4.5 s. A tenant may ask ${CALLBACK_TESTS.burst} times in a row, and then every ${1 / CALLBACK_TESTS.perSecond} s.`,
      access,
      success: { status: 200, description: 'What LHC answered', schema: CallbackTested },
      problems: [409],
    },
    async ({ caller: { tenant, admin } }) => {
      const wait = admin ? 0 : waitMs(tenant.id);
      if (wait > 0) {
        api.overBounds.note(tenant.id, 'callbackTests');
        const rate = `${CALLBACK_TESTS.burst} tests in a row, and one every ${1 / CALLBACK_TESTS.perSecond} s`;
        return tooMany(`a tenant may ask for ${rate}`, Math.ceil(wait / 1_000));
      }
      return { status: 200, json: { ...(await tenantEffects.testCallback(tenant)) } };
    },
  );
}
