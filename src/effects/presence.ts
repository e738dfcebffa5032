/** Whether a visitor should be seen in XMPP. */
import type { VisitorState } from '../actors/visitor/state.ts';

/** Facts that can change what operators see of a visitor, beside page views. */
const VISIBLE_FACTS: ReadonlySet<string> = new Set([
  'VisitorArrived',
  'TimedOut',
  'CleanedUp',
  'Invited',
  'InvitationExpired',
  'ChatStarted',
  'ChatAssigned',
  'ChatAccepted',
  'ChatUnassigned',
  'ChatTransferred',
  'ChatTakenInLhc',
  'ChatClosed',
]);

/** True if a fact can change what operators see of a visitor. A page view changes their status alone. */
export const changesLook = (type: string): boolean => VISIBLE_FACTS.has(type);

/**
 * What should be true of a visitor in ejabberd: `shown` is online there, as far as the tenant has room; `hidden` has an
 * account; `gone` has none.
 */
export function shouldBe({ presence, conversation }: VisitorState): 'shown' | 'hidden' | 'gone' {
  if (presence === 'online' || conversation === 'waiting' || conversation === 'chatting') {
    return 'shown';
  }
  return presence === 'timedOut' ? 'hidden' : 'gone';
}
