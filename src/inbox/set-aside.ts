/**
 * Messages that could not be carried out, kept as facts with the reason: stream `inbox-{queueId}`. Keeping one cannot
 * fail because of its content: what is too large is cut.
 */
import { hash } from 'node:crypto';
import { type EventStore, isStoreAway } from '../eventstore/port.ts';
import { backwards } from '../eventstore/reading.ts';
import type { JsonObject, JsonValue } from '../kit/json.ts';
import type { Vault } from '../runtime/ports.ts';
import { createServiceFacts, type Head } from '../runtime/service-facts.ts';

/** An event of more bytes, as JSON, is kept in part. */
export const CONTENT_MAX_BYTES = 64 * 1024;
/** The beginning of the JSON of such an event that is kept. */
export const CUT_CHARACTERS = 4 * 1024;
/** Each of its short fields (type, ids, addresses) is kept up to this length. */
export const CUT_FIELD_CHARACTERS = 1024;
/** Levels of an event that are looked at if it is nested so deeply that it cannot be written as JSON. */
const CUT_LEVELS = 16;
/** The reason at most. It may hold the name of a field that somebody chose. */
export const REASON_MAX_CHARACTERS = 300;

/** A message that could not be carried out, and the visitor whom it concerns. */
export interface UnusableMessage {
  readonly queueId: string;
  /** null for an event without a number: a repeat of it is kept again. */
  readonly seq: number | null;
  readonly tenant: string;
  /** The username of who wrote it. */
  readonly operator: string;
  /** The name of the data key that seals the content: that of the visitor. */
  readonly sealingKey: string;
  readonly reason: string;
  /** As the request's JSON had it. */
  readonly content: unknown;
}

export interface SetAside {
  /** True if the event with this number was set aside before. */
  has(queueId: string, seq: number): Promise<boolean>;
  /**
   * Keeps an event. A number that is not above the last one of its queue is a repeat and does nothing.
   * @throws {AppError} `unavailable` if the event store is away. Nothing else, whatever the content
   */
  keep(event: UnusableMessage): Promise<void>;
}

const streamOf = (queueId: string): string => `inbox-${queueId}`;
const seqOf = ({ data }: Pick<Head, 'data'>): number => Number(data.seq ?? -1);

export function createSetAside(options: {
  store: EventStore;
  vault: Vault;
  now: () => number;
  newId: () => string;
  /** Whether other processes write to the same log. Default false. */
  shared?: boolean;
}): SetAside {
  const { store, vault, shared = false } = options;
  const facts = createServiceFacts(options);
  return {
    async has(queueId, seq) {
      const stream = streamOf(queueId);
      let head = await facts.head(stream);
      if (seq > seqOf(head) && shared) head = await facts.head(stream, true);
      if (seq >= seqOf(head)) return seq === seqOf(head);
      for await (const event of backwards(store, stream, { from: head.revision })) {
        if (seqOf(event) <= seq) return seqOf(event) === seq;
      }
      return false;
    },
    keep: ({ queueId, seq: number, tenant, operator, sealingKey, reason, content }) => {
      const stream = streamOf(queueId);
      return facts.appendNext(stream, async (head, id) => {
        const seq = number ?? seqOf(head) + 1;
        if (seq <= seqOf(head)) return null;
        const type = 'EventSetAside';
        const kept = bounded(content);
        const data = {
          queueId,
          seq,
          operator,
          reason: cut(reason, REASON_MAX_CHARACTERS),
          ...(kept.cut !== undefined && { cut: true }),
        };
        // A key that does not open must not hold up the queue: the event is kept without its content.
        const personal = await vault
          .seal(sealingKey, kept, { stream, type, id })
          .catch((error: unknown) => {
            if (isStoreAway(error)) throw error;
            return null;
          });
        return { type, data, ...(personal && { personal }), tenant };
      });
    },
  };
}

/** Cuts a text, without half a character at its end. */
const cut = (text: string, most: number): string => text.slice(0, most).toWellFormed();

/** The content as it is, or its short fields with its size, a hash and its beginning. */
function bounded(content: unknown): JsonObject {
  const json = jsonOf(content);
  // The content was parsed from JSON.
  if (json !== null && Buffer.byteLength(json) <= CONTENT_MAX_BYTES) {
    return { content: content as JsonValue };
  }
  const text = json ?? jsonOf(pruned(content, CUT_LEVELS)) ?? '';
  const fields = Object.entries(content ?? {}).flatMap(([name, value]) =>
    FIELDS.has(name) && (typeof value === 'string' || typeof value === 'number')
      ? [[name, typeof value === 'string' ? cut(value, CUT_FIELD_CHARACTERS) : value]]
      : [],
  );
  return {
    content: Object.fromEntries(fields),
    cut: cut(text, CUT_CHARACTERS),
    bytes: json === null ? null : Buffer.byteLength(json),
    sha256: hash('sha256', text, 'base64'),
  };
}

/** What says which event it is. */
const FIELDS = new Set(['queueId', 'seq', 'at', 'host', 'type', 'from', 'to', 'id', 'replaces']);

/** null if it is nested too deeply. */
function jsonOf(content: unknown): string | null {
  try {
    return JSON.stringify(content);
  } catch {
    return null;
  }
}

/** The upper levels of a value. */
function pruned(value: unknown, levels: number): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (levels === 0) return '…';
  if (Array.isArray(value)) return value.map((each) => pruned(each, levels - 1));
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => [name, pruned(each, levels - 1)]),
  );
}
