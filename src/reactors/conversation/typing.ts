/**
 * A visitor types: its operator sees it at once, or not at all, also before he has answered. Those who are asked together
 * don't: it is not their chat yet, and there may be many. Never a fact, rate limited in each process. By the visitor's
 * session where it is this process's, otherwise by the admin API.
 */
import type { Logger } from 'pino';
import { operatorJid, visitorJid } from '../../actors/ids.ts';
import type { TenantDirectory } from '../../actors/tenant/directory.ts';
import { messageOf } from '../../errors.ts';
import { Lru } from '../../kit/lru.ts';
import type { Actors, ForwardTyping } from '../../runtime/ports.ts';
import type { ChatState, EjabberdAdmin, VisitorTransport } from '../../xmpp/port.ts';

/** The same state of one visitor goes out at most so often. */
const SAME_EVERY_MS = 3_000;
const REMEMBERED = 10_000;
/** Who closes the page while typing does not say that he stopped; who types on for so long pauses in between. */
const LAPSES_MS = 60_000;

type Visitor = ReturnType<Actors['visitor']>;

interface Sent {
  readonly to: string;
  readonly state: ChatState;
  readonly at: number;
  lapse?: NodeJS.Timeout;
}

export function createTyping(options: {
  actors: Actors;
  transport: VisitorTransport;
  admin: Pick<EjabberdAdmin, 'sendChatState'>;
  logger: Logger;
  tenants: TenantDirectory;
  now: () => number;
  /** Default 60 s. */
  lapsesMs?: number;
}): ForwardTyping {
  const { actors, transport, admin, tenants, now, logger, lapsesMs = LAPSES_MS } = options;
  const sent = new Lru<Sent>(REMEMBERED);

  function show(jid: string, to: string, state: ChatState): void {
    if (transport.isOnline(jid)) transport.chatState(jid, to, state);
    else {
      // Nobody waits for it.
      admin
        .sendChatState(jid, to, state)
        .catch((error) => logger.debug({ reason: messageOf(error) }, 'typing not shown'));
    }
  }

  /** Nothing more was heard of who types: `active`, of which clients show nothing. Offline shows by itself. */
  async function lapse(visitor: Visitor, jid: string, last: Sent): Promise<void> {
    const state = await visitor.state();
    if (sent.get(jid) !== last) return;
    sent.set(jid, { to: last.to, state: 'active', at: now() });
    if (state?.presence === 'online') show(jid, last.to, 'active');
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
    const known = last?.state === state && last.to === to && now() - last.at < SAME_EVERY_MS;
    const latest: Sent = known ? last : { to, state, at: now() };
    if (state === 'composing') {
      latest.lapse = setTimeout(() => {
        lapse(visitor, jid, latest).catch((error) =>
          logger.debug({ reason: messageOf(error) }, 'the end of typing not shown'),
        );
      }, lapsesMs).unref();
    }
    if (known) return;
    sent.set(jid, latest);
    if (last?.state === 'composing' && last.to !== to) show(jid, last.to, 'active');
    show(jid, to, state);
  };
}
