/** A visitor types: forwarded at once or not at all, never recorded. */
import { z } from '@hono/zod-openapi';
import { VisitorKey } from '../../actors/ids.ts';
import type { Access, Caller } from '../frame/auth.ts';
import { type Api, endpoint } from '../frame/endpoint.ts';
import { line } from '../frame/text.ts';

const Typing = z
  .strictObject({
    state: z.enum(['composing', 'paused', 'active']),
    preview: line(4096).optional(),
  })
  .openapi('Typing');

export function typing(api: Api, access: Access<Caller>): void {
  const { deps } = api;
  endpoint(
    api,
    {
      method: 'post',
      path: '/v1/{tenant}/visitors/{key}/typing',
      operationId: 'reportTyping',
      tag: 'Visitors',
      summary: 'The visitor is typing',
      description: 'Ephemeral: shown to the operator of its chat if that is possible now.',
      access,
      params: z.object({ key: VisitorKey }),
      body: Typing,
      success: { status: 204, description: 'Taken notice of' },
    },
    ({ caller, params, body, requestId }) => {
      // Not waited for: whether it arrives changes nothing for the caller.
      deps.typing(caller.tenant.id, params.key, body.state).catch((error: unknown) => {
        deps.logger.debug({ err: error, requestId, tenant: caller.tenant.id }, 'typing not shown');
      });
      return { status: 204 };
    },
  );
}
