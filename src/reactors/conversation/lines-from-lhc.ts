/** What people write in LHC's own pages, as lines of the service for the operators who have or see the chat in XMPP. */
import type { Username } from '../../actors/ids.ts';
import type { VisitorFacts } from '../../actors/visitor/facts.ts';
import type { VisitorState } from '../../actors/visitor/state.ts';
import type { EventStore, RecordedEvent } from '../../eventstore/port.ts';
import type { Opening } from './opening.ts';
import { wasAskedBefore } from './unread.ts';

/**
 * Who reads it: whoever had the chat when it was written, and whoever has it now or is asked, if their opening stood before
 * it. An opening that comes later has it among what was said.
 */
export async function readersOf(
  { store, opening }: { store: Pick<EventStore, 'readStream'>; opening: Pick<Opening, 'endOf'> },
  { context: { chat, firstWaiting } }: VisitorState,
  { stream, revision }: RecordedEvent,
  { chatId, to }: VisitorFacts['MessageWrittenInLhc'],
): Promise<readonly Username[]> {
  const readers = to === undefined ? [] : [to];
  if (chat?.id !== chatId || revision < chat.searchRevision) return readers;
  for (const operator of chat.operator === null ? chat.offeredTo : [chat.operator]) {
    if (readers.includes(operator)) continue;
    const end = opening.endOf(stream, chat, operator);
    // Another process, or one before a crash, has sent the opening: where it does that, the log says.
    const isOpened =
      end === null
        ? (firstWaiting !== null && firstWaiting < revision) ||
          (await wasAskedBefore(store, { stream, chat }, operator, revision))
        : end <= revision;
    if (isOpened) readers.push(operator);
  }
  return readers;
}
