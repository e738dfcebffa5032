/** Read models that are rebuilt again and again, until they are killed. Arguments: the folder of a log, its secret. */
import { join } from 'node:path';
import { openSqliteEventStore } from '../../src/eventstore/sqlite/store.ts';
import { newId } from '../../src/kit/id.ts';
import { createProjections } from '../../src/projections/projections.ts';
import { deriveSecrets } from '../../src/runtime/vault/secrets.ts';
import { createVault } from '../../src/runtime/vault/vault.ts';

const [folder = '', secret = ''] = process.argv.slice(2);
const store = await openSqliteEventStore(join(folder, 'events.db'), { readOnly: true });
const { wrapping } = deriveSecrets([secret]);
const vault = createVault({ store, wrapping, now: Date.now, newId });
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
