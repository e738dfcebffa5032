import { checkLimit, checkStream } from '../input-checks.ts';
import {
  READ_LIMIT,
  type ReadAllOptions,
  type ReadStreamOptions,
  type RecordedEvent,
} from '../port.ts';
import { decodeEvent, decodeOwn, isSystem } from './encode.ts';
import type { Positions } from './position.ts';
import type { Reads } from './reads.ts';

/** {@link EventStore.readStream} */
export const readStream = async (
  reads: Reads,
  positions: Positions,
  stream: string,
  { from, direction = 'forwards', limit = READ_LIMIT }: ReadStreamOptions,
): Promise<readonly RecordedEvent[]> => {
  checkStream(stream);
  checkLimit(limit);
  const forwards = direction === 'forwards';
  if (from !== undefined && from < 0 && !forwards) return [];
  const events = await reads.raw(stream, {
    from: from === undefined ? (forwards ? 'start' : 'end') : BigInt(Math.max(from, 0)),
    direction,
    limit,
  });
  return events.map((event) => decodeOwn(event, positions));
};

/** {@link EventStore.readAll} */
export const readAll = async (
  reads: Reads,
  positions: Positions,
  { after, prefixes, direction = 'forwards', limit = READ_LIMIT }: ReadAllOptions,
): Promise<readonly RecordedEvent[]> => {
  checkLimit(limit);
  const found: RecordedEvent[] = [];
  let at = after === undefined ? undefined : positions.parse(after);
  for (;;) {
    const left = limit - found.length;
    const page = await reads.scan({ after: at, direction, limit: left, prefixes });
    for (const event of page) {
      const decoded = isSystem(event) ? undefined : decodeEvent(event, positions);
      if (decoded !== undefined) found.push(decoded);
    }
    const last = page.at(-1);
    if (last === undefined || page.length < left || found.length === limit) return found;
    at = last.position.commit;
  }
};
