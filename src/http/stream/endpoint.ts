/** A tenant's changes as they happen: server-sent events, from where the caller stopped. */
import { z } from '@hono/zod-openapi';
import type { HonoRequest } from 'hono';
import { STREAM_TYPES } from '../../projections/changes.ts';
import type { Access, Caller } from '../frame/auth.ts';
import { type Api, addEndpoint } from '../frame/endpoint.ts';
import { tooMany } from '../frame/problem.ts';
import { STREAM_RETRY_AFTER_S, type StreamHub } from './hub.ts';

const types = z
  .string()
  .max(100)
  .transform((list) => list.split(','))
  .pipe(z.array(z.enum(STREAM_TYPES)))
  .optional()
  .openapi({
    type: 'string',
    description: `One or several of ${STREAM_TYPES.join(', ')}, separated by commas. Default: all`,
  });

const LastEventId = z.object({
  'Last-Event-ID': z.string().optional().openapi({
    description: 'The last `id` that the caller received. Browsers send it themselves',
  }),
});

export function addStreamEndpoint(api: Api, access: Access<Caller>, hub: StreamHub): void {
  addEndpoint(
    api,
    {
      method: 'get',
      path: '/v1/{tenant}/stream',
      operationId: 'followChanges',
      tag: 'Live',
      summary: 'Changes as they happen, as server-sent events',
      description:
        'The first event is `hello`. Its `position` is for queries, as `minPosition`. Then come `visitor`, `chat`, `operator` and `message` in the order of the log. Each has `fact`, `at` and the row as queries show it. The `id` is a position. A caller who reconnects with `Last-Event-ID` misses nothing, may get the last event twice, and sees rows as they are now. If that is not possible, the event `reset` says so: query anew from its `position`. A displayed message stands for all messages of the same side before it. The numbers of messages of a chat come with the next change of that chat. A reader who is too slow is cut off.',
      access,
      query: z.strictObject({ types }),
      headers: LastEventId,
      success: {
        status: 200,
        description: 'Events, until one side ends the connection',
        type: 'text/event-stream',
        schema: z.string(),
      },
      problems: [503],
    },
    async ({ caller: { tenant }, query, request, hangUp }) => {
      if (hub.isFullFor(tenant.id)) {
        api.overBounds.note(tenant.id, 'liveConnections');
        return tooMany('this tenant has too many live connections', STREAM_RETRY_AFTER_S);
      }
      return {
        status: 200,
        type: 'text/event-stream',
        // nginx buffers answers without this header.
        headers: { 'X-Accel-Buffering': 'no' },
        stream: await hub.open({
          tenant,
          isAdmitted: () => isAdmitted(access, request),
          hangUp,
          types: new Set(query.types ?? STREAM_TYPES),
          lastEventId: request.header('last-event-id'),
        }),
      };
    },
  );
}

/** Whether a request that was let in would be let in now. */
function isAdmitted(access: Access<Caller>, request: HonoRequest): boolean {
  try {
    access.authorize(request);
    return true;
  } catch {
    return false;
  }
}
