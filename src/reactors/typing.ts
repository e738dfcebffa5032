/**
 * A visitor types: its operator sees it at once, or not at all, also before he has answered. Those who are asked together
 * don't: it is not their chat yet, and there may be many. Never a fact, rate limited in each process. By the visitor's
 * session where it is this process's, otherwise by the admin API.
 */
import type { Logger } from 'pino';
import { operatorJid, type Username, visitorJid, visitorRef } from '../actors/ids.ts';
import type { TenantDirectory } from '../actors/tenant-directory.ts';
import { visitorState } from '../actors/visitor-decisions.ts';
import { messageOf } from '../errors.ts';
import type { ActorHost } from '../runtime/host.ts';
import { Lru } from '../runtime/lru.ts';
import type { ForwardTyping } from '../runtime/types.ts';
import type { EjabberdAdmin, VisitorTransport } from '../xmpp/port.ts';

/** The same state of one visitor goes out at most so often. */
const SAME_EVERY_MS = 3_000;
const REMEMBERED = 10_000;

export function createTyping(options: {
  host: ActorHost;
  transport: VisitorTransport;
  admin: Pick<EjabberdAdmin, 'sendChatState'>;
  logger: Logger;
  tenants: TenantDirectory;
  now: () => number;
}): ForwardTyping {
  const { host, transport, admin, tenants, now, logger } = options;
  const sent = new Lru<{ to: string; state: string; at: number }>(REMEMBERED);

  return async (id, key, state) => {
    const tenant = tenants.get(id);
    const actor = await host.load(visitorRef(id, key));
    const operator = actor && visitorState(actor.core).context.chat?.operator;
    if (!tenant || !operator) return;
    const jid = visitorJid(tenant, key);
    const last = sent.get(jid);
    // Names in facts were parsed when they came in.
    const to = operatorJid(tenant, operator as Username);
    const same = last?.state === state && last.to === to;
    if (same && now() - last.at < SAME_EVERY_MS) return;
    sent.set(jid, { to, state, at: now() });
    if (transport.isOnline(jid)) transport.chatState(jid, to, state);
    else {
      // Nobody waits for it.
      admin
        .sendChatState(jid, to, state)
        .catch((error) => logger.debug({ reason: messageOf(error) }, 'typing not shown'));
    }
  };
}
