import { afterAll } from 'vitest';
import { startWorld, type World, type WorldOptions } from './world.ts';

/**
 * A world for a test file, closed after its tests. Await it at the top level of the file. Whatever the tests are about, it
 * checks that the service sent no unsigned or malformed request and logged no defect.
 */
export async function testWorld(options: WorldOptions): Promise<World> {
  const world = await startWorld(options);
  afterAll(async () => {
    const unsigned = options.tenants.flatMap(({ id, settings }) =>
      settings?.callbackFlavour === 'xmppservice'
        ? []
        : world.tenant(id).lhc.requests.filter(({ signed, callback }) => !signed || !callback),
    );
    const logs = world.processes.flatMap((process) => process.logs().split('\n'));
    await world.close();
    // A defect is a defect even if it was caught. (undici reports an unreachable server as a TypeError.)
    const defects = logs.filter(
      (line) => /"type":"(Reference|Type|Range)Error"/.test(line) && !line.includes('fetch failed'),
    );
    if (defects.length > 0) throw new Error(`a defect in the service's log: ${defects[0]}`);
    if (unsigned.length > 0) throw new Error(`${unsigned.length} callbacks had no valid signature`);
  });
  return world;
}
