/** An event as the debugger shows it. */
import { z } from '@hono/zod-openapi';

const MAX_STREAM_CHARACTERS = 300;

export const StreamName = z.string().min(1).max(MAX_STREAM_CHARACTERS);
export const StreamParams = z.object({ stream: StreamName });

export const EventView = z
  .object({
    position: z.string(),
    stream: z.string(),
    revision: z.int(),
    id: z.string(),
    type: z.string(),
    schemaVersion: z.int(),
    data: z.unknown(),
    personal: z.unknown().openapi({
      description:
        'Personal data, opened; null if the event has none, or the key is gone. Secrets of tenants are left out',
    }),
    erased: z
      .boolean()
      .openapi({ description: 'The event had personal data, and the key is gone' }),
    sealedBy: z
      .string()
      .nullable()
      .openapi({ description: 'The name of the data key; null without personal data' }),
    metadata: z.unknown(),
  })
  .openapi('RecordedEvent');
