/**
 * Property test of routing: acts of operators and visitors, time and crashes in random order. `ROUTING_RUNS=500 npx
 * vitest run …` tries more orders. `SEED` repeats an order, but not its timing.
 */
import { randomInt } from 'node:crypto';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { waitFor } from '../../support/wait.ts';
import { expectedRows, faultsOfLog, pendingWork, rowsOf } from './invariants.ts';
import {
  type Act,
  anyAct,
  OPERATORS,
  openScene,
  type RoutingSettings,
  routingSettings,
  type Scene,
  VISITORS,
} from './scene.ts';

const RUNS = Number(process.env.ROUTING_RUNS ?? 12);
const seed = Number(process.env.SEED ?? randomInt(1, 1_000_000_000));
const REST_DEADLINE_MS = 10_000;

/** Waits until routing has nothing left to do. It restarts a process that crashes meanwhile. */
async function rest(scene: Scene, settings: RoutingSettings): Promise<void> {
  let pending: string[] = [];
  await waitFor(
    async () => {
      if (scene.hasCrashed()) await scene.restart();
      await scene.caughtUp();
      pending = await pendingWork(scene, settings);
      // A reservation of a crashed process is revoked at its deadline.
      if (pending.some((each) => each.endsWith('reserved'))) {
        scene.rig().clock.passes(1_000);
      }
      return pending.length === 0;
    },
    { deadlineMs: REST_DEADLINE_MS, every: 5, what: () => `rest: ${pending.join('; ')}` },
  );
}

async function rowsAgree(scene: Scene): Promise<void> {
  await scene.caughtUp();
  await waitFor(
    async () => {
      await scene.caughtUp();
      const expected = await expectedRows(scene);
      expect(rowsOf(scene)).toEqual(expected);
      return true;
    },
    { what: 'rows that agree' },
  );
}

const registerAll: readonly Act[] = OPERATORS.map((operator) => ({
  do: 'register',
  operator,
  capacity: 3,
  departments: [],
}));

it(
  `each chat has one owner, no place is used twice, no chat waits while an operator could have it (seed ${seed})`,
  async () => {
    await fc.assert(
      fc.asyncProperty(
        routingSettings,
        fc.array(fc.array(anyAct, { minLength: 1, maxLength: 4 }), { minLength: 4, maxLength: 14 }),
        async (settings, batches) => {
          const scene = await openScene(settings);
          try {
            for (const operator of OPERATORS) {
              await scene.together([{ do: 'register', operator, capacity: 2, departments: [] }]);
              await scene.together([{ do: 'be', operator, show: 'available' }]);
            }
            for (const [index, batch] of batches.entries()) {
              await scene.together(batch);
              expect(await faultsOfLog(scene, settings)).toEqual([]);
              if (index % 3 === 2) await rest(scene, settings);
            }
            await rest(scene, settings);
            // Long enough for every timer: offers, the owners' grace, pauses.
            for (let round = 0; round < 3; round++) {
              await scene.together([{ do: 'pass', seconds: 61 }]);
              await rest(scene, settings);
            }
            await scene.restart();
            await rest(scene, settings);
            await rowsAgree(scene);
            const live = rowsOf(scene);
            await scene.routing().stop();
            await scene.restart({ withoutWork: true });
            await rest(scene, settings);
            await rowsAgree(scene);
            expect(rowsOf(scene).operators).toEqual(live.operators);

            await scene.together(registerAll);
            await scene.together(
              VISITORS.map((visitor) => ({ do: 'close', visitor, department: null })),
            );
            await rest(scene, settings);
            await scene.caughtUp();
            expect(rowsOf(scene)).toMatchObject({ visitors: [], chats: [] });
            for (const name of OPERATORS) {
              expect((await scene.operatorOf(name))?.context.chats).toEqual({});
            }
            expect(await faultsOfLog(scene, settings)).toEqual([]);
          } finally {
            await scene.close();
          }
        },
      ),
      { numRuns: RUNS, seed, endOnFailure: process.env.SHRINK === undefined },
    );
  },
  Math.max(60_000, RUNS * 10_000),
);
