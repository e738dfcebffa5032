/** A visitor is typing: passed on at once or not at all, and never recorded. */
import { z } from '@hono/zod-openapi';
import { VisitorKey } from '../../actors/ids.ts';
import { describingLine } from '../../actors/input-text.ts';
import type { Access, Caller } from '../frame/auth.ts';
import type { Api } from '../frame/endpoint.ts';
import { addCommand } from '../frame/tenant-commands.ts';

/** What the visitor has typed so far, at most. */
export const MAX_PREVIEW_CHARACTERS = 4_096;

const Typing = z
  .strictObject({
    state: z.enum(['composing', 'paused', 'active']),
    preview: describingLine(MAX_PREVIEW_CHARACTERS).nullish().openapi({
      description:
        'What the visitor has typed so far. The operator who has the chat reads its end, if the tenant has `typingPreview`; else nobody does',
    }),
  })
  .openapi('Typing');

export function addTypingEndpoint(api: Api, access: Access<Caller>): void {
  const { typing, logger } = api.deps;
  addCommand(
    api,
    {
      method: 'post',
      path: '/v1/{tenant}/visitors/{key}/typing',
      operationId: 'reportTyping',
      tag: 'Visitors',
      summary: 'The visitor is typing',
      description: 'Not recorded. The operator of the chat sees it if that is possible now.',
      access,
      params: z.object({ key: VisitorKey }),
      body: Typing,
      success: { status: 204, description: 'Noted' },
    },
    ({ caller, params, body, requestId }) => {
      // Not awaited: the caller does the same whether it arrives or not.
      typing(caller.tenant.id, params.key, body.state, body.preview || undefined).catch(
        (error: unknown) => {
          logger.debug({ err: error, requestId, tenant: caller.tenant.id }, 'typing not shown');
        },
      );
      return { status: 204 };
    },
  );
}
