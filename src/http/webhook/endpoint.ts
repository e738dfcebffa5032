/**
 * The webhook of mod_lhc: signed batches of events. A batch is stored as a whole, or mod_lhc sends it again
 * (docs/contracts.md). Only src/http/app.ts imports the folder.
 */
import { z } from '@hono/zod-openapi';
import { AppError } from '../../errors.ts';
import type { Access } from '../frame/auth.ts';
import { MAX_EVENTS_BYTES, parseJson, readBytes } from '../frame/body.ts';
import { type Api, addEndpoint } from '../frame/endpoint.ts';
import type { WebhookReceipts } from './receipts.ts';
import { createSignatureCheck } from './signature.ts';

/** The signature covers the body, so the endpoint checks it after the body is read. */
const bySignature: Access<null> = { scheme: 'webhook', authorize: () => null };

/** @param secrets `whsec_…`; several during a rotation */
export function addWebhookEndpoint(
  api: Api,
  secrets: readonly string[],
  receipts: WebhookReceipts,
): void {
  const { inbox, now } = api.deps;
  const checkSignature = createSignatureCheck(secrets, now);
  addEndpoint(
    api,
    {
      method: 'post',
      path: '/ejabberd/events',
      operationId: 'takeEvents',
      tag: 'ejabberd',
      summary: 'A batch of events from mod_lhc',
      description: `A JSON array of events in order, at most ${MAX_EVENTS_BYTES} bytes.`,
      access: bySignature,
      success: { status: 204, description: 'Every event is durable or set aside' },
      problems: [400, 413, 503],
    },
    async ({ request }) => {
      const bytes = await readBytes(request, MAX_EVENTS_BYTES);
      const sentAt = Number(request.header('webhook-timestamp') ?? Number.NaN);
      try {
        checkSignature(request, bytes);
      } catch (error) {
        receipts.onRefused(sentAt);
        throw error;
      }
      const events = z.array(z.unknown()).safeParse(parseJson(bytes));
      if (!events.success) throw new AppError('invalid', 'the body is not an array', { field: '' });
      try {
        await inbox.take(events.data);
      } catch (error) {
        receipts.onFailed(error);
        throw error;
      }
      receipts.onAccepted(events.data, sentAt);
      return { status: 204 };
    },
  );
}
