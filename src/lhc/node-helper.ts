/**
 * LHC's Node helper, through Redis: it passes what is published there on to the widgets in visitors' browsers, and what
 * the widgets say to Redis. Nothing waits for Redis: while it is away, what is published is dropped and counted.
 */
import type { createClient } from '@redis/client';
import { z } from 'zod';
import { messageOf } from '../errors.ts';
import { backoff, type RetryPolicy } from '../kit/backoff.ts';
import type { Observe } from '../kit/outage.ts';

/** The time for a connection to Redis. */
export const REDIS_CONNECT_DEADLINE_MS = 5_000;
/** Redis is asked so often whether it is there. */
export const REDIS_PING_EVERY_MS = 5_000;
/** A connection on which nothing came for so long is given up. */
export const REDIS_SILENCE_MS = 15_000;
/** Waits between the tries to connect. */
export const REDIS_RETRY: RetryPolicy = { firstMs: 500, mostMs: 15_000 };
/** Publications that wait for Redis's answer. More are dropped. */
export const PUBLISHING_AT_ONCE = 1_000;
/** What comes through Redis and is longer is not read. What a visitor types is far shorter. */
export const PAYLOAD_CHARACTERS_MAX = 8_192;

/** The channels of widgets whose visitors are in a chat. */
export const CHAT_CHANNELS = 'chat_*';

/** The name in front of what this service publishes. The helper strips everything up to the first `/`. */
const OURS = 'bridge';

/** An operation of the widget. It has to be an object: anything else ends the widget's listener. */
export type WidgetOperation = { readonly op: string; readonly data?: unknown };

/** What a widget says, as far as it is read here. */
const Heard = z.discriminatedUnion('op', [
  z.object({ op: z.literal('vt'), msg: z.string() }),
  z.object({ op: z.literal('vts') }),
  z.object({ op: z.literal('vi_online'), status: z.boolean() }),
]);
export type HeardOperation = z.infer<typeof Heard>;

/** What is published, for the helper. */
export const payloadOf = (operation: WidgetOperation): string =>
  `${OURS}/o:${JSON.stringify(operation)}`;

/** @returns null for what is not a widget's, also our own; for what is too long, and what cannot be read */
export function heardIn(payload: string): HeardOperation | null {
  if (payload.length > PAYLOAD_CHARACTERS_MAX) return null;
  const slash = payload.indexOf('/');
  if (payload.slice(0, slash) === OURS || !payload.startsWith('o:{', slash + 1)) return null;
  try {
    return Heard.safeParse(JSON.parse(payload.slice(slash + 3))).data ?? null;
  } catch {
    return null; // it is not JSON
  }
}

export interface RedisCounts {
  /** Redis has taken them. */
  readonly published: number;
  /** Not published, because Redis was away or slow. */
  readonly dropped: number;
}

export interface RedisLink {
  /** Connects, and goes on trying until the stop. */
  start(): void;
  /** Publishes at once or not at all. */
  publish(channel: string, operation: WidgetOperation): void;
  /** @returns why Redis is away; null if it is there */
  away(): string | null;
  readonly counts: RedisCounts;
  stop(): void;
}

type Client = ReturnType<typeof createClient>;

/**
 * @param url `redis://` or `rediss://`
 * @param pattern of the channels to listen to
 * @param onMessage must not throw
 * @param observe learns of outages
 */
export function createRedisLink(options: {
  url: string;
  pattern: string;
  onMessage: (channel: string, payload: string) => void;
  observe: Observe;
  random: () => number;
}): RedisLink {
  const { url, pattern, onMessage, observe, random } = options;
  const counts = { published: 0, dropped: 0 };
  let clients: { readonly publisher: Client; readonly subscriber: Client } | null = null;
  let stopped = false;
  let reason = 'it is being connected';

  function tell(error: unknown): void {
    reason = messageOf(error);
    // The result is what the observer learns.
    observe(() => Promise.reject(error), messageOf).catch(() => undefined);
  }
  const isUp = (): boolean => clients?.publisher.isReady === true && clients.subscriber.isReady;

  async function connect(): Promise<void> {
    // Its modules take 30 MB. Without REDIS_URL nobody needs them.
    const redis = await import('@redis/client');
    if (stopped) return;
    const open = (): Client => {
      const client = redis.createClient({
        url,
        RESP: 2, // before version 6 Redis knows no other
        disableOfflineQueue: true,
        commandsQueueMaxLength: PUBLISHING_AT_ONCE,
        pingInterval: REDIS_PING_EVERY_MS,
        disableClientInfo: true,
        maintNotifications: 'disabled',
        socket: {
          connectTimeout: REDIS_CONNECT_DEADLINE_MS,
          socketTimeout: REDIS_SILENCE_MS,
          reconnectStrategy: (retries) => backoff(retries + 1, REDIS_RETRY, random),
        },
      }) as Client; // the type of a client with RESP 3, which is not used beyond `publish` and `pSubscribe`
      client.on('error', tell);
      client.on('ready', () => {
        if (isUp()) void observe(async () => undefined, messageOf);
      });
      return client;
    };
    clients = { publisher: open(), subscriber: open() };
    const { publisher, subscriber } = clients;
    await Promise.all([
      publisher.connect(),
      subscriber
        .connect()
        .then(() =>
          subscriber.pSubscribe(pattern, (payload, channel) => onMessage(channel, payload)),
        ),
    ]);
  }
  return {
    start() {
      connect().catch((error: unknown) => {
        if (!stopped) tell(error);
      });
    },
    publish(channel, operation) {
      if (!clients?.publisher.isReady) {
        counts.dropped++;
        return;
      }
      clients.publisher.publish(channel, payloadOf(operation)).then(
        () => counts.published++,
        () => counts.dropped++,
      );
    },
    away: () => (isUp() ? null : reason),
    counts,
    stop() {
      stopped = true;
      for (const client of clients ? [clients.publisher, clients.subscriber] : []) {
        if (client.isOpen) client.destroy();
      }
    },
  };
}
