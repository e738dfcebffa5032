/**
 * Turns webhook batches of mod_lhc into commands. This is the entry of `inbox/`; the composition (src/service) imports
 * it.
 *
 * **The answer to a batch says only whether the event store took it** (docs/adr/0020). Every other failure belongs to one
 * event: it is tried a few times and then given up, and the batch goes on. A message that is given up is kept as a fact;
 * other events are counted and dropped. A repeated batch does nothing, because every event has a number in its queue.
 */
import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises';
import type { Logger } from 'pino';
import { sealingKeyOf, visitorRef } from '../actors/ids.ts';
import { type TenantDirectory, tenantsNotKnown } from '../actors/tenant/directory.ts';
import { AppError, isPermanent, messageOf } from '../errors.ts';
import { EVENT_STORE, isStoreAway, WrongExpectedRevision } from '../eventstore/port.ts';
import { backoff, type RetryPolicy } from '../kit/backoff.ts';
import { within } from '../kit/deadline.ts';
import { createLimiter } from '../kit/limiter.ts';
import { forRequest, type RequestCause } from '../runtime/cause.ts';
import { Mailboxes } from '../runtime/host/mailbox.ts';
import type { JournalWriter } from '../runtime/journal/entries.ts';
import { observedRequest } from '../runtime/journal/observed.ts';
import type { Inbox } from '../runtime/ports.ts';
import { createWebhookCommands, type WebhookCommandOptions } from './commands.ts';
import { createDrops } from './drops.ts';
import { isKnownType, Numbered, WebhookEvent } from './events.ts';
import type { Letter } from './given-up.ts';

/** Tries of one event within its batch. */
export const EVENT_TRIES = 3;
/** Waits between these tries. */
export const EVENT_RETRY: RetryPolicy = { firstMs: 100, mostMs: 400 };
/** An event that takes longer has failed. Its actor hangs, so it is not tried again. */
export const EVENT_DEADLINE_MS = 30_000;
/** Events of one batch that are carried out at the same time. */
export const EVENTS_AT_ONCE = 32;
/** Batches of one queue in this process: one is carried out and the other one waits. mod_lhc posts one at a time. */
export const BATCHES_OF_QUEUE = 2;
/** Batches of all queues in this process. */
export const BATCHES_AT_ONCE = 256;

/** The place of a fault in a malformed event, at most. */
const WHERE_MAX_CHARACTERS = 100;

/** What became of the events since this process started. */
export interface InboxCounts {
  /** Messages that were kept as facts. */
  setAside: number;
  /** Other events that could not be carried out. */
  dropped: number;
  /** Tries of events that were not the first one. */
  retries: number;
}

interface Failure {
  readonly content: unknown;
  /** undefined if the content is malformed. */
  readonly event: WebhookEvent | undefined;
  readonly reason: string;
}

/** The last part of a chain of events: each actor has one chain. */
type Chains = Map<string, Promise<unknown>>;

const typeOf = (content: unknown): unknown => (content as { type?: unknown } | null)?.type; // unparsed JSON

/**
 * The actors of an event, as names. Events of the same actor keep their order, and the others run side by side. An actor
 * takes a lower number of a queue behind a higher one for a repeat, so an overtaken event would be lost.
 */
function actorsOf(content: unknown): readonly string[] {
  const { from, to, user } = (content ?? {}) as Record<string, unknown>; // unparsed JSON
  return [from, to, user].flatMap((name) =>
    typeof name === 'string' ? (name.split(/[@/]/, 1)[0] ?? '').toLowerCase() : [],
  );
}

/** Starts the handling of an event when the chains of its actors have come that far. */
function enqueue<T>(chains: Chains, content: unknown, handle: () => Promise<T>): Promise<T> {
  const names = actorsOf(content);
  const handling = Promise.all(names.map((name) => chains.get(name))).then(handle);
  handling.catch(() => undefined); // the caller awaits it later; until then a failure must not end the process
  for (const name of names) chains.set(name, handling);
  return handling;
}

/** The queue of a batch, all of whose events are of one queue; '' if the first event does not say. */
function queueOf(events: readonly unknown[]): string {
  const first = Numbered.shape.queueId.safeParse(
    (events[0] as { queueId?: unknown } | null | undefined)?.queueId, // unparsed JSON
  );
  return first.success ? first.data : '';
}

