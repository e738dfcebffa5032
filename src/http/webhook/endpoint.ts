/** What mod_lhc reports (docs/contracts.md): signed batches, taken whole or to be sent again. */
import { z } from '@hono/zod-openapi';
import { AppError } from '../../errors.ts';
import type { Access } from '../frame/auth.ts';
import { EVENTS_LIMIT, parseJson, readBytes } from '../frame/body.ts';
import { type Api, endpoint } from '../frame/endpoint.ts';
import type { WebhookReceipts } from './receipts.ts';
import { createSignatureCheck } from './signature.ts';

/** The signature covers the body: it is checked when that is there. */
const signed: Access<null> = { scheme: 'webhook', authorize: () => null };

export function ejabberdEvents(api: Api, receipts: WebhookReceipts): void {
  const { deps } = api;
  const check = createSignatureCheck(deps.webhookSecrets, deps.now);
  endpoint(
    api,
    {
      method: 'post',
      path: '/ejabberd/events',
      operationId: 'takeEvents',
      tag: 'ejabberd',
      summary: 'A batch of events of mod_lhc',
      description: `A JSON array of events in order, at most ${EVENTS_LIMIT} bytes.`,
      access: signed,
      success: { status: 204, description: 'Every event is durable or set aside' },
      problems: [400, 413, 503],
    },
    async ({ request }) => {
      const bytes = await readBytes(request, EVENTS_LIMIT);
      const sentAt = Number(request.header('webhook-timestamp') ?? Number.NaN);
      try {
        check(request, bytes);
      } catch (error) {
        receipts.refused(sentAt);
        throw error;
      }
      const events = z.array(z.unknown()).safeParse(parseJson(bytes));
      if (!events.success) throw new AppError('invalid', 'the body is no array', { field: '' });
      try {
        await deps.inbox.take(events.data);
      } catch (error) {
        receipts.failed(error);
        throw error;
      }
      receipts.accepted(events.data, sentAt);
      return { status: 204 };
    },
  );
}
