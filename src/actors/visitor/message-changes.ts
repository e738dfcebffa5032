/** What a fact changes in the messages that a visitor's context knows (changes.ts). */
import { shortHash } from '../../kit/hash.ts';
import type { Username } from '../ids.ts';
import type { Of } from './facts.ts';
import type { SettledMessage, VisitorContext, VisitorKept } from './state.ts';

/** Lengths of the lists in the context. */
export const MAX_SETTLED_MESSAGES = 256;
export const MAX_MARKABLE_MESSAGES = 32;

/** What changes in a context. */
export type Change = Partial<VisitorContext>;

export function keepMessage(
  { openMessages, chat, chatMessages, firstWaiting }: VisitorContext,
  { data, at, revision }: Of<'VisitorMessageSent'>,
): Change {
  const { messageId: id, chatId, digest, to } = data;
  const message = {
    id,
    chatId,
    revision,
    taken: false,
    ...(digest !== undefined && { digest }),
    ...(to !== undefined && { to: [to] }),
  };
  // A message that LHC addresses waits for nobody, and one that somebody reads in LHC neither.
  const waits = chat?.operator === null && !chat.inLhc && to === undefined;
  return {
    lastSeen: at,
    openMessages: [...openMessages, message],
    chatMessages: chatMessages + 1,
    firstWaiting: firstWaiting ?? (waits ? revision : null),
  };
}

/** A visitor's message that is open or was settled lately, in the form of a settled one; undefined for any other. */
export function knownMessage(
  { openMessages, settledMessages }: VisitorContext,
  messageId: string,
): SettledMessage | undefined {
  const hash = shortHash(messageId);
  const open = openMessages.find(({ id }) => id === messageId);
  if (!open) return settledMessages.find(([known]) => known === hash);
  const { revision, digest, chatId } = open;
  return digest === undefined ? [hash, revision] : [hash, revision, digest, shortHash(chatId)];
}

/** Revision of such a message; null for any other message. */
export const revisionOf = (context: VisitorContext, messageId: string): number | null =>
  knownMessage(context, messageId)?.[1] ?? null;

export function settle(context: VisitorContext, ids: readonly string[]): Change {
  const settled = ids.map((id): SettledMessage => knownMessage(context, id) ?? [shortHash(id), -1]);
  return {
    openMessages: context.openMessages.filter((message) => !ids.includes(message.id)),
    settledMessages: [...context.settledMessages, ...settled].slice(-MAX_SETTLED_MESSAGES),
  };
}

/** Release 0.1.0 kept ids without revisions. The order in which the messages were settled stands for the order of sending. */
export const settledOf = (context: VisitorContext, kept: VisitorKept['settledMessages']) =>
  kept.map((each, index): SettledMessage => {
    if (typeof each !== 'string') return each;
    return [shortHash(each), revisionOf(context, each) ?? index - kept.length];
  });

/** Changes to whom this open message may still go. */
export const changeReceivers = (
  { openMessages }: VisitorContext,
  messageId: string,
  change: (to: Username[]) => Username[],
): Change => ({
  openMessages: openMessages.map((message) =>
    message.id === messageId && message.to ? { ...message, to: change(message.to) } : message,
  ),
});

export const take = ({ openMessages }: VisitorContext, ids: readonly string[]): Change => ({
  openMessages: openMessages.map((message) =>
    ids.includes(message.id) ? { ...message, taken: true } : message,
  ),
});

export function keepMarkable(
  context: VisitorContext,
  { data }: Of<'OperatorMessageReceived'>,
): Change {
  if (!data.markable) return {};
  const markable = { hash: shortHash(data.messageId), operator: data.operator };
  return { markable: [...context.markable, markable].slice(-MAX_MARKABLE_MESSAGES) };
}

export function displayMarkable({ markable }: VisitorContext, messageId: string): Change {
  const shown = shortHash(messageId);
  const index = markable.findIndex(({ hash }) => hash === shown);
  return { markable: markable.slice(index + 1) };
}

/** Histories of release 0.1.0 may have an older marker behind a newer one. */
export function display(context: VisitorContext, messageId: string): Change {
  const { displayedRevision: known } = context;
  const revision = revisionOf(context, messageId) ?? known;
  return { displayedRevision: known === null ? revision : Math.max(known, revision ?? known) };
}
