/** What changes how a visitor looks in XMPP. */

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
