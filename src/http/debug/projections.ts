/** For engineers: which rows the read models show, and to have them built anew. */
import { z } from '@hono/zod-openapi';
import type { BuildView } from '../../projections/projections.ts';
import type { Access } from '../frame/auth.ts';
import { type Api, endpoint } from '../frame/endpoint.ts';

const Build = z.object({
  number: z.int(),
  versions: z.record(z.string(), z.int()),
  complete: z.boolean(),
  position: z.string().nullable(),
  following: z
    .unknown()
    .openapi({ description: 'How it follows the log; null: rows of an older version stand still' }),
} satisfies Record<keyof BuildView, z.ZodType>);

const Builds = z
  .object({
    shown: Build.nullable().openapi({ description: 'What queries see' }),
    building: Build.nullable().openapi({ description: 'What will take its place' }),
  })
  .openapi('Builds');

/** The endpoints of /debug/projections. */
export function debugProjections(api: Api, access: Access<null>): void {
  const { projections } = api.deps;
  const tag = 'Debug';

  endpoint(
    api,
    {
      method: 'get',
      path: '/debug/projections',
      operationId: 'getBuilds',
      tag,
      summary: 'The rows that queries see, and those that are being built',
      access,
      success: { status: 200, description: 'Both', schema: Builds },
    },
    () => ({ status: 200, json: projections.builds() }),
  );

  endpoint(
    api,
    {
      method: 'post',
      path: '/debug/projections/rebuild',
      operationId: 'rebuildProjections',
      tag,
      summary: 'Build the read models anew from the log',
      description:
        'Beside those that queries see, which they replace when they have caught up. While some are being built, no others are begun.',
      access,
      success: { status: 202, description: 'They are being built', schema: Builds },
      problems: [503],
    },
    () => {
      projections.rebuild();
      return { status: 202, json: projections.builds() };
    },
  );
}
