/** Whether a tenant's own LHC takes callbacks, for its back office. */
import type { TenantId } from '../../actors/ids.ts';
import type { Access, Caller } from '../frame/auth.ts';
import { type Api, addEndpoint } from '../frame/endpoint.ts';
import { CallbackTested } from './tenant-bodies.ts';

export function addCallbackTest(api: Api, access: Access<Caller>): void {
  const { tenantEffects } = api.deps;
  /** One ping for each tenant: who asks meanwhile has its result. */
  const running = new Map<TenantId, ReturnType<typeof tenantEffects.testCallback>>();

  addEndpoint(
    api,
    {
      method: 'post',
      path: '/v1/{tenant}/callback-test',
      operationId: 'testOwnCallback',
      tag: 'Service',
      summary: 'Ask the own LHC whether it takes callbacks',
      description: `The same as \`POST /v1/tenants/{tenant}/callback-test\`, with the tenant's key. Who asks while a test
runs gets the result of that test.`,
      access,
      success: { status: 200, description: 'What LHC answered', schema: CallbackTested },
      problems: [503],
    },
    async ({ caller: { tenant } }) => {
      const test =
        running.get(tenant.id) ??
        tenantEffects.testCallback(tenant).finally(() => running.delete(tenant.id));
      running.set(tenant.id, test);
      return { status: 200, json: { ...(await test) } };
    },
  );
}
