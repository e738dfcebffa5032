/** What a fact calls for outside, as a list for people. Nothing is performed. */
import type { Username } from '../actors/ids.ts';
import type { OperatorEvent } from '../actors/operator/facts.ts';
import type { VisitorEvent } from '../actors/visitor/facts.ts';
import { roomAt } from '../actors/visitor/room.ts';
import type { VisitorState } from '../actors/visitor/state.ts';
import { lineOfNotice, lineOfRefusal } from '../reactors/texts/lhc-answers.ts';
import { confirmationsOf, noticesOf } from '../reactors/texts/notices.ts';
import { roomNoticeOf } from '../reactors/texts/room.ts';
import { callbackFor, type Flavour, onlineChange, takesOffline } from './lhc.ts';
import { changesLook, shouldBe } from './presence.ts';
import { acknowledgedBy, addressedBy, concernsXmpp, openedBy } from './xmpp.ts';

export interface Effect {
  /** `presence`: the reconciler; `routing`: the search for an operator. */
  readonly destination: 'xmpp' | 'lhc' | 'presence' | 'routing';
  readonly name: string;
  /** For people; null if the name says all. */
  readonly detail: string | null;
}

const at = (operators: readonly Username[]): string =>
  operators.map((each) => `@${each}`).join(', ');

/** What a visitor's fact calls for. @param after the state after the fact; lanes see an even later one */
export function effectsOfVisitor(
  fact: VisitorEvent,
  before: VisitorState,
  after: VisitorState,
  flavour: Flavour,
): readonly Effect[] {
  const callback = callbackFor(fact, flavour);
  return [
    ...presenceEffects(fact, before, after),
    ...(concernsXmpp(fact) ? stanzas(fact, after) : []),
    ...(callback ? [{ destination: 'lhc' as const, name: callback, detail: null }] : []),
    ...routingEffects(fact, after),
  ];
}

function presenceEffects(
  { type, data }: VisitorEvent,
  before: VisitorState,
  after: VisitorState,
): readonly Effect[] {
  const destination = 'presence';
  if (type === 'CleanedUp' && data.silent !== undefined) return [];
  const [was, is] = [shouldBe(before), shouldBe(after)];
  if (was !== is) return [{ destination, name: is, detail: null }];
  const isSeen = is === 'shown' && (changesLook(type) || type === 'PageViewed');
  return isSeen ? [{ destination, name: 'status', detail: null }] : [];
}

function stanzas(fact: VisitorEvent, { context }: VisitorState): readonly Effect[] {
  return [...inRoom(fact, context), ...inWindows(fact, context)];
}

/** What stands in the room of the chat, and who is let in. */
function inRoom(fact: VisitorEvent, context: VisitorState['context']): readonly Effect[] {
  const destination = 'xmpp';
  if (fact.type === 'RoomOpened') {
    return [{ destination, name: 'room', detail: `for ${at(fact.data.members)}` }];
  }
  if (!roomAt(context, fact.revision)) return [];
  const detail = 'to the room';
  switch (fact.type) {
    case 'VisitorMessageSent':
      return [{ destination, name: 'message', detail }];
    case 'RoomJoined':
      return [{ destination, name: 'room', detail: `for ${at(fact.data.operators)}` }];
    case 'OperatorMessageReceived':
    case 'OperatorMessageRetracted':
    case 'Whispered':
      return fact.data.toRoom ? [{ destination, name: 'line', detail }] : [];
    case 'MessageWrittenInLhc':
      return [{ destination, name: 'line', detail }];
    default: {
      const text = roomNoticeOf(fact, (username) => `@${username}`, null, null);
      return text === null ? [] : [{ destination, name: 'line', detail: `${detail}: ${text}` }];
    }
  }
}

