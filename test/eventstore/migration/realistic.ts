/** A log like the service's: visitors, their lanes and keys, operators and leases, with deleted and truncated streams. */
import { createHash } from 'node:crypto';
import type { EventStore, ExpectedRevision, NewEvent } from '../../../src/eventstore/port.ts';
import type { JsonObject } from '../../../src/kit/json.ts';
import { seeded } from '../../support/seeded.ts';

export interface Realistic {
  /** Streams that a copy must not have. */
  readonly deleted: readonly string[];
  /** Truncated streams, with the revision of their first event. */
  readonly cut: ReadonlyMap<string, number>;
}

const WORDS = [
  'Hello',
  'Grüße',
  'Привет',
  'مرحبا',
  '你好',
  '👩‍👩‍👧‍👦',
  'e\u0301',
  'a "quote"',
  'back\\slash',
  '\u2028',
  'line\nbreak',
  '<b>&amp;</b>',
  '',
  '𝒳',
  'nul\u0000inside',
  'shop/products?id=7#top',
];
const AT_ONCE = 64;

/** @param count events to append; some of them are removed afterwards */
export const fillRealistic = async (
  store: EventStore,
  { count, seed = 1 }: { readonly count: number; readonly seed?: number },
): Promise<Realistic> => {
  const random = seeded(seed);
  const below = (n: number): number => Math.floor(random() * n);
  const pick = <T>(list: readonly T[]): T => list[below(list.length)] as T;
  const revisions = new Map<string, number>();
  const visitors = Math.max(10, Math.floor(count / 40));
  let at = 1_700_000_000_000;
  let made = 0;

  const idOf = (n: number): string => {
    const hex = createHash('sha256').update(`${seed} ${n}`).digest('hex');
    const time = (at + n).toString(16).padStart(12, '0');
    return `${time.slice(0, 8)}-${time.slice(8)}-7${hex.slice(0, 3)}-8${hex.slice(3, 6)}-${hex.slice(6, 18)}`;
  };
  const eventOf = (stream: string, type: string, data: JsonObject, sealed = false): NewEvent => {
    at += below(50);
    made += 1;
    const id = idOf(made);
    const key = stream.slice(stream.indexOf('-') + 1);
    const box = createHash('sha512')
      .update(id)
      .digest('base64')
      .repeat(1 + below(4));
    return {
      id,
      type,
      schemaVersion: 1 + below(2),
      data,
      personal: sealed ? { key, box } : null,
      metadata: {
        tenant: key.split('.', 1)[0] ?? null,
        at,
        machine: 'visitor/1',
        commandId: `command-${made}`,
        correlationId: id,
        causationId: id,
        ...(random() < 0.3 ? { wakeAt: at + 300_000 } : {}),
        ...(random() < 0.1 ? { hook: { queueId: 'q', seq: made } } : {}),
      },
    };
  };

  let flying: Promise<unknown>[] = [];
  const append = async (stream: string, events: readonly NewEvent[]): Promise<void> => {
    const revision = revisions.get(stream) ?? -1;
    const expected: ExpectedRevision = revision < 0 ? 'no-stream' : revision;
    revisions.set(stream, revision + events.length);
    flying.push(store.append(stream, events, expected));
    if (flying.length >= AT_ONCE) await land();
  };
  const land = async (): Promise<void> => {
    await Promise.all(flying);
    flying = [];
  };

  const types = ['PageViewed', 'VisitorMessageSent', 'MessageDelivered', 'ChatAssigned'] as const;
  while (made < count) {
    const key = `acme.${below(visitors)}`;
    const stream = `visitor-${key}`;
    if (!revisions.has(`key-${key}`)) {
      await append(`key-${key}`, [eventOf(`key-${key}`, 'DataKeyCreated', { wrapped: 'AAAA' })]);
    }
    const events = Array.from({ length: 1 + below(3) }, () => {
      const data = { text: pick(WORDS), deep: { z: [1, null, true, -0.5e-7], a: below(1e9) } };
      return eventOf(stream, pick(types), data, true);
    });
    await append(stream, events);
    const lane = `lane-${stream}.${pick(['lhc', 'xmpp'])}`;
    const through = events.at(-1)?.id ?? '';
    if (random() < 0.5) {
      const progress = {
        stream,
        destination: 'lhc',
        through,
        revision: revisions.get(stream) ?? 0,
      };
      await append(lane, [eventOf(lane, 'LaneAdvanced', progress)]);
    }
    if (random() < 0.02) {
      const operator = `operator-acme.op${below(5)}`;
      await append(operator, [eventOf(operator, 'PresenceChanged', { show: pick(WORDS) })]);
    }
    if (random() < 0.02) {
      const facts = [eventOf('lease-partitions', 'LeaseRenewed', { owner: 'a', partitions: [1] })];
      await append('lease-partitions', facts);
    }
  }
  await land();
  return remove(store, revisions, (name) => name.startsWith('key-') && random() < 0.1, below);
};

/** Deletes the keys of some visitors, and truncates the streams of some. */
const remove = async (
  store: EventStore,
  revisions: ReadonlyMap<string, number>,
  erases: (name: string) => boolean,
  below: (n: number) => number,
): Promise<Realistic> => {
  const deleted = [...revisions.keys()].filter(erases);
  const cut = new Map<string, number>();
  for (const [name, last] of revisions) {
    if (!name.startsWith('visitor-') || last < 5 || below(5) > 0) continue;
    const before = 1 + below(last - 1);
    await store.truncateBefore(name, before);
    cut.set(name, before);
  }
  for (const name of deleted) await store.deleteStream(name);
  return { deleted, cut };
};
