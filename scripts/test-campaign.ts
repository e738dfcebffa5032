/**
 * `npm run test:campaign [-- SEED]`: the long campaign of failures. 20 kill -9 of the service and 4 of each failpoint,
 * during at least 200 messages each way; then 5 kills of ejabberd; then LHC is away for a while. Exits with 1 if a
 * promise was broken. The seed of a run repeats it.
 */
import { randomInt } from 'node:crypto';
import { runCampaign } from '../test/service/campaign/campaign.ts';

const seed = Number(process.argv[2] ?? process.env.SEED ?? randomInt(1, 1_000_000));
console.log(`seed ${seed}`);
const report = await runCampaign({
  seed,
  serviceKills: 20,
  eachFailpoint: 4,
  ejabberdKills: 5,
  lhcAwayFor: 100,
  messages: 200,
  paceMs: 250,
  say: (line) => console.log(line),
});
console.log(JSON.stringify(report, null, 2));
process.exit(report.faults.length === 0 ? 0 : 1);
