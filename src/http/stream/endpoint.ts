/** A tenant's changes as they happen: server-sent events, from where the caller was. */
import { z } from '@hono/zod-openapi';
import type { Access, Caller } from '../frame/auth.ts';
import { type Api, endpoint } from '../frame/endpoint.ts';
import { STREAM_TYPES } from './events.ts';

const types = z
  .string()
  .max(100)
  .transform((text) => text.split(','))
  .pipe(z.array(z.enum(STREAM_TYPES)))
  .optional()
  .openapi({
    type: 'string',
    description: `Of ${STREAM_TYPES.join(', ')}, with commas; default: all`,
  });

const LastEventId = z.object({
  'Last-Event-ID': z
    .string()
    .optional()
    .openapi({ description: 'The last `id` that was received; browsers send it by themselves' }),
});

/** The endpoint of live changes. */
export function stream(api: Api, access: Access<Caller>): void {
  const { deps } = api;
  endpoint(
    api,
    {
      method: 'get',
      path: '/v1/{tenant}/stream',
      operationId: 'followChanges',
      tag: 'Live',
      summary: 'Changes as they happen, as server-sent events',
      description:
        'First `hello` with `position`, to query from with `minPosition`. Then `visitor`, `chat`, `operator` and `message`, each with `fact`, `at` and the row as queries show it, in the order of the log; `id` is a position. Who comes again with `Last-Event-ID` misses nothing, may get the last event twice, and sees rows as they are now; `reset` says that this is not possible, and to query anew from its `position`. A message that was displayed stands for all before it of the same side; numbers of messages come with the next change of their chat. A reader who is too slow is cut off.',
      access,
      query: z.strictObject({ types }),
      headers: LastEventId,
      success: {
        status: 200,
        description: 'Events, until one side ends it',
        type: 'text/event-stream',
        schema: z.string(),
      },
      problems: [503],
    },
    ({ caller: { tenant }, query, request, hangUp }) => ({
      status: 200,
      type: 'text/event-stream',
      // nginx holds back what it does not have to send at once.
      headers: { 'X-Accel-Buffering': 'no' },
      stream: deps.stream.open({
        tenant,
        hangUp,
        types: new Set(query.types ?? STREAM_TYPES),
        lastEventId: request.header('last-event-id'),
      }),
    }),
  );
}