/** What operators get in their conversations with the visitor. */
function inWindows(fact: VisitorEvent, context: VisitorState['context']): readonly Effect[] {
  const { chat } = context;
  const destination = 'xmpp';
  const addressed = addressedBy(fact);
  if (addressed) {
    const { operator, isShown } = addressed;
    return isShown ? [] : [{ destination, name: 'message', detail: `to @${operator}` }];
  }
  if (fact.type === 'VisitorMessageSent') {
    const asked = chat?.offeredTo ?? [];
    const waits = asked.length > 0 ? `shown to ${at(asked)}` : 'waits for an operator';
    const detail = chat?.operator ? `to @${chat.operator}` : waits;
    return [{ destination, name: 'message', detail }];
  }
  if (fact.type === 'MessageWrittenInLhc') {
    const { to } = fact.data;
    return to === undefined ? [] : [{ destination, name: 'line', detail: `to @${to}` }];
  }
  if (fact.type === 'OperatorMessageReceived') {
    const owner = chat?.id === fact.data.chatId ? chat.operator : null;
    const isThere = owner === fact.data.operator && !fact.data.room;
    return owner === null || isThere ? [] : [{ destination, name: 'line', detail: `to @${owner}` }];
  }
  if (fact.type === 'Whispered') {
    const { to, operator, room } = fact.data;
    const readers = [...(to === undefined ? [] : [to]), ...(room ? [] : [operator])];
    return readers.map((each) => ({ destination, name: 'line', detail: `to @${each}` }));
  }
  if (fact.type === 'OperatorMessageReacted') {
    return [{ destination, name: 'reaction', detail: `to @${fact.data.operator}` }];
  }
  const opened = openedBy(fact, chat);
  const acknowledged = acknowledgedBy(fact);
  return [
    ...(opened
      ? [{ destination, name: 'opening', detail: `to ${at(opened.operators)}` } as const]
      : []),
    ...(acknowledged
      ? [{ destination, name: acknowledged.what, detail: `to @${acknowledged.operator}` } as const]
      : []),
    ...linesOf(fact, context.inviter).map(
      ({ to, text }) => ({ destination, name: 'line', detail: `to @${to}: ${text}` }) as const,
    ),
  ];
}

/** The lines that operators read, with usernames for names and without personal data. */
function linesOf(
  fact: VisitorEvent,
  inviter: Username | null,
): readonly { readonly to: Username; readonly text: string }[] {
  if (fact.type === 'LhcAnswered' || fact.type === 'LhcRefused') {
    const text =
      fact.type === 'LhcRefused'
        ? lineOfRefusal(fact.data, null)
        : lineOfNotice(fact.data.notice, null);
    return text === null ? [] : [{ to: fact.data.operator, text }];
  }
  const notices = noticesOf(fact, (username) => `@${username}`, 'The visitor', inviter, null);
  return [...notices, ...confirmationsOf(fact)];
}

function routingEffects(
  fact: VisitorEvent,
  { context: { chat } }: VisitorState,
): readonly Effect[] {
  const isSought =
    chat?.searchRevision === fact.revision && chat.operator === null && !chat.byLhc && !chat.inLhc;
  return isSought ? [{ destination: 'routing', name: 'search', detail: `chat ${chat.id}` }] : [];
}

/** What an operator's fact calls for. */
export function effectsOfOperator(
  fact: OperatorEvent,
  isRegistered: boolean,
  flavour: Flavour,
): readonly Effect[] {
  const effects: Effect[] = [];
  switch (fact.type) {
    case 'OperatorRemoved':
      effects.push({ destination: 'xmpp', name: 'account removed', detail: null });
      break;
    case 'PresenceResumed':
      effects.push({ destination: 'xmpp', name: 'sessions compared', detail: null });
      break;
    case 'QuestionAsked':
    case 'AvailabilitySet':
    case 'MessageRefused': {
      const { visitor } = fact.data;
      const detail =
        visitor === null ? 'at the front desk' : `in the conversation with visitor ${visitor}`;
      effects.push({ destination: 'xmpp', name: 'answer', detail });
      break;
    }
    default:
  }
  if (takesOffline(fact, flavour)) {
    effects.push({ destination: 'lhc', name: 'operator.offline', detail: 'another LHC user' });
  }
  const change = onlineChange(fact.data);
  if (change && isRegistered) effects.push({ destination: 'lhc', name: change, detail: null });
  return effects;
}
