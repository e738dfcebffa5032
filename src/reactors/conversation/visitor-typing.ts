/**
 * Shows the chat's operator that the visitor is typing: at once, or not at all, and also before the operator has
 * accepted. Operators who are asked together (`broadcast`) do not see it: the chat is not theirs yet, and there may be
 * many of them. Typing is never a fact. Its rate is limited in each process. The visitor's session sends it where this
 * process has the session, and the admin API elsewhere.
 */
import type { Logger } from 'pino';
import { operatorJid, visitorJid } from '../../actors/ids.ts';
import type { TenantDirectory } from '../../actors/tenant/directory.ts';
import { messageOf } from '../../errors.ts';
import { Lru } from '../../kit/lru.ts';
import type { Actors, ForwardTyping } from '../../runtime/ports.ts';
import type { ChatState, EjabberdAdmin, VisitorTransport } from '../../xmpp/port.ts';

/** The same state of one visitor goes out at most once in this time. */
export const VISITOR_TYPING_INTERVAL_MS = 3_000;
/**
 * Typing ends by itself after this time. A browser that is closed while its visitor types says nothing, and nobody types
 * that long without a pause.
 */
export const VISITOR_TYPING_LAPSE_MS = 60_000;
const VISITORS_REMEMBERED = 10_000;

type Visitor = ReturnType<Actors['visitor']>;

interface Sent {
  readonly to: string;
  readonly state: ChatState;
  readonly at: number;
  lapse?: NodeJS.Timeout;
}

export function createTyping(options: {
  actors: Pick<Actors, 'visitor'>;
  transport: VisitorTransport;
  admin: Pick<EjabberdAdmin, 'sendChatState'>;
  logger: Logger;
  tenants: TenantDirectory;
  now: () => number;
  /** Default {@link VISITOR_TYPING_LAPSE_MS}. */
  lapseMs?: number;
}): ForwardTyping {
  const { actors, transport, admin, tenants, now, logger } = options;
  const { lapseMs = VISITOR_TYPING_LAPSE_MS } = options;
  const sent = new Lru<Sent>(VISITORS_REMEMBERED);

  function send(jid: string, to: string, state: ChatState): void {
    if (transport.isOnline(jid)) transport.chatState(jid, to, state);
    else {
      // Nobody waits for this call.
      admin
        .sendChatState(jid, to, state)
        .catch((error) => logger.debug({ reason: messageOf(error) }, 'typing was not shown'));
    }
  }

  /** Sends `active` after a silence: clients show nothing for it. A visitor who is offline looks offline anyway. */
  async function lapse(visitor: Visitor, jid: string, last: Sent): Promise<void> {
    const state = await visitor.state();
    if (sent.get(jid) !== last) return;
    sent.set(jid, { to: last.to, state: 'active', at: now() });
    if (state?.presence === 'online') send(jid, last.to, 'active');
  }

  return async (id, key, state) => {
    const tenant = tenants.get(id);
    const visitor = actors.visitor(id, key);
    const operator = (await visitor.state())?.context.chat?.operator;
    if (!tenant || !operator) return;
    const jid = visitorJid(tenant, key);
    const last = sent.get(jid);
    const to = operatorJid(tenant, operator);
    clearTimeout(last?.lapse);
    const repeated =
      last?.state === state && last.to === to && now() - last.at < VISITOR_TYPING_INTERVAL_MS;
    const latest: Sent = repeated ? last : { to, state, at: now() };
    if (state === 'composing') {
      latest.lapse = setTimeout(() => {
        lapse(visitor, jid, latest).catch((error) =>
          logger.debug({ reason: messageOf(error) }, 'the end of typing was not shown'),
        );
      }, lapseMs).unref();
    }
    if (repeated) return;
    sent.set(jid, latest);
    if (last?.state === 'composing' && last.to !== to) send(jid, last.to, 'active');
    send(jid, to, state);
  };
}
