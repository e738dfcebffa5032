/** What mod_lhc's webhook has brought, for engineers and the doctor. */
import { z } from '@hono/zod-openapi';
import type { Access } from '../frame/auth.ts';
import { type Api, endpoint } from '../frame/endpoint.ts';
import type { WebhookReceipts } from '../webhook/receipts.ts';

const moment = z.number().nullable().openapi({ description: 'ms since 1970' });
const seconds = z
  .number()
  .openapi({ description: "The sender's clock less this one's, when the last one came" });

const View = z
  .object({
    hosts: z.record(
      z.string(),
      z.object({
        acceptedAt: z.number(),
        batches: z.int(),
        clockOffset: seconds,
        module: z.string().nullable(),
        ejabberd: z.string().nullable(),
      }),
    ),
    refused: z.object({ count: z.int(), at: moment, clockOffset: seconds.nullable() }),
    failed: z.object({ count: z.int(), at: moment, reason: z.string().nullable() }),
  })
  .openapi('Webhooks');

/** GET /debug/webhooks */
export function debugWebhooks(api: Api, access: Access<null>, receipts: WebhookReceipts): void {
  endpoint(
    api,
    {
      method: 'get',
      path: '/debug/webhooks',
      operationId: 'getWebhooks',
      tag: 'Debug',
      summary: 'What mod_lhc has brought since this process began',
      access,
      success: { status: 200, description: 'By host', schema: View },
    },
    () => ({ status: 200, json: receipts.view() }),
  );
}
