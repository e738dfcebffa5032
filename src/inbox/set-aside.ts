/** Webhook events that cannot be used, kept as facts with the reason: stream `inbox-{queueId}`. */
import type { EventStore } from '../eventstore/port.ts';
import { backwards } from '../eventstore/reading.ts';
import type { JsonValue } from '../kit/json.ts';
import type { Vault } from '../runtime/ports.ts';
import { createServiceFacts, type Head } from '../runtime/service-facts.ts';

/** The name of the data key that seals events of no tenant. */
const SERVICE_KEY = '_';

export interface UnusableEvent {
  readonly queueId: string;
  /** null for an event without a number: a repeat of it is kept again. */
  readonly seq: number | null;
  readonly tenant: string | null;
  readonly reason: string;
  /** As the request's JSON had it. */
  readonly content: unknown;
}

export interface SetAside {
  /** True if the event with this number was set aside before. */
  has(queueId: string, seq: number): Promise<boolean>;
  /** Keeps an event. A number that is not above the last one of its queue is a repeat and does nothing. */
  keep(event: UnusableEvent): Promise<void>;
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
    keep: ({ queueId, seq: number, tenant, reason, content }) => {
      const stream = streamOf(queueId);
      return facts.appendNext(stream, async (head, id) => {
        const seq = number ?? seqOf(head) + 1;
        if (seq <= seqOf(head)) return null;
        const type = 'EventSetAside';
        const personal = await vault.seal(
          tenant ?? SERVICE_KEY,
          { content: content as JsonValue }, // it was parsed from JSON
          { stream, type, id },
        );
        return { type, data: { queueId, seq, reason }, personal, tenant };
      });
    },
  };
}
