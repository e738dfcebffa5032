/**
 * Turns webhook batches of mod_lhc into commands. This is the entry of `inbox/`; the composition (src/service) imports
 * it.
 *
 * An event that cannot be used is set aside as a fact, and does not hold up its batch. A repeated batch does nothing,
 * because every event has a number in its queue.
 */
import type { Logger } from 'pino';
import type { TenantId } from '../actors/ids.ts';
import { AppError, isPermanent, messageOf } from '../errors.ts';
import type { Inbox } from '../runtime/ports.ts';
import { createWebhookCommands, Unusable, type WebhookCommandOptions } from './commands.ts';
import { isKnownType, Numbered, WebhookEvent } from './events.ts';

interface UnusableEvent {
  readonly content: unknown;
  readonly reason: string;
  /** To be done after the event was set aside. */
  readonly afterwards?: (() => Promise<void>) | undefined;
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

export function createInbox(
  options: WebhookCommandOptions & { readonly logger: Logger },
): Inbox & { readonly again: (content: unknown, commandId: string) => Promise<void> } {
  const { setAside, logger } = options;
  const commands = createWebhookCommands(options);

  /** The tenant of an unusable event; null if unknown. */
  function tenantOf(content: unknown): TenantId | null {
    const { from } = (content ?? {}) as { from?: unknown }; // unparsed JSON
    return typeof from === 'string' ? (commands.operatorOf(from)?.tenant ?? null) : null;
  }

  /** Handles one event. @returns the event if it has to be set aside, otherwise null */
  async function handle(content: unknown): Promise<UnusableEvent | null> {
    const parsed = WebhookEvent.safeParse(content);
    if (!parsed.success) {
      if (!isKnownType(typeOf(content))) {
        logger.debug('an event was ignored: this release does not know its type');
        return null;
      }
      const issue = parsed.error.issues[0];
      const where = issue?.path.join('.') || 'event';
      return { content, reason: `${where}: ${issue?.message ?? 'malformed'}` };
    }
    try {
      await commands.handle(parsed.data);
      return null;
    } catch (error) {
      if (error instanceof Unusable) {
        return { content, reason: error.message, afterwards: error.afterwards };
      }
      if (!isPermanent(error)) throw error;
      return { content, reason: messageOf(error) };
    }
  }

  async function setAsideOne({ content, reason, afterwards }: UnusableEvent): Promise<void> {
    const numbered = Numbered.safeParse(content);
    // An event without queue and number is kept too, but its repeats cannot be recognised.
    const { queueId, seq } = numbered.success
      ? numbered.data
      : { queueId: 'unnumbered', seq: null };
    logger.warn({ queueId, seq, reason }, 'a webhook event was set aside');
    await setAside.keep({ queueId, seq, tenant: tenantOf(content), reason, content });
    await afterwards?.();
  }

  return {
    async take(events) {
      const handled: Promise<UnusableEvent | null>[] = [];
      let chains: Chains = new Map();
      for (const content of events) {
        if (typeOf(content) === 'module.started') {
          // Barrier: finish everything before this event, then start everything after it.
          await Promise.all(handled);
          chains = new Map();
          handled.push(Promise.resolve(await handle(content)));
        } else {
          handled.push(enqueue(chains, content, () => handle(content)));
        }
      }
      // Wait for all others first, and keep the order: a queue remembers the highest number that was set aside.
      for (const unusable of await Promise.all(handled)) {
        if (unusable) await setAsideOne(unusable);
      }
    },
    async again(content, commandId) {
      const parsed = WebhookEvent.safeParse(content);
      if (!parsed.success || parsed.data.type !== 'message') {
        throw new AppError(
          'refused',
          'only a message can be sent again, and this event is not a message',
        );
      }
      try {
        await commands.message(parsed.data, { commandId });
      } catch (error) {
        if (error instanceof Unusable)
          throw new AppError('refused', `it is still unusable: ${error.message}`);
        throw error;
      }
    },
  };
}
