/**
 * LHC's own webhooks, of an LHC without an extension (docs/lhc-without-extension.md). They have no signature, and nothing
 * but the number of a chat. LHC may wait for the answer within a visitor's request, so nothing is read before it.
 */
import { z } from '@hono/zod-openapi';
import type { TenantId } from '../../actors/ids.ts';
import { type TenantDirectory, tenantsNotKnown } from '../../actors/tenant/directory.ts';
import { isWebhookKey } from '../../actors/tenant/tenant.ts';
import { bearerToken } from '../../kit/bearer.ts';
import { withoutCause } from '../../runtime/cause.ts';
import { type Access, type Caller, unauthorized } from '../frame/auth.ts';
import { type Api, addEndpoint } from '../frame/endpoint.ts';

/** LHC writes a number, and in some of its releases a number as text. */
const Changed = z
  .strictObject({ chat: z.coerce.number().int().min(-1).max(Number.MAX_SAFE_INTEGER) })
  .openapi('LhcChatChanged', { example: { chat: 17 } });

/** Compared with for a tenant without such a key, so that the answer takes as long. */
const NOBODY = {};

/** A tenant's `webhookKey`. The API's keys are not for LHC's webhooks, and this one is for nothing else. */
export const byWebhookKey = (tenants: TenantDirectory): Access<Caller> => ({
  scheme: 'webhookKey',
  authorize(request) {
    const tenant = tenants.get(request.param('tenant') as TenantId); // no directory has a name that is no tenant id
    const isOwn = isWebhookKey(
      tenant ?? NOBODY,
      bearerToken(request.header('authorization') ?? ''),
    );
    if (tenant && isOwn) return { tenant, admin: false };
    if (!tenants.isComplete()) throw tenantsNotKnown();
    throw unauthorized(
      'send the webhookKey of this tenant in the header "Authorization: Bearer …"',
    );
  },
});

export function addLhcWebhooks(api: Api, access: Access<Caller>): void {
  addEndpoint(
    api,
    {
      method: 'post',
      path: '/lhc/webhooks/{tenant}',
      operationId: 'takeLhcWebhook',
      tag: 'LHC',
      summary: 'A chat has changed in an LHC without the extension',
      description: `From LHC's own webhooks. The chat is read by LHC's REST API after the answer; a webhook that is lost or
refused is made up for by the next list of LHC's open chats. A chat of -1 is LHC's word for none, and changes nothing.`,
      access,
      body: Changed,
      urgent: true,
      success: { status: 204, description: 'The chat will be read' },
    },
    ({ caller, body: { chat } }) => {
      // The chat is read in turn with others.
      if (chat > 0) withoutCause(() => api.deps.lhcChats.changed(caller.tenant.id, chat));
      return { status: 204 };
    },
  );
}
