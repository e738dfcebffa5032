/** Which callbacks a fact calls for (docs/contracts.md). */
import { visitorFact } from '../../actors/facts.ts';
import type { ActorRef, TenantId, Username } from '../../actors/ids.ts';
import {
  callbackFor,
  concernsLhc,
  type Flavour,
  onlineChange,
  takesOffline,
} from '../../effects/lhc.ts';
import type { RecordedEvent } from '../../eventstore/port.ts';
import type { Callback } from '../../lhc/callback-types.ts';
import type { DestinationFilter } from '../../runtime/lanes/destination.ts';
import type { Actors } from '../../runtime/ports.ts';
import type { PersonalData } from '../personal-data.ts';

/** A callback without its envelope. */
export type Draft = Pick<Callback, 'type' | 'data'>;
type VisitorRef = Extract<ActorRef, { kind: 'visitor' }>;

export interface DraftOptions {
  readonly actors: Actors;
  readonly personal: PersonalData;
}

/** The facts that LHC gets callbacks for. */
export const LHC_FILTER: DestinationFilter = { name: 'lhc', concerns: concernsLhc };

/** An operator as callbacks describe them. */
export async function operatorOf({ actors }: DraftOptions, tenant: TenantId, username: Username) {
  const state = await actors.operator(tenant, username).state();
  return { username, lhcUserId: state?.context.lhcUserId ?? null };
}

