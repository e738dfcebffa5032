/** What one request caused, on a bare store: a scan of the whole log for facts with its ids. */
import type { EventStore, RecordedEvent } from '../../eventstore/port.ts';
import { traceIdOf } from '../../kit/trace-context.ts';
import { wholeLog } from './scan-streams.ts';
import type { OnProgress, Trace, TraceNode } from './source.ts';

/** Facts of one trace. */
export const MOST_FACTS = 1_000;
const PROGRESS_EVENTS = 1_000;

/**
 * @param id of a request (correlation id), a trace, a command or a fact. A command or a fact stands for its request
 * @returns null if nothing has this id
 */
export async function scanTrace(
  store: Pick<EventStore, 'readAll'>,
  id: string,
  onProgress: OnProgress,
  signal?: AbortSignal,
): Promise<Trace | null> {
  let scanned = 0;
  const scan = async (matches: (event: RecordedEvent) => boolean): Promise<RecordedEvent[]> => {
    const found: RecordedEvent[] = [];
    for await (const event of wholeLog(store, signal)) {
      scanned += 1;
      if (scanned % PROGRESS_EVENTS === 0) onProgress(scanned);
      if (matches(event)) found.push(event);
      if (found.length > MOST_FACTS) break;
    }
    return found;
  };
  const named = await scan((event) => idsOf(event).includes(id));
  if (named.length === 0) return null;
  const requests = new Set(named.map(({ metadata }) => metadata.correlationId));
  // Facts that have the id of the request already are all there are.
  const isWhole = requests.size === 1 && requests.has(id);
  const found = isWhole
    ? named
    : await scan(
        (event) => idsOf(event).includes(id) || requests.has(event.metadata.correlationId),
      );
  return {
    id,
    traceId: null,
    nodes: nodesOf(found.slice(0, MOST_FACTS)),
    truncated: found.length > MOST_FACTS,
  };
}

/** The ids by which a fact is found. */
const idsOf = ({ id, metadata }: RecordedEvent): string[] => {
  const { correlationId, commandId } = metadata;
  return [id, correlationId, commandId, traceIdOf(metadata)];
};

/** Facts of one command were caused together: the first one stands for the command, and the others hang below it. */
function nodesOf(facts: readonly RecordedEvent[]): TraceNode[] {
  const firsts = new Map<string, string>();
  for (const { id, metadata } of facts) {
    if (!firsts.has(metadata.commandId)) firsts.set(metadata.commandId, id);
  }
  return facts.map(({ id, stream, revision, type, metadata }) => {
    const { at, commandId, causationId } = metadata;
    const first = firsts.get(commandId) ?? id;
    const cause = causationId === commandId ? null : (firsts.get(causationId) ?? causationId);
    const parent = first === id ? (cause === id ? null : cause) : first;
    return {
      id,
      parent,
      kind: 'fact',
      name: type,
      stream,
      revision,
      at,
      ms: null,
      outcome: null,
      detail: null,
    };
  });
}