/** The reason for a person. The message of an error that is not ours may hold what an operator wrote. */
const reasonOf = (error: unknown): string =>
  error instanceof AppError
    ? messageOf(error)
    : `a defect of the service (${error instanceof Error ? error.name : typeof error})`;

const late = (): AppError =>
  new AppError('timeout', `it was not done within ${EVENT_DEADLINE_MS / 1000} s`, { late: true });

const storeAway = (): AppError =>
  new AppError('unavailable', 'the event store was away', { part: EVENT_STORE });

export interface ServiceInbox extends Inbox {
  readonly counts: Readonly<InboxCounts>;
  /** Carries out a message again that was set aside. @throws {AppError} `refused` with the reason */
  again(content: unknown, commandId: string): Promise<void>;
}

/**
 * While this process does not know all tenants, it takes no event that may be of one of the others. A host with a tenant
 * of its own has no other.
 * @throws {AppError} `unavailable`: mod_lhc sends the batch again
 */
function requireKnownHosts(tenants: TenantDirectory, events: readonly unknown[]): void {
  if (tenants.isComplete()) return;
  const hosts = new Set(
    events.map((event) => (event as { host?: unknown } | null)?.host), // unparsed JSON
  );
  for (const host of hosts) {
    if (typeof host !== 'string') continue;
    const isWhole = tenants.ofHost(host.toLowerCase()).some(({ instance }) => !instance);
    if (!isWhole) throw tenantsNotKnown();
  }
}

/** Each event is a request of its own: a batch has those of many people. */
const causeOf = ({ queueId, seq }: Pick<WebhookEvent, 'queueId' | 'seq'>): RequestCause => ({
  correlationId: `webhook:${queueId}:${seq}`,
});

