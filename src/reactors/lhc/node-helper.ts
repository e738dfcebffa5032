/**
 * LHC's Node helper: widgets look at once when LHC has something new, and show that an operator is typing; operators see
 * that a visitor is typing, or has closed the page. All of it may be lost: Redis asks nobody who they are and keeps
 * nothing, so nothing that comes from there is a fact (docs/adr/0041).
 */
import type { Logger } from 'pino';
import {
  streamOf,
  type TenantId,
  type Username,
  type VisitorKey,
  visitorRef,
} from '../../actors/ids.ts';
import type { TenantDirectory } from '../../actors/tenant/directory.ts';
import type { Tenant } from '../../actors/tenant/tenant.ts';
import { messageOf } from '../../errors.ts';
import { Lru } from '../../kit/lru.ts';
import { type Rate, TokenBucket } from '../../kit/token-bucket.ts';
import type { HeardOperation, WidgetOperation } from '../../lhc/node-helper.ts';
import { type Ownership, ownsStream } from '../../runtime/leases/ownership.ts';
import type { Actors, ForwardTyping } from '../../runtime/ports.ts';
import type { PersonalData } from '../personal-data.ts';
import type { Draft } from './drafts.ts';

/** What is heard of one tenant's visitors. More is dropped. */
export const HEARD_RATE: Rate = { burst: 2_000, perSecond: 1_000 };
/** The same of one visitor is heard at most once in this time. */
export const HEARD_INTERVAL_MS = 1_000;
/** A widget that is gone may be the page before the next one. After this time it is asked whether another is there. */
export const GONE_GRACE_MS = 10_000;
/** So long the visitor's other pages have to answer. */
export const GONE_ANSWER_MS = 5_000;
/** Visitors of whom something is remembered. */
const VISITORS_REMEMBERED = 10_000;
/** Whose channels are whose is looked up again after this time. */
const CHANNELS_KEPT_MS = 1_000;

/** LHC's ids have no `_`. So a channel can be read in one way only, and nobody can name a chat as another's channel. */
const CHAT_ID = /^[a-z0-9-]{1,64}$/;

/** What is remembered of a visitor. */
interface Known {
  readonly state: State;
  readonly at: number;
  readonly timer: NodeJS.Timeout | undefined;
}
type State = Parameters<ForwardTyping>[2] | 'leaving';

export interface NodeHelperCounts {
  /** Operations of widgets that concern a chat of this process. */
  readonly heard: number;
  /** Not heard, because the tenant's visitors said too much. */
  readonly tooMuch: number;
}

export interface NodeHelper {
  /** LHC has accepted this callback: the widget looks. */
  accepted(tenant: Tenant, visitor: VisitorKey, draft: Draft): void;
  /** Shows or takes away that the operator is typing in a chat. */
  operatorTyping(tenant: TenantId, chatId: string, operator: Username, isTyping: boolean): void;
  /** Takes what came through Redis. */
  heard(channel: string, payload: string): void;
  /** Tenants that would have the same channels, and so have none: one text for each channel. */
  shared(): readonly string[];
  readonly counts: NodeHelperCounts;
  stop(): void;
}

/** Whose channels `chat_…` are, by what is between `chat` and the chat's id: an instance, or nothing. */
interface Channels {
  readonly at: number;
  readonly owners: ReadonlyMap<string, readonly TenantId[]>;
}

const isHelped = ({ nodeHelper }: Tenant): boolean => nodeHelper?.enabled !== false;
const instanceOf = ({ nodeHelper, instance }: Tenant): string =>
  nodeHelper?.instance ?? instance ?? '';

function channelsOf(tenants: readonly Tenant[], at: number): Channels {
  const owners = new Map<string, TenantId[]>();
  for (const tenant of tenants) {
    if (!isHelped(tenant)) continue;
    const instance = instanceOf(tenant);
    owners.set(instance, [...(owners.get(instance) ?? []), tenant.id]);
  }
  return { at, owners };
}

/** The channel of a chat: an instance perhaps, and the chat's id. */
const CHANNEL = /^chat_(?:(?<instance>[a-z0-9-]{1,63})_)?(?<chatId>[a-z0-9-]{1,64})$/;

