/** The end of a visitor's history: clean-up, erasure (docs/adr/0049), retention (docs/adr/0050). */
import type { Core, DecisionContext } from '../machine/decider.ts';
import { isFromTheFuture } from '../machine/timers.ts';
import { chatClosed, invitationEnd } from './chat-facts.ts';
import type { VisitorFact } from './facts.ts';
import { holdsOpenMessage } from './history.ts';
import type { VisitorSnapshot } from './machine.ts';
import type { VisitorContext, VisitorKept, VisitorState } from './state.ts';

export type HistoryEndCommand =
  | { type: 'CleanUp' }
  /**
   * Erases everything personal of this visitor. An open chat is closed, and the visitor is cleaned up.
   * `alsoElsewhere`: something in another stream may be sealed with the visitor's present data key.
   */
  | { type: 'ErasePersonalData'; alsoElsewhere?: boolean }
  /** The data keys of all generations before this one are destroyed. */
  | { type: 'ReportDataKeyDestroyed'; generation: number }
  /** The retention of the facts before this revision is over. It is a revision of `CleanedUp`. */
  | { type: 'ApplyRetention'; before: number }
  /** The same for everything of a visitor who was cleaned up and has no fact after this revision. */
  | { type: 'Forget'; revision: number };

/** The end of a history of which nobody outside hears. */
export const silentEnd = ({ lastSeen, account, loggedIn }: VisitorContext): VisitorFact => ({
  type: 'CleanedUp',
  data: { lastSeen, silent: { account, loggedIn } },
});

/** @param why the reason that an open chat is closed with */
function cleanUp(state: VisitorState, why = 'visitor cleaned up'): VisitorFact[] {
  const { presence, context } = state;
  if (presence === 'cleanedUp') return [];
  const chat = context.chat ? [chatClosed(context, 'system', why)] : [];
  return [
    ...chat,
    ...invitationEnd(state),
    { type: 'CleanedUp', data: { lastSeen: context.lastSeen } },
  ];
}

/** Without effect if nothing personal has come since the last erasure. */
function erase(state: VisitorState, alsoElsewhere = false): VisitorFact[] {
  const { generation, clean } = state.context.erasure;
  if (clean && !alsoElsewhere) return [];
  return [
    ...cleanUp(state, 'personal data erased'),
    { type: 'PersonalDataErased', data: { generation: generation + 1 } },
  ];
}

function cutBefore(
  core: Core<VisitorSnapshot>,
  before: number,
  { now }: DecisionContext,
): VisitorFact[] {
  const { context } = core.snapshot;
  if (before > core.revision || before <= context.over) return [];
  const at = context.history?.at ?? core.at;
  if (holdsOpenMessage(context, { before, at, now })) return [];
  return [{ type: 'RetentionApplied', data: { before } }];
}

/** Without effect while data keys of an erasure are still to be destroyed. */
function forget(
  { revision, at, snapshot: { context } }: Core<VisitorSnapshot>,
  { now }: DecisionContext,
): VisitorFact[] {
  const { generation, destroyed } = context.erasure;
  if (destroyed < generation) return [];
  if (holdsOpenMessage(context, { before: revision + 1, at, now })) return [];
  const data = { before: revision + 1, generation: generation + 1 };
  return [{ type: 'RetentionApplied', data }];
}

function destroyed({ erasure }: VisitorContext, generation: number): VisitorFact[] {
  const isNew = generation > erasure.destroyed && generation <= erasure.generation;
  return isNew ? [{ type: 'DataKeyDestroyed', data: { generation } }] : [];
}

/** The facts of a command about the end of a known visitor's history. */
export function decideHistoryEnd(
  core: Core<VisitorSnapshot>,
  state: VisitorState,
  command: HistoryEndCommand,
  decision: DecisionContext,
): VisitorFact[] {
  const { presence, context } = state;
  switch (command.type) {
    case 'CleanUp':
      // The time of a clean-up decides how long the history is kept. One from the future is written anew.
      return presence === 'cleanedUp' && isFromTheFuture(core, decision.now)
        ? [silentEnd(context)]
        : cleanUp(state);
    case 'ApplyRetention':
      return cutBefore(core, command.before, decision);
    case 'Forget':
      return presence === 'cleanedUp' && command.revision === core.revision
        ? forget(core, decision)
        : [];
    case 'ErasePersonalData':
      return erase(state, command.alsoElsewhere);
    case 'ReportDataKeyDestroyed':
      return destroyed(context, command.generation);
  }
}

/** What of the state stands in `CleanedUp`: the stream may be cut before it. */
export const keptState = ({
  lastChatId,
  chats,
  lastOperator,
  revokedReservations,
  openMessages,
  settledMessages,
  displayedRevision,
  erasure,
}: VisitorContext): VisitorKept => ({
  lastChatId,
  chats,
  lastOperator,
  revokedReservations,
  openMessages,
  settledMessages,
  displayedRevision,
  ...(erasure.generation > 0 && { erasure }),
});
