/** The queue: who waits for an operator, in which place, and for how long it may be. */
import { z } from '@hono/zod-openapi';
import type { QueuedChat } from '../../projections/queue-queries.ts';
import type { Access, Caller } from '../frame/auth.ts';
import { type Api, endpoint } from '../frame/endpoint.ts';
import { chatWithJid } from '../frame/jids.ts';
import { awaitPosition, ListQuery, pageSchema } from '../frame/reading.ts';
import { line } from '../frame/text.ts';
import { chatFields } from './chats.ts';

const Queued = z
  .object({
    ...chatFields,
    position: z.int().openapi({ description: '1 is next, among all that wait' }),
    positionInDepartment: z.int().openapi({ description: 'Among those of its department' }),
    expectedWait: z.number().nullable().openapi({
      description:
        'Seconds: its place times the mean time that a chat of its department stood first before an operator answered, over the last hour, or the last 24 where that tells nothing; null when nothing is known, or nobody who serves it is online',
    }),
  } satisfies Record<keyof QueuedChat | 'jid', z.ZodType>)
  .openapi('QueuedChat');

/** The endpoint of the queue. */
export function queue(api: Api, access: Access<Caller>): void {
  const { deps } = api;
  const { projections } = deps;
  endpoint(
    api,
    {
      method: 'get',
      path: '/v1/{tenant}/queue',
      operationId: 'listQueue',
      tag: 'Chats',
      summary: 'Chats that nobody has answered, the oldest first',
      description: 'Those that operators are being asked to answer are in state `offered`.',
      access,
      query: ListQuery.extend({ department: line(128).optional() }),
      success: { status: 200, description: 'A page of them', schema: pageSchema(Queued) },
      problems: [503],
    },
    async ({ caller: { tenant }, query }) => {
      await awaitPosition(deps, query);
      const position = projections.position();
      const filter = { ...query, tenant: tenant.id, now: deps.now() };
      const { items, next } = projections.queue.list(filter);
      const found = items.map((chat) => chatWithJid(tenant, chat));
      return { status: 200, json: { items: found, next, position } };
    },
  );
}
