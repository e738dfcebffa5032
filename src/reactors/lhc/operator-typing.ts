/**
 * Tells LHC that an operator is typing, at most once a second, and that they have stopped. Typing ends when the client
 * says so; when the operator has written something that LHC does not get as a message; when the chat is over or
 * somebody else's; when the client's session ends; and after a minute without news. Nothing of this is a fact.
 */
import {
  streamOf,
  type TenantId,
  type Username,
  type VisitorKey,
  visitorRef,
} from '../../actors/ids.ts';
import type { TypingState } from '../../inbox/signals.ts';
import { Lru } from '../../kit/lru.ts';
import type { CommitListener } from '../../runtime/pending-work.ts';
import type { Actors } from '../../runtime/ports.ts';
import type { Callbacks } from './callback-lane.ts';

/** Typing of one operator towards one visitor goes to LHC at most once in this time. The last state is never dropped. */
export const OPERATOR_TYPING_INTERVAL_MS = 1_000;
/** Typing ends by itself after this time. Clients report a pause within half a minute (XEP-0085 §5.2), unless they die. */
export const OPERATOR_TYPING_LAPSE_MS = 60_000;
/** Pairs of an operator and a visitor that are remembered. */
const PAIRS_REMEMBERED = 10_000;

/**
 * A chat state of the client; or `ended`: the operator does not type any more, and no message says so; `said`: a message
 * says so; `moved`: the chat may not be theirs any more.
 */
type Change = TypingState | 'ended' | 'said' | 'moved';

/** The typing of one operator towards one visitor. */
interface Typing {
  readonly tenant: TenantId;
  readonly visitor: VisitorKey;
  readonly operator: Username;
  /** The stream of the visitor. */
  readonly stream: string;
  /** The client that typed last. */
  resource: string;
  /** What LHC was to hear last. */
  sent: TypingState | null;
  sentAt: number;
  /** What waits for the end of the interval. */
  next: TypingState | null;
  interval?: NodeJS.Timeout;
  lapse?: NodeJS.Timeout;
  /** The chat in which LHC heard last that the operator is composing; null since it heard of the end. */
  toldIn: string | null;
  /** LHC is being told. One request at a time, because two at once could overtake each other. */
  isPosting: boolean;
  /** What to tell it then. */
  wanted: Change | null;
}

export interface OperatorTyping extends CommitListener {
  /** The client with this resource says a chat state. */
  typing(
    tenant: TenantId,
    visitor: VisitorKey,
    operator: Username,
    state: TypingState,
    resource: string,
  ): void;
  /** The operator has written something, which ends their typing. @param toLhc whether LHC gets it as a message */
  wrote(tenant: TenantId, visitor: VisitorKey, operator: Username, toLhc: boolean): void;
  /** The client is gone. */
  sessionEnded(tenant: TenantId, operator: Username, resource: string): void;
}

/** Facts after which a chat may have another operator, or none. */
const MOVES: ReadonlySet<string> = new Set([
  'ChatAssigned',
  'ChatUnassigned',
  'ChatTransferred',
  'ChatTakenInLhc',
  'ChatClosed',
]);

