import { afterAll } from 'vitest';
import { startWorld, type World, type WorldOptions } from './world.ts';

/**
 * A world for a test file, closed when its tests are done. To be awaited at the top level of the file. No request that
 * the service makes may ever be unsigned or malformed, whatever a test is about.
 */
export async function testWorld(options: WorldOptions): Promise<World> {
  const world = await startWorld(options);
  afterAll(async () => {
    const unsigned = options.tenants.flatMap(({ id }) =>
      world.tenant(id).lhc.requests.filter(({ signed, callback }) => !signed || !callback),
    );
    await world.close();
    if (unsigned.length > 0)
      throw new Error(`${unsigned.length} callbacks were not signed rightly`);
  });
  return world;
}
