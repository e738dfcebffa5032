/** Dead letters: effects and events that failed for good. A person looks at them and may send them again. */
import { z } from '@hono/zod-openapi';
import { AppError } from '../../errors.ts';
import type { Access } from '../frame/auth.ts';
import { type Api, addEndpoint } from '../frame/endpoint.ts';
import { ListQuery, pageSchema } from '../frame/reading.ts';

const MAX_ID_CHARACTERS = 300;
const MAX_TENANT_CHARACTERS = 31;

const fields = {
  id: z.string(),
  tenant: z.string().nullable(),
  at: z.number(),
  kind: z.enum(['webhook', 'effect']),
  type: z.string().nullable().openapi({
    description:
      'Of the fact whose effect was given up, or `message` for a message of an operator; null if the event is gone',
  }),
  operator: z.string().nullable().openapi({
    description: 'The operator whom the event names. A message of a visitor names none',
  }),
  stream: z.string(),
  destination: z.string(),
  reason: z.string(),
};

/** /debug/dead-letters */
export function addDeadLetterEndpoints(api: Api, access: Access<null>): void {
  const letters = api.deps.deadLetters;
  const tag = 'Debug';

  addEndpoint(
    api,
    {
      method: 'get',
      path: '/debug/dead-letters',
      operationId: 'listDeadLetters',
      tag,
      summary: 'Effects and events that failed for good',
      access,
      query: ListQuery.omit({ minPosition: true }).extend({
        tenant: z.string().max(MAX_TENANT_CHARACTERS).optional(),
      }),
      success: {
        status: 200,
        description: 'A page of dead letters, the newest first',
        schema: pageSchema(z.object(fields).openapi('DeadLetter')).omit({ position: true }),
      },
    },
    async ({ query }) => ({ status: 200, json: await letters.list(query) }),
  );
  addEndpoint(
    api,
    {
      method: 'get',
      path: '/debug/dead-letters/{id}',
      operationId: 'getDeadLetter',
      tag,
      summary: 'One dead letter, with its content',
      access,
      params: z.object({ id: z.string().min(1).max(MAX_ID_CHARACTERS) }),
      success: {
        status: 200,
        description: 'The dead letter',
        schema: z.object({ ...fields, content: z.unknown() }),
      },
      problems: [404],
    },
    async ({ params: { id } }) => {
      const letter = await letters.show(id);
      if (!letter) throw new AppError('not-found', `there is no dead letter ${id}`);
      return { status: 200, json: letter };
    },
  );
  addEndpoint(
    api,
    {
      method: 'post',
      path: '/debug/dead-letters/{id}/send',
      operationId: 'sendDeadLetter',
      tag,
      summary: 'Send a dead letter again',
      description:
        'Sends the content as a new command or effect, out of order: later ones are done already. If it fails, it stays a dead letter, and `detail` has the reason: 409 if the same would fail again (ejabberd has returned the message, say) or another request works on the letter, 503 if not.',
      access,
      params: z.object({ id: z.string().min(1).max(MAX_ID_CHARACTERS) }),
      success: { status: 204, description: 'Sent. It is not a dead letter any more' },
      problems: [404, 409, 503],
    },
    async ({ params: { id } }) => {
      await letters.sendAgain(id);
      return { status: 204 };
    },
  );
  addEndpoint(
    api,
    {
      method: 'delete',
      path: '/debug/dead-letters/{id}',
      operationId: 'discardDeadLetter',
      tag,
      summary: 'Discard a dead letter',
      description:
        'Nobody will send it. Its event stays in the log. 409 while another request sends it.',
      access,
      params: z.object({ id: z.string().min(1).max(MAX_ID_CHARACTERS) }),
      success: { status: 204, description: 'It is not a dead letter any more' },
      problems: [404, 409],
    },
    async ({ params: { id } }) => {
      await letters.discard(id);
      return { status: 204 };
    },
  );
}