/** @param inBackground runs work that nobody waits for */
export function createOperatorTyping(options: {
  actors: Pick<Actors, 'visitor'>;
  callbacks: Pick<Callbacks, 'operator' | 'ephemeral'>;
  /** Shows it in the visitor's browser too, or takes it away. */
  show?:
    | ((tenant: TenantId, chatId: string, operator: Username, isTyping: boolean) => void)
    | undefined;
  monotonic: () => number;
  lapseMs: number;
  inBackground: (work: Promise<unknown>, what: string) => void;
}): OperatorTyping {
  const { actors, callbacks, show, monotonic, lapseMs, inBackground } = options;
  const known = new Lru<Typing>(PAIRS_REMEMBERED);
  /** Those of whom LHC hears, or has heard, that they are composing. */
  const composing = new Set<Typing>();

  const nameOf = (tenant: TenantId, visitor: VisitorKey, operator: Username) =>
    `${tenant} ${visitor} ${operator}`;

  async function call(typing: Typing, chatId: string, state: TypingState): Promise<void> {
    const { tenant, visitor, operator } = typing;
    show?.(tenant, chatId, operator, state === 'composing');
    const data = { visitor, chatId, operator: await callbacks.operator(tenant, operator), state };
    await callbacks.ephemeral(tenant, { type: 'operator.typing', data });
  }

  async function tell(typing: Typing, change: Change): Promise<void> {
    const { tenant, visitor, operator } = typing;
    const chat = (await actors.visitor(tenant, visitor).state())?.context.chat;
    const chatId = chat?.operator === operator ? chat.id : null;
    const told = typing.toldIn;
    if (told !== null && (change === 'ended' || chatId !== told)) {
      typing.toldIn = null;
      typing.sent = 'paused';
      await call(typing, told, 'paused');
    }
    if (change === 'said' && typing.toldIn !== null) {
      show?.(tenant, typing.toldIn, operator, false); // LHC has the message; the browser knows of no end
      typing.toldIn = null;
    }
    if (change === 'said' || change === 'ended' || change === 'moved' || chatId === null) return;
    typing.toldIn = change === 'composing' ? chatId : null;
    await call(typing, chatId, change);
  }

  async function tellInTurn(typing: Typing, change: Change): Promise<void> {
    if (typing.isPosting) {
      // Every change looks whose the chat is.
      if (change !== 'moved' || typing.wanted === null) typing.wanted = change;
      return;
    }
    typing.isPosting = true;
    try {
      for (let latest: Change | null = change; latest !== null; ) {
        await tell(typing, latest);
        latest = typing.wanted;
        typing.wanted = null;
      }
    } finally {
      typing.isPosting = false;
      typing.wanted = null;
      if (typing.toldIn === null) composing.delete(typing);
    }
  }

  const post = (typing: Typing, change: Change): void =>
    inBackground(tellInTurn(typing, change), 'operator.typing');

  function sendNow(typing: Typing, state: TypingState): void {
    clearTimeout(typing.lapse);
    Object.assign(typing, { sent: state, sentAt: monotonic(), next: null });
    if (state === 'composing') {
      composing.add(typing);
      typing.lapse = setTimeout(end, lapseMs, typing, 'ended').unref();
    }
    post(typing, state);
  }

  function end(typing: Typing, how: 'ended' | 'said'): void {
    clearTimeout(typing.interval);
    clearTimeout(typing.lapse);
    typing.next = null;
    if (typing.sent !== 'composing') return;
    typing.sent = 'paused';
    post(typing, how);
  }

  return {
    typing(tenant, visitor, operator, state, resource) {
      const name = nameOf(tenant, visitor, operator);
      const typing: Typing = known.get(name) ?? {
        tenant,
        visitor,
        operator,
        stream: streamOf(visitorRef(tenant, visitor)),
        resource,
        sent: null,
        sentAt: Number.NEGATIVE_INFINITY,
        next: null,
        toldIn: null,
        isPosting: false,
        wanted: null,
      };
      typing.resource = resource;
      known.set(name, typing);
      if (typing.next !== null) {
        typing.next = state;
        return;
      }
      const waitMs = typing.sentAt + OPERATOR_TYPING_INTERVAL_MS - monotonic();
      if (waitMs <= 0) sendNow(typing, state);
      else if (typing.sent !== state) {
        typing.next = state;
        typing.interval = setTimeout(() => {
          if (typing.next !== typing.sent && typing.next !== null) sendNow(typing, typing.next);
          typing.next = null;
        }, waitMs).unref();
      }
    },
    wrote(tenant, visitor, operator, toLhc) {
      const typing = known.peek(nameOf(tenant, visitor, operator));
      if (typing) end(typing, toLhc ? 'said' : 'ended');
    },
    sessionEnded(tenant, operator, resource) {
      for (const typing of composing) {
        const isTheirs = typing.tenant === tenant && typing.operator === operator;
        if (isTheirs && typing.resource === resource) end(typing, 'ended');
      }
    },
    onCommit(events) {
      if (composing.size === 0) return;
      for (const { type, stream } of events) {
        if (!MOVES.has(type)) continue;
        for (const typing of composing) if (typing.stream === stream) post(typing, 'moved');
      }
    },
  };
}
