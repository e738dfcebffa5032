import { afterAll } from 'vitest';
import { startWorld, type World, type WorldOptions } from './world.ts';

/**
 * A world for a test file, closed when its tests are done. To be awaited at the top level of the file. No request that
 * the service makes may ever be unsigned or malformed, and no defect be in its log, whatever a test is about.
 */
export async function testWorld(options: WorldOptions): Promise<World> {
  const world = await startWorld(options);
  afterAll(async () => {
    const unsigned = options.tenants.flatMap(({ id }) =>
      world.tenant(id).lhc.requests.filter(({ signed, callback }) => !signed || !callback),
    );
    const logs = world.processes.flatMap((process) => process.logs().split('\n'));
    await world.close();
    // A defect that is caught somewhere is one all the same. (undici says a TypeError for a server that is away.)
    const defects = logs.filter(
      (line) => /"type":"(Reference|Type|Range)Error"/.test(line) && !line.includes('fetch failed'),
    );
    if (defects.length > 0) throw new Error(`a defect in the service's log: ${defects[0]}`);
    if (unsigned.length > 0)
      throw new Error(`${unsigned.length} callbacks were not signed rightly`);
  });
  return world;
}