/** The callbacks for a visitor's fact: none if its texts were erased, because nothing is left to tell. */
async function visitorDrafts(
  options: DraftOptions,
  { tenant, name: visitor }: VisitorRef,
  event: RecordedEvent,
  flavour: Flavour,
): Promise<readonly Draft[]> {
  const { personal } = options;
  const operator = (username: Username) => operatorOf(options, tenant, username);
  const operatorOrNull = async (username: Username | null) =>
    username === null ? null : operator(username);
  const fact = visitorFact(event);
  if (!fact || callbackFor(fact, flavour) === null) return [];
  switch (fact.type) {
    case 'OperatorMessageReceived': {
      const { messageId, chatId, invitation, replaces, replyTo } = fact.data;
      const opened = await personal.of(event);
      if (typeof opened?.body !== 'string') return [];
      const { body, plain } = opened;
      const withoutQuote = typeof plain === 'string' ? plain : body;
      const message = {
        id: messageId,
        body,
        ...(replaces !== undefined && { replaces }),
        ...(replyTo !== undefined && { replyTo: { messageId: replyTo, body: withoutQuote } }),
      };
      const data = { visitor, operator: await operator(fact.data.operator), message };
      return invitation || chatId === null
        ? [{ type: 'visitor.invited', data }]
        : [{ type: 'chat.message', data: { ...data, chatId } }];
    }
    case 'OperatorMessageRetracted': {
      const { chatId, messageId } = fact.data;
      const data = { visitor, chatId, messageId, operator: await operator(fact.data.operator) };
      return [{ type: 'message.retracted', data }];
    }
    case 'MessageReacted': {
      const { chatId, messageId } = fact.data;
      const reactions = await personal.reactionsOf(event);
      if (!reactions) return [];
      const data = { visitor, chatId, messageId, operator: await operator(fact.data.operator) };
      return [{ type: 'message.reaction', data: { ...data, reactions } }];
    }
    case 'InvitationExpired': {
      const { operator: inviter, reason } = fact.data;
      if (inviter === null || reason === undefined || reason === 'refused') return [];
      const data = { visitor, operator: await operator(inviter), reason };
      return [{ type: 'visitor.invitation_expired', data }];
    }
    case 'ChatAssigned':
    case 'ChatAccepted':
    case 'ChatClosed': {
      const { chatId } = fact.data;
      const data = { visitor, chatId, operator: await operatorOrNull(fact.data.operator) };
      if (fact.type === 'ChatAccepted') return [{ type: 'chat.accepted', data }];
      if (fact.type === 'ChatAssigned') {
        return [{ type: 'chat.assigned', data: { ...data, reason: fact.data.reason } }];
      }
      const reason = (await personal.reasonOf(event)) ?? fact.data.reason ?? fact.data.by;
      return [{ type: 'chat.closed', data: { ...data, reason } }];
    }
    case 'ChatUnassigned': {
      const { chatId, reason } = fact.data;
      return [{ type: 'chat.transferred', data: { visitor, chatId, operator: null, reason } }];
    }
    case 'ChatTransferred': {
      const { chatId, department, by } = fact.data;
      const operator = await operatorOrNull(fact.data.operator);
      const data = { visitor, chatId, operator, ...(department !== null && { department }) };
      return [{ type: 'chat.transferred', data: { ...data, reason: by } }];
    }
    case 'VisitorNotified': {
      const { chatId, reason, text, until } = fact.data;
      const about = { visitor, chatId, operator: null, reason };
      const message = { id: `${event.id}`, body: text };
      const opens = until === null ? {} : { until: iso(until) };
      return [{ type: 'chat.notice', data: { ...about, ...opens, message } }];
    }
    case 'NoteAdded':
    case 'OperatorCommandSent': {
      const opened = await personal.of(event);
      if (!opened) return [];
      const { chatId } = fact.data;
      const data = { visitor, chatId, operator: await operator(fact.data.operator) };
      if (fact.type === 'NoteAdded') {
        const note = { id: fact.data.noteId, body: String(opened.body) };
        return [{ type: 'chat.note', data: { ...data, note } }];
      }
      const { messageId, command } = fact.data;
      const text = String(opened.text);
      return [{ type: 'chat.command', data: { ...data, messageId, command, text } }];
    }
    case 'MessageDisplayed': {
      const { chatId, messageId } = fact.data;
      const data = { visitor, chatId, messageId, operator: await operator(fact.data.operator) };
      return [{ type: 'message.displayed', data }];
    }
    case 'TimedOut':
    case 'CleanedUp': {
      const type = fact.type === 'TimedOut' ? 'visitor.timed_out' : 'visitor.cleaned_up';
      const { chatId } = { chatId: undefined, ...fact.data };
      const data = { visitor, lastSeen: iso(fact.data.lastSeen) };
      return [{ type, data: chatId === undefined ? data : { ...data, chatId } }];
    }
    case 'MessageDelivered': {
      const { messageIds, chatId, by } = fact.data;
      return messageIds.map((messageId) => ({
        type: 'message.delivered',
        data: { visitor, chatId, messageId, reason: by },
      }));
    }
    case 'MessageFailed': {
      const { messageId, chatId, reason } = fact.data;
      return [{ type: 'message.failed', data: { visitor, chatId, messageId, reason } }];
    }
    case 'SessionFailed':
      return [{ type: 'visitor.failed', data: { visitor, reason: fact.data.reason } }];
    default:
      return [];
  }
}

/**
 * The callbacks that a fact calls for, in order. The first one has the id of the fact.
 * @param flavour of the tenant: what the xmppservice wire would say wrongly is left out for it
 */
export async function draftsOf(
  options: DraftOptions,
  actor: ActorRef,
  event: RecordedEvent,
  flavour: Flavour,
): Promise<readonly Draft[]> {
  if (actor.kind === 'visitor') return visitorDrafts(options, actor, event, flavour);
  if (actor.kind !== 'operator') return [];
  const type = onlineChange(event.data);
  const at = iso(event.metadata.at);
  const drafts: Draft[] = [];
  const { offlineLhcUserId } = event.data;
  if (typeof offlineLhcUserId === 'number' && takesOffline(event, flavour)) {
    const operator = { username: actor.name, lhcUserId: offlineLhcUserId };
    drafts.push({ type: 'operator.offline', data: { operator, at } });
  }
  const state = await options.actors.operator(actor.tenant, actor.name).state();
  // An operator in XMPP who is not registered is unknown to LHC.
  if (type && state?.context.registered) {
    const { lhcUserId } = state.context;
    drafts.push({ type, data: { operator: { username: actor.name, lhcUserId }, at } });
  }
  return drafts;
}

const iso = (at: number): string => new Date(at).toISOString();