export function createInbox(
  options: WebhookCommandOptions & {
    readonly logger: Logger;
    /** True if the event store was away at some time in the last so many ms. */
    readonly storeWasAway: (ms: number) => boolean;
    readonly random?: () => number;
    readonly journal?: JournalWriter;
    /** ms since 1970 */
    readonly now?: () => number;
  },
): ServiceInbox {
  const { setAside, logger, storeWasAway, random = Math.random } = options;
  const commands = createWebhookCommands(options);
  const handle = (event: WebhookEvent): Promise<void> =>
    observedRequest(
      causeOf(event),
      { ...options, name: `webhook ${event.type}` },
      () => commands.handle(event),
      () => null,
    );
  const queues = new Mailboxes(BATCHES_OF_QUEUE);
  const counts: InboxCounts = { setAside: 0, dropped: 0, retries: 0 };

  /** Carries out one event. @returns the failure, or null. @throws {AppError} if the event store is away */
  async function carryOut(content: unknown): Promise<Failure | null> {
    const parsed = WebhookEvent.safeParse(content);
    if (!parsed.success) {
      if (!isKnownType(typeOf(content))) {
        logger.debug('an event was ignored: this release does not know its type');
        return null;
      }
      const issue = parsed.error.issues[0];
      // The path may hold a key that somebody chose.
      const where = issue?.path.join('.').slice(0, WHERE_MAX_CHARACTERS) || 'event';
      return { content, event: undefined, reason: `${where}: ${issue?.message ?? 'malformed'}` };
    }
    const { data: event } = parsed;
    for (let tries = 1; ; tries++) {
      try {
        await within(EVENT_DEADLINE_MS, handle(event), late);
        return null;
      } catch (error) {
        if (isStoreAway(error)) throw error;
        const isLate = error instanceof AppError && error.details.late === true;
        // It waited for the store, perhaps behind a command that did so before.
        if (isLate && storeWasAway(EVENT_DEADLINE_MS)) throw storeAway();
        if (isPermanent(error) || isLate || tries === EVENT_TRIES) {
          if (!(error instanceof AppError)) logger.error({ err: error }, 'a webhook event failed');
          return { content, event, reason: reasonOf(error) };
        }
        counts.retries += 1;
        await delay(backoff(tries, EVENT_RETRY, random));
      }
    }
  }

  /**
   * As new as the log: with an older key nobody could read the letter any more. For a visitor whose history does not fit
   * the first one is taken; if it was destroyed, the letter is kept without its content.
   */
  async function generationNow({
    tenant,
    visitor,
  }: Pick<Letter, 'tenant' | 'visitor'>): Promise<number> {
    try {
      const state = await options.actors.visitor(tenant, visitor).latest();
      return state?.context.erasure.generation ?? 0;
    } catch (error) {
      if (isStoreAway(error)) throw error;
      return 0;
    }
  }

  async function giveUp(
    { content, event, reason }: Failure,
    drops: ReturnType<typeof createDrops>,
  ): Promise<void> {
    const letter = await commands.giveUp(content, event);
    const numbered = Numbered.safeParse(content);
    // An event without queue and number is kept too, but its repeats cannot be recognised.
    const { queueId, seq } = numbered.success
      ? numbered.data
      : { queueId: 'unnumbered', seq: null };
    if (!letter) {
      counts.dropped += 1;
      drops.add(typeOf(content), reason, seq);
      return;
    }
    const what = { type: typeOf(content), queueId, seq, reason };
    counts.setAside += 1;
    logger.warn(what, 'a webhook event was set aside');
    const { tenant, visitor, operator, tell } = letter;
    const sealingKey = sealingKeyOf(visitorRef(tenant, visitor), await generationNow(letter));
    await setAside.keep({ queueId, seq, tenant, operator, sealingKey, reason, content });
    await tell().catch((error: unknown) => {
      if (isStoreAway(error)) throw error;
      logger.warn({ ...what, why: messageOf(error) }, 'the sender could not be told');
    });
  }

  /** Gives up an event. @throws {AppError} if the event store is away; whatever else happens, the batch goes on */
  async function giveUpSafely(
    failure: Failure,
    drops: ReturnType<typeof createDrops>,
  ): Promise<void> {
    const numbered = Numbered.safeParse(failure.content);
    try {
      await (numbered.success
        ? forRequest(causeOf(numbered.data), () => giveUp(failure, drops))
        : giveUp(failure, drops));
    } catch (error) {
      if (isStoreAway(error)) throw error;
      if (error instanceof WrongExpectedRevision) {
        const reason = 'other processes keep writing to the stream of this queue';
        throw new AppError('unavailable', reason, { part: EVENT_STORE }, { cause: error });
      }
      counts.dropped += 1;
      logger.error({ err: error }, 'a webhook event was dropped: it could not be set aside');
    }
  }

  /** Carries out a batch. It rejects when nothing of the batch is at work any more. */
  async function takeBatch(events: readonly unknown[]): Promise<void> {
    const limited = createLimiter(EVENTS_AT_ONCE);
    const handled: Promise<Failure | null>[] = [];
    let chains: Chains = new Map();
    let away: { readonly error: unknown } | null = null;
    const handle = async (content: unknown): Promise<Failure | null> => {
      if (away) return null; // the batch comes again
      try {
        return await carryOut(content);
      } catch (error) {
        away ??= { error };
        return null;
      }
    };
    const all = async () => {
      const failures = await Promise.all(handled);
      if (away) throw away.error;
      return failures;
    };
    for (const [index, content] of events.entries()) {
      // Requests and other batches have their turn in between.
      if (index % EVENTS_AT_ONCE === EVENTS_AT_ONCE - 1) await turn();
      if (typeOf(content) === 'module.started') {
        // Barrier: finish everything before this event, then start everything after it.
        await all();
        chains = new Map();
        handled.push(Promise.resolve(await handle(content)));
      } else {
        handled.push(enqueue(chains, content, () => limited(() => handle(content))));
      }
    }
    // Wait for all others first, and keep the order: a queue remembers the highest number that was set aside.
    const failures = await all();
    const drops = createDrops();
    try {
      for (const failure of failures) if (failure) await giveUpSafely(failure, drops);
    } finally {
      const summary = drops.summary();
      if (summary) {
        logger.warn({ queueId: queueOf(events), ...summary }, 'webhook events were dropped');
      }
    }
  }

  return {
    counts,
    take: async (events) => {
      if (queues.waiting >= BATCHES_AT_ONCE) {
        throw new AppError('overloaded', 'too many batches are being carried out; send it again');
      }
      requireKnownHosts(options.tenants, events);
      await queues.run(queueOf(events), () => takeBatch(events));
    },
    async again(content, commandId) {
      const parsed = WebhookEvent.safeParse(content);
      if (!parsed.success || parsed.data.type !== 'message') {
        throw new AppError(
          'refused',
          'only a whole message can be sent again. This one is malformed, or it was too large to be kept whole',
        );
      }
      await commands.message(parsed.data, commandId);
    },
  };
}
