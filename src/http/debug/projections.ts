/** For engineers: which rows of the read models queries see, and a way to rebuild them. */
import { z } from '@hono/zod-openapi';
import type { BuildView } from '../../projections/projections.ts';
import type { Access } from '../frame/auth.ts';
import { type Api, addEndpoint } from '../frame/endpoint.ts';

const Build = z.object({
  number: z.int(),
  versions: z.record(z.string(), z.int()),
  complete: z.boolean(),
  position: z.string().nullable(),
  following: z.unknown().openapi({
    description: 'How the build follows the log; null: rows of an older version do not follow it',
  }),
} satisfies Record<keyof BuildView, z.ZodType>);

const Builds = z
  .object({
    shown: Build.nullable().openapi({ description: 'The rows that queries see' }),
    building: Build.nullable().openapi({ description: 'The rows that will replace them' }),
  })
  .openapi('Builds');

/** /debug/projections */
export function addProjectionEndpoints(api: Api, access: Access<null>): void {
  const { readModels } = api.deps;
  const builds = async () => {
    const { current, next } = await readModels.builds();
    return { shown: viewOf(current), building: viewOf(next) };
  };
  const tag = 'Debug';

  addEndpoint(
    api,
    {
      method: 'get',
      path: '/debug/projections',
      operationId: 'getBuilds',
      tag,
      summary: 'The rows that queries see, and the rows that are being built',
      access,
      success: { status: 200, description: 'Both', schema: Builds },
    },
    async () => ({ status: 200, json: await builds() }),
  );

  addEndpoint(
    api,
    {
      method: 'post',
      path: '/debug/projections/rebuild',
      operationId: 'rebuildProjections',
      tag,
      summary: 'Rebuild the read models from the log',
      description:
        'Queries see the old rows until the new ones have caught up. If a rebuild is running already, this starts no other.',
      access,
      success: { status: 202, description: 'The rebuild is running', schema: Builds },
      problems: [503],
    },
    async () => {
      await readModels.rebuild();
      return { status: 202, json: await builds() };
    },
  );
}

const viewOf = (build: BuildView | null) =>
  build && { ...build, following: followingOf(build.following) };

/** The names are part of the API, so they do not follow those of the code. */
function followingOf(state: BuildView['following']) {
  if (state === null) return null;
  const { eventsApplied: applied, failure: failed, ...rest } = state;
  return { ...rest, applied, failed };
}
