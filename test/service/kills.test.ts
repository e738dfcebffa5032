/** A short campaign of kills. `npm run test:campaign` runs the long one. `SEED` repeats a schedule. */
import { randomInt } from 'node:crypto';
import { expect, it } from 'vitest';
import { runCampaign } from './campaign/campaign.ts';

const seed = Number(process.env.SEED ?? randomInt(1, 1_000_000));

it(`all acknowledged messages arrive once and in order, whatever is killed (seed ${seed})`, async () => {
  const report = await runCampaign({
    seed,
    serviceKills: 3,
    eachFailpoint: 1,
    ejabberdKills: 1,
    lhcAwayFor: 60,
    messages: 50,
    paceMs: 250,
  });
  expect(report.faults).toEqual([]);
  expect(report.serviceKills).toBe(10);
  expect(report.toOperators.promised).toBeGreaterThanOrEqual(50);
  expect(report.chatsRouted).toBeGreaterThanOrEqual(30);
  expect(report.toLhc.promised).toBeGreaterThanOrEqual(50);
}, 600_000);
