/** Which appends travel to the writer's thread together: a real thread, and a look at its messages. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { encodeAppend } from '../../../src/eventstore/sqlite/encode.ts';
import type { ToWriter } from '../../../src/eventstore/sqlite/protocol.ts';
import {
  spawnWriter,
  startWriterThread,
  type WriterThread,
} from '../../../src/eventstore/sqlite/writer-thread.ts';
import { temporaryFolder } from '../../support/folder.ts';
import { event } from '../events.ts';

let folder: string;
let thread: WriterThread;
/** The number of appends in each message. */
let messages: number[];

beforeEach(async () => {
  folder = temporaryFolder('writer');
  messages = [];
  thread = await startWriterThread({
    spawn: () => {
      const worker = spawnWriter(join(folder, 'events.db'));
      const post = worker.postMessage.bind(worker);
      worker.postMessage = (message: ToWriter) => {
        if (message.kind === 'appends') messages.push(message.packed.split('no-stream').length - 1);
        post(message);
      };
      return worker;
    },
    onReady: () => undefined,
    onAnswer: () => undefined,
  });
});
afterEach(async () => {
  vi.useRealTimers();
  await thread.close();
  rmSync(folder, { recursive: true });
});

let streams = 0;
const send = (patient: boolean) =>
  thread.send(encodeAppend(`s-${streams++}`, [event(0)], 'no-stream'), 0, patient);

test('patient appends wait for one that somebody waits for, and travel with it', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }); // no time passes
  const patient = [send(true), send(true)];
  await nextTurn();
  expect(messages).toEqual([]);
  const urgent = send(false);
  await nextTurn();
  expect(messages).toEqual([3]);
  const answers = await Promise.all([...patient, urgent]);
  expect(answers.map(({ kind }) => kind)).toEqual(['appended', 'appended', 'appended']);
});

test('a patient append that nothing follows goes alone', async () => {
  expect(await send(true)).toMatchObject({ kind: 'appended' });
  expect(messages).toEqual([1]);
});

test('a thread that is closed takes patient appends along', async () => {
  const waiting = send(true);
  await thread.close();
  expect(await waiting).toMatchObject({ kind: 'appended' });
});
