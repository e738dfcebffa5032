/** The outline of a stream: when each fact was, and of which type. For lists, filters and jumps by time. */
import { z } from '@hono/zod-openapi';
import { AppError } from '../../errors.ts';
import { READ_LIMIT } from '../../eventstore/port.ts';
import { lastEvent } from '../../eventstore/reading.ts';
import type { Access } from '../frame/auth.ts';
import { type Api, addEndpoint } from '../frame/endpoint.ts';
import { StreamParams } from './events.ts';

/** Facts in one answer. Each takes some 20 bytes. */
export const MAX_OUTLINE_FACTS = 10_000;

export const Outline = z
  .object({
    stream: z.string(),
    first: z.int().openapi({ description: 'The first revision that the stream still has' }),
    last: z.int(),
    from: z.int().openapi({
      description:
        'The revision of the first entry of `at` and `type`; the others follow without gaps',
    }),
    types: z.array(z.string()),
    at: z.array(z.number()).openapi({ description: 'ms since 1970' }),
    type: z.array(z.int()).openapi({ description: 'Places in `types`' }),
    next: z.int().nullable().openapi({ description: '`from` of the next page' }),
  })
  .openapi('Outline', {
    description: 'In columns: streams of tens of thousands of facts fit into an answer',
  });

/** /debug/streams/{stream}/outline. Nothing is decrypted for it. */
export function addOutlineEndpoint(api: Api, access: Access<null>): void {
  const { store } = api.deps;
  addEndpoint(
    api,
    {
      method: 'get',
      path: '/debug/streams/{stream}/outline',
      operationId: 'readOutline',
      tag: 'Debug',
      summary: 'The time and the type of each event of a stream',
      access,
      params: StreamParams,
      query: z.strictObject({
        from: z.coerce.number().int().min(0).default(0),
        limit: z.coerce.number().int().min(1).max(MAX_OUTLINE_FACTS).default(MAX_OUTLINE_FACTS),
      }),
      success: { status: 200, description: 'A page of the outline', schema: Outline },
      problems: [404],
    },
    async ({ params: { stream }, query: { from, limit } }) => {
      const [[first], last] = await Promise.all([
        store.readStream(stream, { limit: 1 }),
        lastEvent(store, stream),
      ]);
      if (!first || !last)
        throw new AppError('not-found', 'there is no such stream, or it is empty');
      const begin = Math.max(from, first.revision);
      const places = new Map<string, number>();
      const at: number[] = [];
      const type: number[] = [];
      while (at.length < limit) {
        const page = await store.readStream(stream, {
          from: begin + at.length,
          limit: Math.min(READ_LIMIT, limit - at.length),
        });
        for (const event of page) {
          const place = places.get(event.type) ?? places.size;
          places.set(event.type, place);
          at.push(event.metadata.at);
          type.push(place);
        }
        if (page.length === 0 || begin + at.length > last.revision) break;
      }
      const end = begin + at.length;
      return {
        status: 200,
        json: {
          stream,
          first: first.revision,
          last: last.revision,
          from: begin,
          types: [...places.keys()],
          at,
          type,
          next: end <= last.revision && at.length > 0 ? end : null,
        },
      };
    },
  );
}
