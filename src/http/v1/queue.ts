/** The queue: which chats wait for an operator, in which order, and for how long they may have to wait. */
import { z } from '@hono/zod-openapi';
import { line, MAX_NAME_CHARACTERS } from '../../actors/input-text.ts';
import { chatWithJid } from '../../projections/jids.ts';
import type { QueuedChat } from '../../projections/queue-queries.ts';
import type { Access, Caller } from '../frame/auth.ts';
import { type Api, addEndpoint } from '../frame/endpoint.ts';
import { awaitPosition, ListQuery, pageSchema } from '../frame/reading.ts';
import { chatFields } from './chats.ts';

const Queued = z
  .object({
    ...chatFields,
    position: z.int().openapi({ description: 'The place in the whole queue; 1 is next' }),
    positionInDepartment: z
      .int()
      .openapi({ description: 'The place in the queue of its department' }),
    expectedWait: z.number().nullable().openapi({
      description:
        'Seconds: the place in the department times the mean time that a chat of the department was first in the queue. The mean is of the last hour, or of the last 24 hours if that hour has no data. null if there is no data, or if no operator of the department is online',
    }),
  } satisfies Record<keyof QueuedChat | 'jid', z.ZodType>)
  .openapi('QueuedChat');

export function addQueueEndpoint(api: Api, access: Access<Caller>): void {
  const { deps } = api;
  const { readModels } = deps;
  addEndpoint(
    api,
    {
      method: 'get',
      path: '/v1/{tenant}/queue',
      operationId: 'listQueue',
      tag: 'Chats',
      summary: 'Chats that no operator has accepted, the oldest first',
      description: 'A chat that is offered to operators now is in state `offered`.',
      access,
      query: ListQuery.extend({ department: line(MAX_NAME_CHARACTERS).optional() }),
      success: { status: 200, description: 'A page of chats', schema: pageSchema(Queued) },
      problems: [503],
    },
    async ({ caller: { tenant }, query }) => {
      const position = await awaitPosition(deps, query);
      const filter = { ...query, tenant: tenant.id, now: deps.now() };
      const { items, next } = await readModels.queue.list(filter);
      const chats = items.map((chat) => chatWithJid(tenant, chat));
      return { status: 200, json: { items: chats, next, position } };
    },
  );
}
