/**
 * Webhook batches of mod_lhc become commands. An event that cannot be used is set aside as a fact and does not hold up
 * its batch; a batch that comes again does nothing twice, by the number of each event in its queue.
 */
import type { Logger } from 'pino';
import type { TenantId } from '../actors/ids.ts';
import { AppError, isPermanent, messageOf } from '../errors.ts';
import type { Inbox } from '../runtime/ports.ts';
import { createWebhookCommands, Unusable, type WebhookCommandOptions } from './commands.ts';
import { isKnownType, Numbered, WebhookEvent } from './events.ts';

/** An event that has to be set aside. */
interface Aside {
  readonly content: unknown;
  readonly reason: string;
  readonly afterwards?: (() => Promise<void>) | undefined;
}

export function createInbox(
  options: WebhookCommandOptions & { readonly logger: Logger },
): Inbox & { readonly again: (content: unknown, commandId: string) => Promise<void> } {
  const { setAside, logger } = options;
  const commands = createWebhookCommands(options);

  /** The tenant that an unusable event belongs to, as far as can be told. */
  function tenantOf(content: unknown): TenantId | null {
    const { from } = (content ?? {}) as { from?: unknown }; // whatever it is, it is only looked at
    return typeof from === 'string' ? (commands.operatorOf(from)?.tenant ?? null) : null;
  }

  /** Carries out one event; gives it back when it has to be set aside. */
  async function takeOne(content: unknown): Promise<Aside | null> {
    const parsed = WebhookEvent.safeParse(content);
    if (!parsed.success) {
      if (!isKnownType((content as { type?: unknown } | null)?.type)) {
        logger.debug('an event of a type that this release does not know was passed over');
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

  async function setAsideOne({ content, reason, afterwards }: Aside): Promise<void> {
    const numbered = Numbered.safeParse(content);
    // Without a queue and a number a repeat cannot be known; it is kept all the same.
    const { queueId, seq } = numbered.success
      ? numbered.data
      : { queueId: 'unnumbered', seq: null };
    logger.warn({ queueId, seq, reason }, 'a webhook event was set aside');
    await setAside.keep({ queueId, seq, tenant: tenantOf(content), reason, content });
    await afterwards?.();
  }

  /**
   * Whom an event concerns: what concerns the same actor keeps its order, the rest runs side by side. An actor takes a
   * lower number of a queue behind a higher one for a repeat, so an overtaken event would be lost.
   */
  function concerned(content: unknown): readonly string[] {
    const { from, to, user } = (content ?? {}) as Record<string, unknown>; // looked at, whatever it is
    return [from, to, user].flatMap((name) =>
      typeof name === 'string' ? (name.split(/[@/]/, 1)[0] ?? '').toLowerCase() : [],
    );
  }

  return {
    async take(events) {
      const taken: Promise<Aside | null>[] = [];
      let lines = new Map<string, Promise<unknown>>();
      for (const content of events) {
        if ((content as { type?: unknown } | null)?.type === 'module.started') {
          // A line of its own across all: what came before is done, what follows waits.
          await Promise.all(taken);
          lines = new Map();
          taken.push(Promise.resolve(await takeOne(content)));
          continue;
        }
        const names = concerned(content);
        const next = Promise.all(names.map((name) => lines.get(name))).then(() => takeOne(content));
        next.catch(() => undefined); // awaited below; a failed line must not end the process meanwhile
        for (const name of names) lines.set(name, next);
        taken.push(next);
      }
      // Only when all the others are done, and in order: a queue is known to be set aside up to a number.
      for (const aside of await Promise.all(taken)) {
        if (aside) await setAsideOne(aside);
      }
    },
    async again(content, commandId) {
      const parsed = WebhookEvent.safeParse(content);
      if (!parsed.success || parsed.data.type !== 'message') {
        throw new AppError('refused', 'only a message can be sent again; this event is none');
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
