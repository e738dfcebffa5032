/** Read models that are rebuilt again and again, until they are killed. Arguments: the folder of a log, its key. */
import { join } from 'node:path';
import { openSqliteEventStore } from '../../src/eventstore/sqlite/store.ts';
import { newId } from '../../src/kit/id.ts';
import { createProjections } from '../../src/projections/projections.ts';
import { createVault } from '../../src/runtime/vault/vault.ts';

const [folder = '', wrapping = ''] = process.argv.slice(2);
const store = await openSqliteEventStore(join(folder, 'events.db'), { readOnly: true });
const key = Buffer.from(wrapping, 'hex');
const vault = createVault({ store, wrapping: key, now: Date.now, newId });
const projections = createProjections({ path: join(folder, 'killed.db'), store, vault });
projections.follow({
  onApplied: () => {},
  onReplaced: () => {
    process.stdout.write('replaced\n');
    setImmediate(() => projections.rebuild());
  },
});
const running = projections.start(new AbortController().signal);
process.stdout.write('started\n');
if (!projections.builds().next) projections.rebuild();
await running;
