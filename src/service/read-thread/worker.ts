/**
 * The thread of the read models. It follows the log over a connection of its own, and answers what the main thread asks
 * (protocol.ts). A long query, a statistic or a rebuild delays no command.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { openEventStore, sqlitePath } from '../../eventstore/open.ts';
import { createProjections } from '../../projections/projections.ts';
import { createReadModels, type ReadModels } from '../../projections/read-models.ts';
import { deriveSecrets } from '../../runtime/vault/secrets.ts';
import { createVault } from '../../runtime/vault/vault.ts';
import { createFailpoints } from '../failpoints.ts';
import { type FromThread, type ReadThreadData, type ToThread, toSent } from './protocol.ts';

if (!parentPort) throw new Error('this file is the entry of a thread');
const port = parentPort;
const { eventStore, path, serviceSecrets, failpoints }: ReadThreadData = workerData;

const send = (message: FromThread): void => port.postMessage(message);

let look = (): void => {};
const store = await openEventStore(eventStore, {
  besideWriter: (lookNow) => {
    look = lookNow;
  },
});
const readOnly = () => Promise.reject(new Error('the thread of the read models only reads'));
const vault = createVault({
  store: {
    readStream: store.readStream,
    append: readOnly,
    deleteStream: readOnly,
    truncateBefore: readOnly,
  },
  wrapping: deriveSecrets(serviceSecrets).wrapping,
  now: Date.now,
  newId: () => '',
  shared: true, // the main thread may delete a key
});
const failpoint = createFailpoints(failpoints);
const projections = createProjections({
  path,
  store,
  vault: { ...vault, learn: sqlitePath(eventStore) === null ? null : vault.learn },
  beforeCheckpoint: () => failpoint('in-fold'),
});
const readModels = createReadModels({ projections, store, now: Date.now });
readModels.changes.follow({
  onChanges: (changes) => send({ kind: 'changes', changes }),
  onReplaced: () => send({ kind: 'replaced' }),
});
const ending = new AbortController();
const following = projections.start(ending.signal);

async function stop(): Promise<void> {
  ending.abort();
  await following;
  projections.close();
  await store.close();
  port.close();
}

type Question = (...args: readonly unknown[]) => Promise<unknown>;

/** @param question a path in {@link ReadModels}; only the main thread asks */
function answer(question: string, args: readonly unknown[]): Promise<unknown> {
  const [subject, method] = question.split('.') as [keyof ReadModels, string | undefined];
  const part: unknown = readModels[subject];
  // remote.ts makes the paths from the same type.
  const ask = method === undefined ? part : (part as Record<string, unknown>)[method];
  return (ask as Question)(...args);
}

port.on('message', (message: ToThread) => {
  switch (message.kind) {
    case 'ask': {
      const { n, question, args } = message;
      if (question === 'reach') look(); // somebody waits for rows
      answer(question, args).then(
        (value) => send({ kind: 'answer', n, value }),
        (error) => send({ kind: 'error', n, error: toSent(error) }),
      );
      break;
    }
    case 'grown':
      look();
      break;
    case 'stop':
      void stop();
  }
});
send({ kind: 'ready' });
