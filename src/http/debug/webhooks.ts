/** What ejabberd's modules have posted, for engineers and for `xmpp-chat doctor`. */
import { z } from '@hono/zod-openapi';
import type { Access } from '../frame/auth.ts';
import { type Api, addEndpoint } from '../frame/endpoint.ts';

const time = z.number().nullable().openapi({ description: 'ms since 1970' });
const clockOffset = z
  .number()
  .openapi({ description: "The sender's clock minus ours at the last batch, in seconds" });

const Webhooks = z
  .object({
    hosts: z.record(
      z.string(),
      z.object({
        acceptedAt: z.number(),
        batches: z.int(),
        clockOffset,
        module: z.string().nullable(),
        ejabberd: z.string().nullable(),
      }),
    ),
    refused: z.object({
      count: z.int(),
      at: time,
      clockOffset: clockOffset.nullable(),
      clockSeenAt: time,
    }),
    failed: z.object({ count: z.int(), at: time, reason: z.string().nullable() }),
    olderModules: z
      .object({
        hosts: z.record(
          z.string(),
          z.object({ at: z.number(), callbacks: z.int(), address: z.string() }),
        ),
        refused: z.record(z.string(), z.object({ at: z.number(), callbacks: z.int() })),
      })
      .openapi({
        description:
          'Callbacks of the older modules, by host, and those that were refused, by address',
      }),
  })
  .openapi('Webhooks');

/** @param view the receipts of this process */
export function addWebhookReceiptsEndpoint(
  api: Api,
  access: Access<null>,
  view: () => z.input<typeof Webhooks>,
): void {
  addEndpoint(
    api,
    {
      method: 'get',
      path: '/debug/webhooks',
      operationId: 'getWebhooks',
      tag: 'Debug',
      summary: "What ejabberd's modules have posted since this process started",
      access,
      success: { status: 200, description: 'By host', schema: Webhooks },
    },
    () => ({ status: 200, json: view() }),
  );
}
