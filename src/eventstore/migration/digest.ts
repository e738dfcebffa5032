/** A short proof of a log's content: equal digests mean equal events in equal order, in whatever store they are. */
import { hash } from 'node:crypto';
import type { JsonValue } from '../../kit/json.ts';
import type { RecordedEvent } from '../port.ts';

/** A JSON text that does not depend on the order of keys. */
export function canonicalJson(value: JsonValue): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  const members = Object.keys(value)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${canonicalJson(value[key] ?? null)}`);
  return `{${members.join(',')}}`;
}

/** SHA-256 of everything about an event except its position, which differs from store to store. */
export function hashOfEvent({ position: _, ...content }: RecordedEvent): string {
  // An event is what JSON.parse made of its JSON, so it is a JSON value, whatever its interfaces say.
  return hash('sha256', canonicalJson(content as unknown as JsonValue));
}

interface Chain {
  readonly events: number;
  /** Each event's hash, hashed with the chain before it; empty without events. */
  readonly digest: string;
}

const EMPTY: Chain = { events: 0, digest: '' };

const extended = ({ events, digest }: Chain, eventHash: string): Chain => ({
  events: events + 1,
  digest: hash('sha256', digest + eventHash),
});

/** The digest of a whole log, and of each of its streams. Some 300 bytes of memory for each stream. */
export interface LogDigest {
  /** Over all events in their order. */
  log: Chain;
  readonly streams: Map<string, Chain>;
}

export const emptyDigest = (): LogDigest => ({ log: EMPTY, streams: new Map() });

/** Adds the next event of the log. */
export function addToDigest(digest: LogDigest, stream: string, eventHash: string): void {
  digest.streams.set(stream, extended(digest.streams.get(stream) ?? EMPTY, eventHash));
  digest.log = extended(digest.log, eventHash);
}
