/** What mod_lhc reports (CONTRACTS.md §2): signed batches, taken whole or to be sent again. */
import { z } from '@hono/zod-openapi';
import { AppError } from '../errors.ts';
import type { Access } from './auth.ts';
import { EVENTS_LIMIT, parseJson, readBytes } from './body.ts';
import { type Api, endpoint } from './endpoint.ts';
import { createSignatureCheck } from './webhook-signature.ts';

/** The signature covers the body: it is checked when that is there. */
const signed: Access<null> = { scheme: 'webhook', authorize: () => null };

export function ejabberdEvents(api: Api): void {
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
      check(request, bytes);
      const events = z.array(z.unknown()).safeParse(parseJson(bytes));
      if (!events.success) throw new AppError('invalid', 'the body is no array', { field: '' });
      await deps.inbox.take(events.data);
      return { status: 204 };
    },
  );
}
