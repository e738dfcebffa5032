/** What people write in LHC's own pages, as lines of the service for the operators who have or see the chat in XMPP. */
import type { Username } from '../../actors/ids.ts';
import type { VisitorFacts } from '../../actors/visitor/facts.ts';
import type { VisitorState } from '../../actors/visitor/state.ts';
import type { EventStore, RecordedEvent } from '../../eventstore/port.ts';
import type { OperatorNames } from '../operator-names.ts';
import type { PersonalData } from '../personal-data.ts';
import { lineFromLhc, namedInLhc, nameIn, personInLhc } from '../texts/in-lhc.ts';
import { type Delivery, lineOf, type Sender } from './delivery.ts';
import type { Opening } from './opening.ts';
import type { Pauses } from './pauses.ts';
import { wasAskedBefore } from './unread.ts';

interface LineParts {
  readonly store: Pick<EventStore, 'readStream'>;
  readonly personal: Pick<PersonalData, 'of'>;
  readonly names: Pick<OperatorNames, 'of'>;
  readonly opening: Pick<Opening, 'endOf'>;
  readonly delivery: Pick<Delivery, 'sendLines'>;
  readonly pauses: Pick<Pauses, 'leftFor'>;
}

/**
 * Who reads it: whoever had the chat when it was written, and whoever has it now or is asked, if their opening stood before
 * it. An opening that comes later has it among what was said.
 */
async function readersOf(
  { store, opening }: LineParts,
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

/**
 * Shows what somebody wrote in LHC to whoever has or sees the chat in XMPP.
 * @param again a person sends it again, out of order
 * @param inRoom shows it in the chat's room; null if it has none
 * @returns after how many ms it has to be called again; 0: all is done
 */
export async function showFromLhc(
  parts: LineParts,
  sender: Sender,
  state: VisitorState,
  event: RecordedEvent,
  written: VisitorFacts['MessageWrittenInLhc'],
  again: boolean,
  inRoom: ((text: string) => Promise<boolean>) | null,
): Promise<number> {
  const { personal, names, delivery, pauses } = parts;
  const readers = await readersOf(parts, state, event, written);
  const isRead = readers.length > 0 || inRoom !== null;
  const opened = isRead ? await personal.of(event) : null; // erased with the visitor
  if (typeof opened?.body !== 'string') return 0;
  const { body } = opened;
  const lookMs = again ? 0 : pauses.leftFor(event.stream, state, readers);
  if (lookMs > 0) return lookMs;
  const { of: nameOf } = await names.of(sender.tenant.id);
  const author = personInLhc(written, nameIn(opened), nameOf);
  const isInRoom = !again && inRoom !== null && (await inRoom(lineFromLhc(author, body)));
  const lines = readers.map((to, index) => {
    const text = lineFromLhc(to === written.operator ? namedInLhc('You') : author, body);
    return lineOf(event, event.revision, index, { to, text, ...(isInRoom && { inRoom: true }) });
  });
  await delivery.sendLines(sender, lines);
  return 0;
}
