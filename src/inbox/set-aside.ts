/** Webhook events that could not be used, kept as facts with the reason: stream `inbox-{queueId}`. */
import { type EventStore, type NewEvent, WrongExpectedRevision } from '../eventstore/port.ts';
import { backwards, lastEvent } from '../eventstore/reading.ts';
import type { JsonValue } from '../kit/json.ts';
import { Lru } from '../kit/lru.ts';
import type { Vault } from '../runtime/ports.ts';

/** What belongs to no tenant is sealed with the service's own key. */
const SERVICE_KEY = '_';

export interface SetAside {
  /** Whether this very event was set aside before. */
  has(queueId: string, seq: number): Promise<boolean>;
  /** Idempotent by queue and number: numbers of a queue come in order. */
  keep(event: {
    readonly queueId: string;
    /** null: it has none, and a repeat cannot be known. */
    readonly seq: number | null;
    readonly tenant: string | null;
    readonly reason: string;
    /** As the request's JSON had it. */
    readonly content: unknown;
  }): Promise<void>;
}

const TRIES = 5;

export function createSetAside(options: {
  store: EventStore;
  vault: Vault;
  now: () => number;
  newId: () => string;
  /** Whether other processes write to the same log. Default false. */
  shared?: boolean;
}): SetAside {
  const { store, vault, now, newId } = options;
  const known = new Lru<{ revision: number; seq: number }>(1000);

  async function last(stream: string): Promise<{ revision: number; seq: number }> {
    const event = await lastEvent(store, stream);
    return { revision: event?.revision ?? -1, seq: Number(event?.data.seq ?? -1) };
  }

  async function headOf(stream: string): Promise<{ revision: number; seq: number }> {
    const head = known.get(stream) ?? (await last(stream));
    known.set(stream, head);
    return head;
  }

  return {
    async has(queueId, wanted) {
      const stream = `inbox-${queueId}`;
      let head = await headOf(stream);
      if (wanted > head.seq && options.shared) {
        known.delete(stream); // another process may have set it aside
        head = await headOf(stream);
      }
      if (wanted >= head.seq) return wanted === head.seq;
      for await (const { data } of backwards(store, stream, { from: head.revision })) {
        if (Number(data.seq) <= wanted) return Number(data.seq) === wanted;
      }
      return false;
    },
    async keep({ queueId, seq: given, tenant, reason, content }) {
      const stream = `inbox-${queueId}`;
      for (let attempt = 1; ; attempt++) {
        const head = await headOf(stream);
        const seq = given ?? head.seq + 1;
        if (seq <= head.seq) return;
        const commandId = newId();
        const event: NewEvent = {
          id: newId(),
          type: 'EventSetAside',
          schemaVersion: 1,
          data: { queueId, seq, reason },
          personal: await vault.seal(tenant ?? SERVICE_KEY, {
            content: content as JsonValue, // it was parsed from JSON
          }),
          metadata: {
            tenant,
            at: now(),
            commandId,
            correlationId: commandId,
            causationId: commandId,
            machine: 'inbox/1',
          },
        };
        try {
          const expected = head.revision < 0 ? 'no-stream' : head.revision;
          const { revision } = await store.append(stream, [event], expected);
          known.set(stream, { revision, seq });
          return;
        } catch (error) {
          known.delete(stream);
          if (!(error instanceof WrongExpectedRevision) || attempt >= TRIES) throw error;
        }
      }
    },
  };
}
