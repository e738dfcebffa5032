/**
 * A stand-in for the service: accepts mod_lhc's posts over HTTP, and checks their signatures with the reference library
 * of Standard Webhooks. It keeps every request, and its answers can be changed while it runs.
 */
import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { Webhook } from 'standardwebhooks';
import { z } from 'zod';
import { waitFor } from '../support/wait.ts';

const common = {
  queueId: z.uuid(),
  seq: z.int().positive(),
  at: z.iso.datetime({ precision: 3 }),
  host: z.string().min(1),
};
const session = { user: z.string(), resource: z.string(), session: z.string().min(8) };
/** The stream that a message came from. */
const stream = { session: z.string().min(8), resumptions: z.int().min(0) };
const pair = { from: z.string(), to: z.string() };
/** It was said in the visitor's room. */
const room = z.literal(true).optional();

/** Exactly the events of ejabberd/mod_lhc/README.md. An additional or missing field fails a test. */
const eventSchema = z.discriminatedUnion('type', [
  z.strictObject({
    ...common,
    type: z.literal('module.started'),
    version: z.string(),
    ejabberd: z.string(),
    reason: z.enum(['start', 'overflow']),
    instance: z.string(),
  }),
  z.strictObject({ ...common, type: z.literal('operator.connected'), ...session }),
  z.strictObject({ ...common, type: z.literal('operator.disconnected'), ...session }),
  z.strictObject({
    ...common,
    type: z.literal('operator.presence'),
    ...session,
    show: z.enum(['available', 'chat', 'away', 'xa', 'dnd', 'unavailable']),
    status: z.string(),
    priority: z.int(),
  }),
  z.strictObject({ ...common, type: z.literal('operator.ping'), ...session }),
  z.strictObject({ ...common, type: z.literal('operator.ping_timeout'), ...session }),
  z.strictObject({
    ...common,
    type: z.literal('message'),
    ...pair,
    room,
    id: z.string().min(1),
    body: z.record(z.string(), z.string()),
    thread: z.string().optional(),
    receipt: z.literal(true).optional(),
    markable: z.literal(true).optional(),
    replaces: z.string().optional(),
    replyTo: z.string().optional(),
    quote: z.tuple([z.int(), z.int()]).optional(),
    ...stream,
  }),
  z.strictObject({
    ...common,
    type: z.literal('retraction'),
    ...pair,
    room,
    id: z.string().min(1),
    retracts: z.string().min(1),
    ...stream,
  }),
  z.strictObject({
    ...common,
    type: z.literal('reaction'),
    ...pair,
    room,
    id: z.string().min(1),
    reactsTo: z.string().min(1),
    reactions: z.array(z.string().min(1)),
    ...stream,
  }),
  z.strictObject({
    ...common,
    type: z.literal('unsupported'),
    ...pair,
    room,
    id: z.string().min(1),
    what: z.enum(['encrypted', 'retraction', 'reaction']),
    ...stream,
  }),
  z.strictObject({
    ...common,
    type: z.literal('chat_state'),
    ...pair,
    state: z.enum(['composing', 'paused', 'active']),
  }),
  z.strictObject({
    ...common,
    type: z.literal('delivered'),
    ...pair,
    ids: z.array(z.string()).min(1),
    by: z.enum(['receipt', 'ping']),
  }),
  z.strictObject({ ...common, type: z.literal('displayed'), ...pair, id: z.string() }),
]);

export type LhcEvent = z.infer<typeof eventSchema>;
type OfType<T extends LhcEvent['type']> = Extract<LhcEvent, { type: T }>;

export interface Batch {
  readonly id: string;
  readonly timestamp: number;
  readonly signature: string;
  readonly body: string;
  readonly events: readonly LhcEvent[];
  /** Milliseconds of `performance.now()`. */
  readonly receivedAt: number;
}

/** An HTTP status. `lost`: the connection is cut. `hang`: there is no answer. */
export type Answer = number | 'lost' | 'hang';

export interface Receiver {
  readonly url: string;
  readonly secret: string;
  /** Every request with a valid signature, in order of arrival. */
  readonly batches: readonly Batch[];
  /** Everything that was wrong with requests. Tests expect none. */
  readonly faults: readonly string[];
  /** The events of all batches that were answered 2xx, in order and without repeats. */
  readonly events: readonly LhcEvent[];
  ofType<T extends LhcEvent['type']>(type: T): OfType<T>[];
  /** Waits for an event of this type that satisfies the condition. */
  event<T extends LhcEvent['type']>(
    type: T,
    condition?: (event: OfType<T>) => boolean,
    deadlineMs?: number,
  ): Promise<OfType<T>>;
  /** Sets the answer to further requests. Default 204. */
  answer(next: Answer | ((batch: Batch) => Answer)): void;
  close(): Promise<void>;
}

const newSecret = (): string => `whsec_${randomBytes(24).toString('base64')}`;

/** @param tls PEM texts; with them the receiver uses HTTPS */
export async function startReceiver(tls?: { key: string; cert: string }): Promise<Receiver> {
  const secret = newSecret();
  const webhook = new Webhook(secret);
  const batches: Batch[] = [];
  const faults: string[] = [];
  const events: LhcEvent[] = [];
  const known = new Set<string>();
  const highest = new Map<string, number>();
  let nextAnswer: Answer | ((batch: Batch) => Answer) = 204;

  function take(batch: Batch): void {
    for (const event of batch.events) {
      const key = `${event.queueId} ${event.seq}`;
      if (known.has(key)) continue;
      known.add(key);
      if (event.seq <= (highest.get(event.queueId) ?? 0)) faults.push(`out of order: ${key}`);
      highest.set(event.queueId, event.seq);
      events.push(event);
    }
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks).toString('utf8');
    const headers = Object.fromEntries(
      Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
    );
    const batch: Batch = {
      id: headers['webhook-id'] ?? '',
      timestamp: Number(headers['webhook-timestamp']),
      signature: headers['webhook-signature'] ?? '',
      body,
      events: z.array(eventSchema).min(1).parse(webhook.verify(body, headers)),
      receivedAt: performance.now(),
    };
    if (headers['content-type'] !== 'application/json') faults.push('content-type');
    batches.push(batch);
    const answer = typeof nextAnswer === 'function' ? nextAnswer(batch) : nextAnswer;
    if (answer === 'lost') request.socket.destroy();
    if (typeof answer !== 'number') return;
    if (answer < 300) take(batch);
    response.writeHead(answer).end();
  }

  const listener = (request: IncomingMessage, response: ServerResponse) => {
    handle(request, response).catch((error: unknown) => {
      faults.push(String(error));
      response.writeHead(400).end();
    });
  };
  const server = tls ? createTlsServer(tls, listener) : createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');

  const ofType = <T extends LhcEvent['type']>(type: T): OfType<T>[] =>
    events.filter((event): event is OfType<T> => event.type === type);

  return {
    batches,
    faults,
    events,
    secret,
    ofType,
    url: `${tls ? 'https://localhost' : 'http://127.0.0.1'}:${address.port}/ejabberd/events`,
    event: (type, condition = () => true, deadlineMs = 5_000) =>
      waitFor(() => ofType(type).find(condition), {
        deadlineMs,
        what: () => `${type}; there are ${events.map((event) => event.type).join(', ')}; ${faults}`,
      }),
    answer(next) {
      nextAnswer = next;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
