/** Which callbacks a fact calls for (docs/contracts.md). */
import type { Tenant } from '../actors/tenant/tenant.ts';
import type { VisitorFact } from '../actors/visitor/facts.ts';
import type { JsonObject } from '../kit/json.ts';
import type { CallbackType } from '../lhc/callback-types.ts';

export type Flavour = Tenant['callbackFlavour'];

/** Facts of visitors that LHC hears of. */
const VISITOR_FACTS: ReadonlySet<string> = new Set([
  'OperatorMessageReceived',
  'OperatorMessageRetracted',
  'MessageReacted',
  'InvitationExpired',
  'ChatAssigned',
  'ChatAccepted',
  'ChatUnassigned',
  'ChatTransferred',
  'ChatClosed',
  'VisitorNotified',
  'NoteAdded',
  'OperatorCommandSent',
  'TimedOut',
  'CleanedUp',
  'MessageDelivered',
  'MessageDisplayed',
  'MessageFailed',
  'SessionFailed',
]);

/** The callback for a fact that takes an operator online or offline; null for every other fact. */
export function onlineChange(data: JsonObject): 'operator.online' | 'operator.offline' | null {
  const { from, to } = (data.availability ?? {}) as { from?: string; to?: string }; // written by decisions
  if (data.online === true) return 'operator.online';
  if (from === to || (from !== 'offline' && to !== 'offline')) return null;
  return to === 'offline' ? 'operator.offline' : 'operator.online';
}

/** Whether an LHC user goes offline by a fact of an operator, whoever else goes online. */
export const takesOffline = (
  { type, data }: { readonly type: string; readonly data: JsonObject },
  flavour: Flavour,
): boolean =>
  typeof data.offlineLhcUserId === 'number' &&
  // On the xmppservice wire LHC knows whose an account is: who has it now must not go offline for who had it.
  (flavour === 'native' || type === 'OperatorRemoved');

/**
 * Release 0.1.0 told nobody of the end of an invitation. Those ends are too old to be told. And LHC has nothing of an
 * invitation that it has refused.
 */
const isSilentEnd = (type: string, { reason }: JsonObject): boolean =>
  type === 'InvitationExpired' && (reason === undefined || reason === 'refused');

/** Whether LHC may get a callback for a fact. */
export const concernsLhc = ({
  stream,
  type,
  data,
}: {
  readonly stream: string;
  readonly type: string;
  readonly data: JsonObject;
}): boolean =>
  (VISITOR_FACTS.has(type) && !isSilentEnd(type, data) && data.silent === undefined) ||
  (stream.startsWith('operator-') &&
    (onlineChange(data) !== null || data.offlineLhcUserId !== undefined));

/** True for what LHC itself said, and what it knows by that: it is not told again (docs/adr/0044). */
const saidLhc = ({ type, data }: VisitorFact): boolean =>
  (type === 'ChatAssigned' || type === 'ChatAccepted' || type === 'ChatTransferred'
    ? data.by
    : type === 'MessageDelivered' && data.by) === 'lhc';

/**
 * The callback that a visitor's fact calls for; null if there is none.
 * @param flavour of the tenant: what the xmppservice wire would say wrongly is left out for it
 */
export function callbackFor(fact: VisitorFact, flavour: Flavour): CallbackType | null {
  if (saidLhc(fact)) return null;
  switch (fact.type) {
    case 'OperatorMessageReceived':
      return fact.data.invitation || fact.data.chatId === null ? 'visitor.invited' : 'chat.message';
    // Nothing else can do it. The operator has read so (src/inbox/about-messages.ts).
    case 'OperatorMessageRetracted':
      return flavour === 'native' ? 'message.retracted' : null;
    case 'MessageReacted':
      return flavour === 'native' ? 'message.reaction' : null;
    case 'InvitationExpired': {
      const isTold = fact.data.operator !== null && !isSilentEnd(fact.type, fact.data);
      return isTold ? 'visitor.invitation_expired' : null;
    }
    case 'ChatAssigned':
      return 'chat.assigned';
    case 'ChatAccepted':
      return 'chat.accepted';
    case 'ChatClosed': {
      // There `chat.closed` is the operator's own `!close`. Whatever else closes a chat is LHC's, or LHC does the same.
      const isSilent =
        (flavour === 'xmppservice' && fact.data.by !== 'operator') ||
        // The visitor has ended it in LHC, whose operators may still look at it.
        (flavour === 'rest' && fact.data.by === 'visitor');
      return isSilent ? null : 'chat.closed';
    }
    case 'ChatUnassigned':
      // LHC never heard of operators who were only asked.
      return fact.data.broadcast ? null : 'chat.transferred';
    case 'ChatTransferred':
      return 'chat.transferred';
    case 'VisitorNotified':
      // That wire has no words of the service: all that visitors read is an operator's.
      return flavour === 'xmppservice' ? null : 'chat.notice';
    case 'NoteAdded':
      return 'chat.note';
    case 'OperatorCommandSent':
      return 'chat.command';
    case 'MessageDisplayed':
      return 'message.displayed';
    case 'TimedOut':
      return 'visitor.timed_out';
    case 'CleanedUp':
      return fact.data.silent === undefined ? 'visitor.cleaned_up' : null;
    case 'MessageDelivered':
      return 'message.delivered';
    case 'MessageFailed':
      return 'message.failed';
    case 'SessionFailed':
      return 'visitor.failed';
    default:
      return null;
  }
}
