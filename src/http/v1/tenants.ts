/** Tenants at run time, for the administrator: made, changed and removed, and their keys rotated (docs/adr/0036). */
import { createHmac } from 'node:crypto';
import { z } from '@hono/zod-openapi';
import { TenantId } from '../../actors/ids.ts';
import { tenantsNotKnown } from '../../actors/tenant/directory.ts';
import { ANY_INSTANCE } from '../../actors/tenant/settings.ts';
import type { Template, Tenant } from '../../actors/tenant/tenant.ts';
import { AppError } from '../../errors.ts';
import { withoutCredentials } from '../../kit/fetch-url.ts';
import type { Dispatched } from '../../runtime/ports.ts';
import type { TenantWish } from '../../runtime/tenant-ports.ts';
import type { Answer } from '../frame/answer.ts';
import type { Access } from '../frame/auth.ts';
import { ACCEPTED, answerCommand, originOf } from '../frame/commands.ts';
import type { EndpointDeps } from '../frame/deps.ts';
import { type Api, addEndpoint, type Call } from '../frame/endpoint.ts';
import { BooleanParameter, ListQuery, pageSchema } from '../frame/reading.ts';
import {
  CallbackTested,
  Made,
  OneTenant,
  PutTenant,
  RotateKey,
  TenantName,
  TenantView,
} from './tenant-bodies.ts';

function viewOf(
  one: Tenant | Template,
  { tenancy, tenantEffects }: EndpointDeps,
): z.output<typeof TenantView> {
  const { callbackSecret, legacyDigest, restKey, webhookDigest, removing, ...kept } = one;
  return {
    ...kept,
    instance: one.instance ?? null,
    callbackUrl:
      one.callbackUrl === undefined ? null : withoutCredentials(one.callbackUrl).address.href,
    hasCallbackSecret: callbackSecret !== undefined,
    hasLegacySecret: legacyDigest !== undefined,
    hasRestKey: restKey !== undefined,
    hasWebhookKey: webhookDigest !== undefined,
    keys: 'keys' in one ? one.keys.map(({ until }) => ({ until })) : [],
    state: removing ? 'removing' : 'active',
    readOnly: tenancy.isDeclared(one.id),
    removal: removing ? tenantEffects.removal(one.id) : null,
  };
}

const isTemplate = (one: Tenant | Template): one is Template => one.instance === ANY_INSTANCE;

/** What DNS cannot change is said at once. What a template makes of its address is not known yet. */
function checkCallbackUrl({ tenantEffects }: EndpointDeps, url: string | undefined): void {
  const reason = url === undefined || url.includes('{') ? null : tenantEffects.callbackFault(url);
  if (reason !== null) throw new AppError('invalid', reason, { field: 'callbackUrl' });
}

/** Random, or for an Idempotency-Key always the same: a caller who missed the answer gets the key by asking again. */
function madeKeyOf({ deps }: Api, id: TenantId, call: Call<unknown, unknown, unknown, unknown>) {
  const { commandId } = originOf({ deps }, call);
  const text = createHmac('sha256', deps.digestKey)
    .update(JSON.stringify(['a key of a tenant', id, commandId, call.asked.path]))
    .digest('base64url');
  return `key_${text}`;
}

