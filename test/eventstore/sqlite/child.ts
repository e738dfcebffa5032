/**
 * A process to be killed: it appends to many streams and prints a line for each acknowledged append. Arguments: the path of
 * the log, the number of appends at once, and optionally the number of a message of the writer. When that message arrives,
 * the process kills itself: then the events are on disk, and no append was acknowledged.
 */
import { writeSync } from 'node:fs';
import { openSqliteEventStore } from '../../../src/eventstore/sqlite/store.ts';
import { spawnWriter } from '../../../src/eventstore/sqlite/writer-thread.ts';
import { event } from '../events.ts';
import { type Intent, intentOf } from './intent.ts';

const [path = '', atOnce = '8', dieAt = ''] = process.argv.slice(2);

const store = await openSqliteEventStore(path, {
  spawn: (file) => {
    const worker = spawnWriter(file);
    let messages = 0;
    // Runs before the listener of the store.
    worker.on('message', () => {
      messages += 1;
      if (String(messages) === dieAt) process.kill(process.pid, 'SIGKILL');
    });
    return worker;
  },
});

/** Returns after the line was written, so that the parent knows every acknowledged append whenever the kill comes. */
const write = (line: unknown): void => {
  let rest = Buffer.from(`${JSON.stringify(line)}\n`);
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(1, rest));
    } catch (error) {
      // The pipe is full, because its reader is slow.
      if (!(error instanceof Error && 'code' in error && error.code === 'EAGAIN')) throw error;
    }
  }
};

const run = async (writer: number): Promise<void> => {
  const stream = `visitor-demo.${writer}`;
  const [last] = await store.readStream(stream, { direction: 'backwards', limit: 1 });
  for (let revision = last?.revision ?? -1; ; ) {
    const events = [event(revision + 1), event(revision + 2)];
    const intent: Intent = { stream, expected: intentOf(revision), events };
    write({ intent });
    ({ revision } = await store.append(stream, events, intent.expected));
    write({ acknowledged: events.map(({ id }) => id) });
  }
};
await Promise.all(Array.from({ length: Number(atOnce) }, (_, i) => run(i)));
