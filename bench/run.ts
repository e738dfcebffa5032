/** `npm run bench [-- --json FILE] [-- --only NAME]`: every benchmark, one after the other, as one table. */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { benchEventStore } from './eventstore.ts';
import type { Row } from './row.ts';
import { table } from './table.ts';

/** Each measures itself and its reference in the same run. */
const benches: Record<string, () => Promise<Row[]>> = {
  eventstore: benchEventStore,
};

const { values } = parseArgs({ options: { json: { type: 'string' }, only: { type: 'string' } } });

const rows: Row[] = [];
for (const [name, bench] of Object.entries(benches)) {
  if (values.only !== undefined && values.only !== name) continue;
  rows.push(...(await bench()));
}
console.log(table(rows));
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(rows, null, 2)}\n`);