export function addTenantEndpoints(api: Api, access: Access<null>): void {
  const { tenancy, tenantEffects } = api.deps;
  const tag = 'Tenants';
  const path = '/v1/tenants/{tenant}';
  const params = z.object({ tenant: TenantId });
  const common = { tag, access, params };

  const withKey = async (
    command: string,
    work: Promise<{ readonly done: Dispatched; readonly key: string | null }>,
  ): Promise<Answer> => {
    const answer = await answerCommand(
      api,
      command,
      work.then(({ done }) => done),
    );
    const { key } = await work;
    // The answer to a command has an object.
    return key === null ? answer : { ...answer, json: { ...(answer.json as object), apiKey: key } };
  };

  addEndpoint(
    api,
    {
      ...common,
      method: 'put',
      path,
      operationId: 'putTenant',
      summary: 'Make or change a tenant',
      description: `The body is the whole wish, and the same again changes nothing. A new tenant without \`apiKey\` gets a key,
which is in this answer alone. Host and instance never change. With \`"instance": "*"\` it is a template for the instances of
its host.`,
      params: z.object({ tenant: TenantName }),
      body: PutTenant,
      command: true,
      success: { ...ACCEPTED, schema: Made },
    },
    async (call) => {
      const id = call.params.tenant;
      const wish = { ...call.body, id } satisfies TenantWish;
      checkCallbackUrl(api.deps, wish.callbackUrl);
      const work = tenancy.configure(wish, madeKeyOf(api, id, call), originOf(api, call));
      const answer = await withKey('ConfigureTenant', work);
      const one = tenancy.find(id);
      if (!one || isTemplate(one) || one.removing) return answer;
      const groups = await tenantEffects.makeGroups(one);
      return { ...answer, json: { ...(answer.json as object), groups } };
    },
  );

  addEndpoint(
    api,
    {
      ...common,
      method: 'post',
      path: `${path}/keys`,
      operationId: 'rotateTenantKey',
      summary: "Give a tenant a new key, and end the old one's time",
      description: `The new key is valid at once, the one of before for \`overlap\` seconds more. Two keys are valid at the same
time at most.`,
      body: RotateKey,
      command: true,
      success: { ...ACCEPTED, schema: Made },
    },
    (call) => {
      const id = call.params.tenant;
      const wish = { key: call.body.apiKey, overlapMs: call.body.overlap * 1_000 };
      const work = tenancy.rotateKey(id, wish, madeKeyOf(api, id, call), originOf(api, call));
      return withKey('RotateTenantKey', work);
    },
  );

  addEndpoint(
    api,
    {
      ...common,
      method: 'delete',
      path,
      operationId: 'removeTenant',
      summary: 'Remove a tenant',
      description: `Closes its chats and removes its accounts and groups from ejabberd. The answer does not wait for that: the
tenant is gone when GET answers 404. Meanwhile it refuses commands. Its log stays, unless \`purge\` is true: then the data keys
go too, and nothing personal can be read again.`,
      query: z.strictObject({ purge: BooleanParameter.optional() }),
      command: true,
      success: ACCEPTED,
    },
    (call) => {
      const { tenant } = call.params;
      const work = tenancy.beginRemoval(tenant, call.query.purge ?? false, originOf(api, call));
      return answerCommand(api, 'BeginTenantRemoval', work);
    },
  );

  addEndpoint(
    api,
    {
      ...common,
      method: 'get',
      path,
      operationId: 'getTenant',
      summary: 'One tenant, without its secrets',
      success: { status: 200, description: 'The tenant', schema: OneTenant },
      problems: [503],
    },
    async ({ params: { tenant } }) => {
      const one = tenancy.find(tenant);
      if (one) {
        const groups = isTemplate(one) ? null : await tenantEffects.groups(one);
        return { status: 200, json: { ...viewOf(one, api.deps), groups } };
      }
      if (!tenancy.isComplete()) throw tenantsNotKnown();
      throw new AppError('not-found', 'there is no such tenant');
    },
  );

  addEndpoint(
    api,
    {
      ...common,
      method: 'post',
      path: `${path}/callback-test`,
      operationId: 'testCallback',
      summary: "Ask a tenant's LHC whether it takes callbacks",
      description: `Sends a callback of type \`doctor.ping\`, signed as all others, and says what the answer means. On the
xmppservice wire it is a sign of life of nobody.`,
      success: { status: 200, description: 'What LHC answered', schema: CallbackTested },
      problems: [503],
    },
    async ({ params: { tenant } }) => {
      const one = tenancy.find(tenant);
      if (!one && !tenancy.isComplete()) throw tenantsNotKnown();
      if (!one || isTemplate(one)) throw new AppError('not-found', 'there is no such tenant');
      return { status: 200, json: { ...(await tenantEffects.testCallback(one)) } };
    },
  );

  addEndpoint(
    api,
    {
      tag,
      access,
      method: 'get',
      path: '/v1/tenants',
      operationId: 'listTenants',
      summary: 'All tenants and templates',
      query: ListQuery.omit({ minPosition: true }),
      success: {
        status: 200,
        description: 'A page, in the order of their ids',
        schema: pageSchema(TenantView).omit({ position: true }),
      },
      problems: [503],
    },
    async ({ query: { cursor = '', limit } }) => {
      if (!tenancy.isComplete()) throw tenantsNotKnown();
      const rest = tenancy
        .list()
        .filter(({ id }) => id > cursor)
        .sort((a, b) => (a.id < b.id ? -1 : 1));
      const page = rest.slice(0, limit);
      const next = rest.length > limit ? (page.at(-1)?.id ?? null) : null;
      return { status: 200, json: { items: page.map((one) => viewOf(one, api.deps)), next } };
    },
  );
}
