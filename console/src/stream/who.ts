/** Who is behind a fact, as far as its envelope and its data say so. */
import type { Json, JsonObject, RecordedEvent } from '../api/debugger.ts';

export type Who =
  | { readonly kind: 'operator'; readonly name: string }
  | { readonly kind: 'visitor' | 'LHC' | 'timer' | 'ejabberd' | 'service' };

/** Facts that only the visitor, or LHC for them, can cause. */
const OF_VISITORS: ReadonlySet<string> = new Set([
  'VisitorArrived',
  'PageViewed',
  'ChatStarted',
  'VisitorMessageSent',
  'OperatorMessageReacted',
]);

/** What an operator did by writing or by their client. */
const OF_OPERATORS: ReadonlySet<string> = new Set([
  'Invited',
  'OperatorMessageReceived',
  'OperatorMessageRetracted',
  'MessageReacted',
  'ChatAccepted',
  'NoteAdded',
  'RoomOpened',
  'Whispered',
  'OperatorCommandSent',
  'MessageDisplayed',
]);

/** What an operator's client did. These are in the operator's own stream. */
const OF_CLIENTS: ReadonlySet<string> = new Set([
  'OperatorLoggedIn',
  'PresenceChanged',
  'OperatorLoggedOut',
  'AvailabilitySet',
  'QuestionAsked',
]);

/** What only a timer of the machine calls for, or nearly only: LHC may say so too. */
const OF_TIMERS: ReadonlySet<string> = new Set([
  'TimedOut',
  'InvitationExpired',
  'OperatorGone',
  'PresenceResumed',
]);

const fields = (value: Json): JsonObject =>
  value !== null && typeof value === 'object' && !Array.isArray(value) ? (value as JsonObject) : {};

/** @param stream of the fact */
export function whoOf(
  { type, data, metadata }: Pick<RecordedEvent, 'type' | 'data' | 'metadata'>,
  stream: string,
): Who {
  const { operator, by, reason } = fields(data);
  const name = typeof operator === 'string' ? operator : null;
  if (by === 'lhc' || type.endsWith('InLhc') || reason === 'lhc') return { kind: 'LHC' };
  if (type.startsWith('Lhc')) return { kind: 'LHC' };
  if (OF_VISITORS.has(type) || by === 'visitor') return { kind: 'visitor' };
  if ((OF_OPERATORS.has(type) || by === 'operator') && name !== null) {
    return { kind: 'operator', name };
  }
  if (OF_CLIENTS.has(type) && stream.startsWith('operator-')) {
    return { kind: 'operator', name: stream.slice(stream.indexOf('.') + 1) };
  }
  if (OF_TIMERS.has(type) || reason === 'idle' || reason === 'missed') return { kind: 'timer' };
  if (metadata.hook !== undefined) return { kind: 'ejabberd' };
  return { kind: 'service' };
}

export const whoText = (who: Who): string => (who.kind === 'operator' ? who.name : who.kind);
