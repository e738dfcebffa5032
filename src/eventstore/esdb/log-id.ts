import { randomUUID } from 'node:crypto';
import { AppError } from '../../errors.ts';
import { WrongExpectedRevision } from '../port.ts';
import type { Appends } from './appends.ts';
import { propose } from './encode.ts';
import type { ReadOptions, Reads } from './reads.ts';

/** The metadata of a stream that has no events: no reader of the log that skips what is the store's own meets it. */
const STREAM = '$$xmpp-chat';
const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/;

const readLogId = async (reads: Reads, how: ReadOptions): Promise<string | undefined> => {
  const [event] = await reads.raw(STREAM, { from: 'end', direction: 'backwards', limit: 1 }, how);
  if (event === undefined) return undefined;
  const { data } = event;
  if (typeof data === 'object' && 'logId' in data) {
    const { logId } = data;
    if (typeof logId === 'string' && UUID.test(logId)) return logId;
  }
  throw new AppError(
    'invalid',
    'EVENT_STORE: the metadata of the stream xmpp-chat was changed, it has to hold the logId of this log: restore its first version, every stored position names it',
  );
};

/**
 * The name of this log, part of every position: written when it is opened for the first time, by whoever comes first.
 * @param appends undefined to read only
 */
export const logId = async (
  reads: Reads,
  appends: Appends | undefined,
  how: ReadOptions,
): Promise<string> => {
  const found = await readLogId(reads, how);
  if (found !== undefined) return found;
  if (appends === undefined) {
    throw new AppError(
      'invalid',
      'EVENT_STORE: this EventStoreDB holds no log of xmpp-chat yet: start the service once',
      { field: 'EVENT_STORE' },
    );
  }
  const id = randomUUID();
  const data = Buffer.from(JSON.stringify({ logId: id }));
  const proposals = [propose(randomUUID(), '$metadata', data, undefined)];
  try {
    await appends.append({ stream: STREAM, proposals, expected: 'no-stream' }, data.length);
    return id;
  } catch (error) {
    // Another process was faster, and its name is the log's.
    if (error instanceof WrongExpectedRevision) return logId(reads, undefined, how);
    throw error;
  }
};
