import { randomUUID } from 'node:crypto';
import { AppError } from '../../errors.ts';
import { WrongExpectedRevision } from '../port.ts';
import type { Appends } from './appends.ts';
import { propose } from './encode.ts';
import type { ReadOptions, Reads } from './reads.ts';

/** The metadata stream of a stream without events. Readers of the log skip it, as they skip all events of the store itself. */
const STREAM = '$$xmpp-chat';
const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/;

const readLogId = async (reads: Reads, how: ReadOptions): Promise<string | undefined> => {
  const event = await reads.newest(STREAM, how);
  if (event === undefined) return undefined;
  const { data } = event;
  if (typeof data === 'object' && 'logId' in data) {
    const { logId } = data;
    if (typeof logId === 'string' && UUID.test(logId)) return logId;
  }
  throw new AppError(
    'invalid',
    'EVENT_STORE: the metadata of the stream xmpp-chat was changed and has no logId any more: restore its first version, every stored position contains that logId',
  );
};

/**
 * @param appends writes the id when the log is opened for the first time; undefined to read only
 * @returns the id of this log, which is part of every position
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
      'EVENT_STORE: this EventStoreDB has no log of xmpp-chat yet: start the service once',
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
    // Another process was faster, and its id counts.
    if (error instanceof WrongExpectedRevision) return logId(reads, undefined, how);
    throw error;
  }
};
