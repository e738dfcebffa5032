/**
 * Shows the chat's operator that the visitor is typing: at once, or not at all, and also before the operator has
 * accepted. Operators who are asked together (`broadcast`) do not see it: the chat is not theirs yet, and there may be
 * many of them. Typing is never a fact. Its rate is limited in each process. The visitor's session sends it where this
 * process has the session, and the admin API elsewhere.
 *
 * Typing ends with a message, which says that the visitor is active (XEP-0085 §5.4). It also ends for an operator who no
 * longer has the chat, when the chat is over, and after a minute without news.
 */
import type { Logger } from 'pino';
import { operatorJid, streamOf, visitorJid, visitorRef } from '../../actors/ids.ts';
import type { TenantDirectory } from '../../actors/tenant/directory.ts';
import { messageOf } from '../../errors.ts';
import { Lru } from '../../kit/lru.ts';
import type { CommitListener } from '../../runtime/pending-work.ts';
import type { Actors, ForwardTyping } from '../../runtime/ports.ts';
import type { ChatState, EjabberdAdmin, VisitorTransport } from '../../xmpp/port.ts';
import { createPreviews } from './visitor-preview.ts';

/** The same state of one visitor goes out at most once in this time. */
export const VISITOR_TYPING_INTERVAL_MS = 3_000;
/**
 * Typing ends by itself after this time. A browser that is closed while its visitor types says nothing, and nobody types
 * that long without a pause.
 */
export const VISITOR_TYPING_LAPSE_MS = 60_000;
const VISITORS_REMEMBERED = 10_000;

/** Facts after which the operator who saw the typing must not see it any more. */
const ENDS: ReadonlySet<string> = new Set([
  'VisitorMessageSent',
  'ChatAssigned',
  'ChatUnassigned',
  'ChatTransferred',
  'ChatTakenInLhc',
  'ChatClosed',
]);

type Visitor = ReturnType<Actors['visitor']>;

interface Sent {
  readonly visitor: Visitor;
  readonly jid: string;
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
}): CommitListener & { readonly forward: ForwardTyping } {
  const { actors, transport, admin, tenants, now, logger } = options;
  const { lapseMs = VISITOR_TYPING_LAPSE_MS } = options;
  /** By the visitor's stream. */
  const sent = new Lru<Sent>(VISITORS_REMEMBERED);
  const previews = createPreviews({ transport, now });

  function send(jid: string, to: string, state: ChatState): void {
    if (transport.isOnline(jid)) transport.chatState(jid, to, state);
    else {
      // Nobody waits for this call.
      admin
        .sendChatState(jid, to, state)
        .catch((error) => logger.debug({ reason: messageOf(error) }, 'typing was not shown'));
    }
  }

  /** Sends `active`: clients show nothing for it. A visitor who is offline looks offline anyway. */
  async function end(stream: string, last: Sent): Promise<void> {
    const state = await last.visitor.state();
    if (sent.get(stream) !== last) return;
    sent.set(stream, { ...last, state: 'active', at: now() });
    if (state?.presence === 'online') send(last.jid, last.to, 'active');
  }

  function endSoon(stream: string, last: Sent): void {
    previews.end(stream);
    clearTimeout(last.lapse);
    end(stream, last).catch((error) =>
      logger.debug({ reason: messageOf(error) }, 'the end of typing was not shown'),
    );
  }

  function onCommit(events: Parameters<CommitListener['onCommit']>[0]): void {
    for (const { type, stream } of events) {
      if (!ENDS.has(type)) continue;
      previews.end(stream);
      const last = sent.peek(stream);
      if (last?.state !== 'composing') continue;
      if (type !== 'VisitorMessageSent') endSoon(stream, last);
      else {
        clearTimeout(last.lapse);
        sent.delete(stream);
      }
    }
  }

  const forward: ForwardTyping = async (id, key, state, preview) => {
    const tenant = tenants.get(id);
    const visitor = actors.visitor(id, key);
    const chat = (await visitor.state())?.context.chat;
    const operator = chat?.operator;
    if (!tenant || !operator) return;
    const jid = visitorJid(tenant, key);
    const stream = streamOf(visitorRef(id, key));
    const last = sent.get(stream);
    const to = operatorJid(tenant, operator);
    // Whoever is only asked has not said yet that the chat is theirs.
    if (state !== 'composing' || !preview) previews.end(stream);
    else if (tenant.typingPreview && chat.accepted) previews.show(stream, jid, to, preview);
    clearTimeout(last?.lapse);
    const repeated =
      last?.state === state && last.to === to && now() - last.at < VISITOR_TYPING_INTERVAL_MS;
    const latest: Sent = repeated ? last : { visitor, jid, to, state, at: now() };
    if (state === 'composing') latest.lapse = setTimeout(endSoon, lapseMs, stream, latest).unref();
    if (repeated) return;
    sent.set(stream, latest);
    if (last?.state === 'composing' && last.to !== to) send(jid, last.to, 'active');
    send(jid, to, state);
  };

  return { forward, onCommit };
}
