/**
 * `npm run test:campaign [-- SEED]`: the long kills. 20 kill -9 of the service and each failpoint several times over
 * 200 messages and more each way, then 5 kills of ejabberd, then LHC away for a while.
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
