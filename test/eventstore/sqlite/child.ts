/**
 * The process that the kill tests kill: appends to many streams and writes a line for each acknowledged append.
 * Arguments: path of the log, appends at once, and optionally the number of the writer's message at whose arrival it
 * kills itself: then the events are on disk, and nobody was told.
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
    // Ahead of the listener of the store.
    worker.on('message', () => {
      messages += 1;
      if (String(messages) === dieAt) process.kill(process.pid, 'SIGKILL');
    });
    return worker;
  },
});

/** Written before it returns, so that what was told is known whenever the kill comes. */
const write = (line: unknown): void => {
  let rest = Buffer.from(`${JSON.stringify(line)}\n`);
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(1, rest));
    } catch (error) {
      // The pipe is full: its reader is slow.
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
