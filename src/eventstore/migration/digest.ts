/** What a log says, in short: equal digests mean equal events in equal order, whatever store they are in. */
import { hash } from 'node:crypto';
import type { JsonValue, RecordedEvent } from '../port.ts';

/** A JSON text that does not depend on the order of keys. */
export const canonicalJson = (value: JsonValue): string => {
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  const members = Object.keys(value)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${canonicalJson(value[key] ?? null)}`);
  return `{${members.join(',')}}`;
};

/** SHA-256 of everything about an event but its position, which is its store's. */
export const hashOf = (event: RecordedEvent): string => {
  const { position: _, ...content } = event;
  // An event is what JSON.parse made of its JSON, so it is a JSON value, whatever its interfaces say.
  return hash('sha256', canonicalJson(content as unknown as JsonValue));
};

export interface StreamDigest {
  readonly events: number;
  /** Each event's hash after that of the ones before it. */
  readonly chain: string;
}

export interface LogDigest {
  add(stream: string, eventHash: string): void;
  readonly events: number;
  /** Over all events in their order. */
  readonly chain: string;
  /** Some 300 bytes of memory for each stream. */
  readonly streams: ReadonlyMap<string, StreamDigest>;
}

export const createLogDigest = (): LogDigest => {
  const streams = new Map<string, StreamDigest>();
  let events = 0;
  let chain = '';
  return {
    add: (stream, eventHash) => {
      const before = streams.get(stream);
      streams.set(stream, {
        events: (before?.events ?? 0) + 1,
        chain: hash('sha256', (before?.chain ?? '') + eventHash),
      });
      chain = hash('sha256', chain + eventHash);
      events += 1;
    },
    get events() {
      return events;
    },
    get chain() {
      return chain;
    },
    streams,
  };
};
