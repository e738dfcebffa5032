/** What did not work out and waits for a person: to be looked at, and to be sent again. */
import { z } from '@hono/zod-openapi';
import { AppError } from '../../errors.ts';
import type { Access } from '../frame/auth.ts';
import { type Api, endpoint } from '../frame/endpoint.ts';

const shape = {
  id: z.string(),
  tenant: z.string().nullable(),
  at: z.number(),
  kind: z.enum(['webhook', 'effect']),
  stream: z.string(),
  destination: z.string(),
  reason: z.string(),
};

/** The /debug/dead-letters endpoints. */
export function deadLetters(api: Api, access: Access<null>): void {
  const letters = api.deps.deadLetters;
  const tag = 'Debug';

  endpoint(
    api,
    {
      method: 'get',
      path: '/debug/dead-letters',
      operationId: 'listDeadLetters',
      tag,
      summary: 'What did not work out and waits for a person',
      access,
      query: z.strictObject({ tenant: z.string().max(31).optional() }),
      success: {
        status: 200,
        description: 'All of them',
        schema: z.object({ items: z.array(z.object(shape).openapi('DeadLetter')) }),
      },
    },
    async ({ query }) => ({ status: 200, json: { items: await letters.list(query.tenant) } }),
  );
  endpoint(
    api,
    {
      method: 'get',
      path: '/debug/dead-letters/{id}',
      operationId: 'getDeadLetter',
      tag,
      summary: 'One of them, with its content',
      access,
      params: z.object({ id: z.string().min(1).max(300) }),
      success: {
        status: 200,
        description: 'The dead letter',
        schema: z.object({ ...shape, content: z.unknown() }),
      },
      problems: [404],
    },
    async ({ params: { id } }) => {
      const letter = await letters.show(id);
      if (!letter) throw new AppError('not-found', 'there is no such dead letter');
      return { status: 200, json: letter };
    },
  );
  endpoint(
    api,
    {
      method: 'post',
      path: '/debug/dead-letters/{id}/send',
      operationId: 'sendDeadLetter',
      tag,
      summary: 'Send one again',
      description: 'As a new command or effect, out of order: what came behind it has been done.',
      access,
      params: z.object({ id: z.string().min(1).max(300) }),
      success: { status: 204, description: 'It was sent, and is none any more' },
      problems: [404, 409, 503],
    },
    async ({ params: { id } }) => {
      await letters.sendAgain(id);
      return { status: 204 };
    },
  );
}
