/** Whether a visitor should be seen in XMPP. */
import { actorOf } from '../actors/ids.ts';
import type { VisitorState } from '../actors/visitor/state.ts';
import type { JsonObject } from '../kit/json.ts';

interface Fact {
  readonly stream: string;
  readonly type: string;
  readonly data: JsonObject;
}

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
 * The visitor's account, place in the group and presence, as a place of effects for the debugger. No lane performs them:
 * the reconciler makes what should be, and the log does not say how that went.
 */
export const PRESENCE = {
  name: 'presence',
  hasLane: false,
  concerns: ({ stream, type, data }: Fact): boolean =>
    (changesLook(type) || type === 'PageViewed') &&
    data.silent === undefined &&
    actorOf(stream)?.kind === 'visitor',
} as const;

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
