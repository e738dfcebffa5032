/** Folds a log until it is killed. Arguments: path of the log, path of the rows. */
import { openSqliteEventStore } from '../../src/eventstore/sqlite/store.ts';
import { openCounts } from './counts.ts';

const [logPath = '', rowsPath = ''] = process.argv.slice(2);
const store = await openSqliteEventStore(logPath, { readOnly: true });
const { fold } = openCounts(rowsPath, store, { batch: 20 });
await fold.run(new AbortController().signal);
