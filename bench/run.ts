/**
 * Benchmarks of the service and its parts. RESULTS.md has full runs, and says what each one measures.
 *
 * `npm run bench [-- --json FILE] [-- --only NAME]`: runs every benchmark, one after the other, and prints one table.
 * `-- --cpu-prof DIR` also writes a CPU profile of each measured service.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { benchBatch } from './batch.ts';
import { benchConsole } from './console.ts';
import { benchDeadLhc } from './dead-lhc.ts';
import { benchEsdb } from './esdb.ts';
import { benchEventStore } from './eventstore.ts';
import { benchFold } from './fold.ts';
import { benchLhcPageView } from './lhc-page-view.ts';
import { benchMemory } from './memory.ts';
import { benchMessages } from './messages.ts';
import { benchPageViews } from './page-views.ts';
import { benchQueries } from './queries.ts';
import { benchRebuild } from './rebuild.ts';
import { benchReplay } from './replay.ts';
import { benchRestart } from './restart.ts';
import { benchRouting } from './routing.ts';
import type { Row } from './row.ts';
import { table } from './table.ts';
import { benchXmppservice } from './xmppservice.ts';

const { values } = parseArgs({
  options: {
    json: { type: 'string' },
    only: { type: 'string' },
    'cpu-prof': { type: 'string' },
  },
});
const profiling = values['cpu-prof'];
const execArgv = profiling === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profiling}`];

/** Each benchmark measures our code and its reference in the same run. */
const benches: Record<string, () => Promise<Row[]>> = {
  eventstore: benchEventStore,
  esdb: benchEsdb,
  fold: benchFold,
  rebuild: benchRebuild,
  replay: benchReplay,
  'page-views': () => benchPageViews(execArgv),
  batch: () => benchBatch(execArgv),
  xmppservice: () => benchXmppservice(execArgv),
  messages: () => benchMessages(execArgv),
  queries: () => benchQueries(execArgv),
  restart: benchRestart,
  routing: benchRouting,
  'dead-lhc': benchDeadLhc,
  memory: benchMemory,
  'lhc-page-view': benchLhcPageView,
  console: benchConsole,
};

if (values.only !== undefined && !(values.only in benches)) {
  throw new Error(`--only takes one of ${Object.keys(benches).join(', ')}`);
}
const rows: Row[] = [];
for (const [name, bench] of Object.entries(benches)) {
  if (values.only !== undefined && values.only !== name) continue;
  rows.push(...(await bench()));
}
console.log(table(rows));
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(rows, null, 2)}\n`);
process.exit(0);