/** A widget says that its visitor has sent a message, or could not, in the words of one who types. */
const isTyped = (text: string): boolean => !/^[\u2709\u{1F4D5}]/u.test(text);

/** What a widget says of its visitor. */
function stateOf(operation: HeardOperation): State {
  switch (operation.op) {
    case 'vt':
      return isTyped(operation.msg) ? 'composing' : 'active';
    case 'vts':
      return 'paused';
    case 'vi_online':
      return operation.status ? 'active' : 'leaving';
  }
}

export function createNodeHelper(options: {
  tenants: TenantDirectory;
  actors: Pick<Actors, 'visitor'>;
  personal: Pick<PersonalData, 'profileOf'>;
  /** null if the operator has none. */
  operatorName: (tenant: TenantId, operator: Username) => Promise<string | null>;
  /** The visitor of an open chat. */
  visitorOf: (tenant: TenantId, chatId: string) => VisitorKey | null;
  ownership: Ownership;
  typing: ForwardTyping;
  publish: (channel: string, operation: WidgetOperation) => void;
  read: (payload: string) => HeardOperation | null;
  monotonic: () => number;
  logger: Logger;
  /** Default {@link GONE_GRACE_MS} and {@link GONE_ANSWER_MS}. */
  goneAfterMs?: { grace: number; answer: number };
}): NodeHelper {
  const { tenants, actors, personal, ownership, publish, monotonic, logger } = options;
  const { goneAfterMs = { grace: GONE_GRACE_MS, answer: GONE_ANSWER_MS } } = options;
  const counts = { heard: 0, tooMuch: 0 };
  let channels: Channels | null = null;
  /** By tenant. */
  const budgets = new Map<TenantId, TokenBucket>();
  const known = new Lru<Known>(VISITORS_REMEMBERED, (_name, { timer }) => clearTimeout(timer));
  let stopped = false;

  function owners(): Channels['owners'] {
    if (!channels || monotonic() - channels.at >= CHANNELS_KEPT_MS) {
      channels = channelsOf(tenants.all(), monotonic());
      for (const id of budgets.keys()) if (!tenants.get(id)) budgets.delete(id);
    }
    return channels.owners;
  }

  function budgetOf(tenant: TenantId): TokenBucket {
    const budget = budgets.get(tenant) ?? new TokenBucket(HEARD_RATE);
    budgets.set(tenant, budget);
    return budget;
  }

  /** Whether this tenant, and no other, has the channels of its instance. */
  const hasChannels = (tenant: Tenant): boolean =>
    isHelped(tenant) && owners().get(instanceOf(tenant))?.length === 1;

  /** Publishes to the widget of a chat, if the channel is this tenant's. */
  function toChat(tenant: Tenant, chatId: string, operation: WidgetOperation): void {
    if (!CHAT_ID.test(chatId) || !hasChannels(tenant)) return;
    const instance = instanceOf(tenant);
    publish(instance === '' ? `chat_${chatId}` : `chat_${instance}_${chatId}`, operation);
  }

  function inBackground(work: Promise<unknown>): void {
    work.catch((error) =>
      logger.debug({ reason: messageOf(error) }, 'the Node helper was not told'),
    );
  }

  /** The visitor's browser looks for an invitation. On the xmppservice wire nobody says which browser it is. */
  async function lookForInvitation(tenant: Tenant, visitor: VisitorKey): Promise<void> {
    if (!hasChannels(tenant)) return;
    const state = await actors.visitor(tenant.id, visitor).state();
    if (!state) return;
    const { profile } = await personal.profileOf(tenant.id, visitor, state);
    if (profile.vid) publish(`uo_${profile.vid}`, { op: 'check_message' });
  }

  async function showTyping(
    tenant: Tenant,
    chatId: string,
    operator: Username,
    isTyping: boolean,
  ): Promise<void> {
    if (!isTyping) {
      toChat(tenant, chatId, { op: 'ot', data: { status: false } });
      return;
    }
    // Widgets of this LHC put the name into a sentence of their own language; older ones show the text.
    const typer = await options.operatorName(tenant.id, operator);
    const data = typer === null ? { ttx: 'typing …' } : { ttx: `${typer} is typing …`, typer };
    toChat(tenant, chatId, { op: 'ot', data: { status: true, ...data } });
  }

  const forward = (tenant: TenantId, visitor: VisitorKey, state: Parameters<ForwardTyping>[2]) =>
    inBackground(options.typing(tenant, visitor, state));

  /** The visitor's last page may be gone. Whether another one is open only the others can say. */
  function leave(tenant: Tenant, visitor: VisitorKey, chatId: string): NodeJS.Timeout {
    const name = `${tenant.id} ${visitor}`;
    const remember = (state: State, timer?: NodeJS.Timeout): void =>
      known.set(name, { state, at: monotonic(), timer });
    const isGone = (): void => {
      remember('gone');
      if (ownsStream(ownership, streamOf(visitorRef(tenant.id, visitor)))) {
        forward(tenant.id, visitor, 'gone');
      }
    };
    const ask = (): void => {
      remember('leaving', setTimeout(isGone, goneAfterMs.answer).unref());
      toChat(tenant, chatId, { op: 'vo' });
    };
    return setTimeout(ask, goneAfterMs.grace).unref();
  }

  function note(tenant: Tenant, visitor: VisitorKey, chatId: string, state: State): void {
    const name = `${tenant.id} ${visitor}`;
    const last = known.get(name);
    if (last?.state === state && monotonic() - last.at < HEARD_INTERVAL_MS) return;
    clearTimeout(last?.timer);
    const timer = state === 'leaving' ? leave(tenant, visitor, chatId) : undefined;
    known.set(name, { state, at: monotonic(), timer });
    if (state === 'leaving') return;
    // That somebody is there is news only if the operator has seen something else.
    const isNews = last && last.state !== 'active' && last.state !== 'leaving';
    if (state !== 'active' || isNews) forward(tenant.id, visitor, state);
  }

  return {
    accepted(tenant, visitor, { type, data }) {
      switch (type) {
        case 'visitor.invited':
          inBackground(lookForInvitation(tenant, visitor));
          break;
        case 'chat.message':
        case 'message.retracted':
        case 'message.reaction':
        case 'chat.accepted':
        case 'chat.transferred':
        case 'chat.closed': {
          const op = OPERATIONS[type];
          // The data of these types has it; a draft loses the link between the two.
          const { chatId } = data as { chatId: string | null };
          if (chatId !== null) toChat(tenant, chatId, { op });
          break;
        }
      }
    },
    operatorTyping(id, chatId, operator, isTyping) {
      const tenant = tenants.get(id);
      if (tenant) inBackground(showTyping(tenant, chatId, operator, isTyping));
    },
    heard(channel, payload) {
      if (stopped) return;
      const { instance = '', chatId } = CHANNEL.exec(channel)?.groups ?? {};
      const [id, ...others] = owners().get(instance) ?? [];
      const tenant = id && others.length === 0 ? tenants.get(id) : undefined;
      if (chatId === undefined || !tenant) return;
      if (!budgetOf(tenant.id).take(monotonic())) {
        counts.tooMuch++;
        return;
      }
      const operation = options.read(payload);
      if (!operation) return;
      const visitor = options.visitorOf(tenant.id, chatId);
      if (!visitor || !ownsStream(ownership, streamOf(visitorRef(tenant.id, visitor)))) return;
      counts.heard++;
      note(tenant, visitor, chatId, stateOf(operation));
    },
    shared: () =>
      [...owners()].flatMap(([instance, ids]) =>
        ids.length < 2 ? [] : [`chat_${instance && `${instance}_`}… (${ids.join(', ')})`],
      ),
    counts,
    stop() {
      stopped = true;
      for (const [, { timer }] of known.entries()) clearTimeout(timer);
    },
  };
}

/** What makes the widget look. */
const OPERATIONS = {
  'chat.message': 'cmsg',
  // With its next look it fetches the row that has changed.
  'message.retracted': 'cmsg',
  'message.reaction': 'cmsg',
  'chat.accepted': 'schange',
  'chat.transferred': 'schange',
  'chat.closed': 'cclose',
} as const;
