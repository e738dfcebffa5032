import { checkLimit, checkStream } from '../checks.ts';
import type { ReadAllOptions, ReadStreamOptions, RecordedEvent } from '../port.ts';
import { decodeEvent, decodeOwn, isSystem } from './encode.ts';
import type { Positions } from './position.ts';
import { matcherOf } from './prefixes.ts';
import type { Reads } from './reads.ts';

const LIMIT = 1000;
/** Events of one read of the whole log with a filter: 1 MiB or two. */
const PAGE = 2000;

/** {@link EventStore.readStream} */
export const readStream = async (
  reads: Reads,
  positions: Positions,
  stream: string,
  { from, direction = 'forwards', limit = LIMIT }: ReadStreamOptions,
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

/** {@link EventStore.readAll}: the client reads the whole log unfiltered only, so the filter is here. */
export const readAll = async (
  reads: Reads,
  positions: Positions,
  { after, prefixes, direction = 'forwards', limit = LIMIT }: ReadAllOptions,
): Promise<readonly RecordedEvent[]> => {
  checkLimit(limit);
  const matches = matcherOf(prefixes);
  const found: RecordedEvent[] = [];
  let at = after === undefined ? undefined : positions.parse(after);
  for (;;) {
    const wanted = prefixes === undefined ? limit - found.length : PAGE;
    const page = await reads.scan({ after: at, direction, limit: wanted });
    for (const event of page) {
      if (isSystem(event) || !matches(event.streamId)) continue;
      const decoded = decodeEvent(event, positions);
      if (decoded !== undefined) found.push(decoded);
      if (found.length >= limit) return found;
    }
    const last = page.at(-1);
    if (last === undefined || page.length < wanted) return found;
    at = last.position.commit;
  }
};
