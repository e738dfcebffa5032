/**
 * The text of an opening (opening.ts): the visitor's words, which chat it is, who the visitor is, and what was said before.
 * It is made from the log each time, so a restart loses none of it.
 */
import { visitorFact } from '../../actors/facts.ts';
import type { Username } from '../../actors/ids.ts';
import type { Chat, VisitorState } from '../../actors/visitor/state.ts';
import type { EventStore, RecordedEvent } from '../../eventstore/port.ts';
import { eventAt } from '../../eventstore/reading.ts';
import type { OperatorNames } from '../operator-names.ts';
import type { PersonalData } from '../personal-data.ts';
import { fileInList } from '../texts/files.ts';
import { headlineByLhc, headlineOf } from '../texts/headline.ts';
import { namedInLhc, nameIn, personInLhc } from '../texts/in-lhc.ts';
import { introductionOf, toldLine } from '../texts/introduction.ts';
import { marked } from '../texts/mark.ts';
import { visitorAs } from '../texts/presence-text.ts';
import { stampOf } from '../texts/times.ts';
import { lastThatFit, transcriptLine } from '../texts/transcript.ts';
import { type Content, lineIdOf, type Sender } from './delivery.ts';
import { type UnreadPart, wasAskedBefore } from './unread.ts';
import type { VisitorFiles } from './visitor-files.ts';
import { type Said, saidIn } from './words.ts';

/** A message that others received is cut here in the transcript, in UTF-16 units. */
export const TRANSCRIPT_BODY_MAX_LENGTH = 1_000;
/** The transcript of an opening. The oldest messages are left out; `!history` has them. */
export const TRANSCRIPT_MAX_BYTES = 8_000;
/**
 * The visitor's words in an opening. A longer message goes out by itself, whole, behind the opening: with both, a stanza
 * could exceed what ejabberd takes.
 */
export const OPENING_WORDS_MAX_BYTES = 16_000;
/** The visitor's words are from just now if they are younger than this. */
const FRESH_MS = 60_000;

export interface ContentOptions {
  readonly store: EventStore;
  readonly personal: PersonalData;
  readonly files: VisitorFiles;
  readonly names: Pick<OperatorNames, 'of'>;
  readonly now: () => number;
}

/** The opening of one visitor's chat. */
export interface OpeningOf {
  readonly sender: Sender;
  readonly state: VisitorState;
  readonly chat: Chat;
  readonly stream: string;
}

/** What others had received of the chat: the visitor's last words, and what was said before them. */
function splitReceived(received: readonly Said[]): Pick<Parts, 'unanswered' | 'before'> {
  const answered = received.findLastIndex(({ messageId }) => messageId === null);
  let room = OPENING_WORDS_MAX_BYTES / 2;
  let first = received.length;
  while (first - 1 > answered) {
    room -= Buffer.byteLength(received[first - 1]?.body ?? '') + 1;
    if (room < 0) break;
    first -= 1;
  }
  return { unanswered: received.slice(first), before: received.slice(0, first) };
}

/** The messages of an opening. */
interface Parts {
  /** The visitor's message that carries the opening. */
  readonly carrier: Said | undefined;
  /** Messages that nobody has received, and that follow by themselves. */
  readonly behind: readonly Said[];
  /** The visitor's words that others have received and not answered. */
  readonly unanswered: readonly Said[];
  /** What was said before them. */
  readonly before: readonly Said[];
}

/**
 * @param isOpened the operator may have the opening already, without its first message
 * @param addressed the message with which LHC addressed them: all others are for others
 */
function partsOf(
  said: readonly Said[],
  { chat, state }: OpeningOf,
  isOpened: boolean,
  addressed: string | undefined,
): Parts {
  const openIds = new Set(
    addressed === undefined
      ? state.context.openMessages.filter(({ to }) => to === undefined).map(({ id }) => id)
      : [addressed],
  );
  const isOpen = ({ messageId }: Said): boolean => messageId !== null && openIds.has(messageId);
  const open = said.filter(isOpen);
  const received = said.filter((each) => !isOpen(each));
  const [first] = open;
  // An operator may have messages from an earlier search. mod_lhc would drop an opening with the id of one of them.
  const fits =
    first !== undefined &&
    !isOpened &&
    first.file === null && // clients show a picture that is alone in its stanza
    first.event.revision >= chat.searchRevision &&
    Buffer.byteLength(first.body) <= OPENING_WORDS_MAX_BYTES;
  if (first && !fits) return { carrier: undefined, behind: open, unanswered: [], before: received };
  return { carrier: first, behind: open.slice(1), ...splitReceived(received) };
}

/** The lines of the service in an opening. */
async function linesOf(
  { store, personal, names, now }: ContentOptions,
  { sender, state, chat, stream }: OpeningOf,
  operator: Username,
  { carrier, unanswered, before }: Parts,
  hadChat: boolean,
): Promise<string> {
  const { tenant, key } = sender;
  const { profile } = await personal.profileOf(tenant.id, key, state);
  const event = await eventAt(store, stream, chat.searchRevision);
  const start = event && visitorFact(event);
  const { of: nameOf } = await names.of(tenant.id);
  const name = event ? nameIn(await personal.of(event)) : undefined;
  const taken = start?.type === 'ChatTakenInLhc' ? start.data : null;
  const inLhc = taken ? personInLhc(taken, name, nameOf) : name && namedInLhc(name);
  const authorOf = ({ operator: author, inLhc, isCorrection }: Said): string => {
    if (inLhc) return personInLhc(inLhc, inLhc.name, nameOf);
    if (author === null) return visitorAs(key, profile);
    return `${nameOf(author)}${isCorrection ? ' (corrected)' : ''}`;
  };
  const at = now();
  const headline = chat.byLhc
    ? headlineByLhc(chat, operator, at, nameOf, hadChat)
    : headlineOf(chat, start, operator, at, { nameOf, inLhc });
  const all = before.map((said) => {
    const body = said.file ? fileInList(said.file) : said.body;
    const line = { at: said.event.metadata.at, author: authorOf(said), body };
    return transcriptLine(line, at, TRANSCRIPT_BODY_MAX_LENGTH);
  });
  const shown = lastThatFit(all, TRANSCRIPT_MAX_BYTES);
  const leftOut = shown.length < all.length ? ' The oldest are left out; !history has them.' : '';
  // The headline of a new chat says how long it has waited.
  const spoken =
    start?.type === 'ChatStarted' ? undefined : (carrier ?? unanswered.at(-1))?.event.metadata.at;
  return [
    headline,
    // Whoever had the chat before knows the visitor.
    hadChat ? '' : introductionOf(key, profile, state, at, operator, nameOf),
    hadChat ? '' : toldLine(chat),
    spoken === undefined || at - spoken < FRESH_MS
      ? ''
      : `The words above are of ${stampOf(spoken, at)}.`,
    shown.length > 0 ? `Said before, times in UTC.${leftOut}` : '',
    ...shown,
  ]
    .filter((line) => line !== '')
    .join('\n');
}

/** An opening as stanzas. */
export interface Composed {
  readonly content: Content;
  /** The visitor's message that carries it; null if it is a line of the service. */
  readonly carried: string | null;
  readonly behind: Content[];
}

/**
 * @param part what the operator has not read
 * @param place where LHC addressed them, or they answered, and the message that carries the opening
 * @returns null if the operator knows all of it
 */
export async function compose(
  options: ContentOptions,
  of: OpeningOf,
  operator: Username,
  { messages, hadChat }: UnreadPart,
  place?: { readonly revision: number; readonly message: RecordedEvent | null },
): Promise<Composed | null> {
  const { store, personal, files } = options;
  const { chat, stream } = of;
  const { tenant } = of.sender;
  const addressed = place?.message;
  const said = await saidIn(personal, addressed ? [...messages, addressed] : messages);
  const waiting = said.find(({ event }) => event.revision >= chat.searchRevision);
  const isOpened =
    waiting !== undefined &&
    !place &&
    (await wasAskedBefore(store, { stream, chat }, operator, waiting.event.revision));
  const addressedId = addressed ? (said.at(-1)?.messageId ?? undefined) : undefined;
  const parts = partsOf(said, of, isOpened, addressedId);
  // Who has passed the chat twice knows it. Only what was said since is news.
  if (chat.passedAgain.includes(operator) && !waiting && parts.behind.length === 0) return null;
  const { carrier, unanswered } = parts;
  const words = [...unanswered, ...(carrier ? [carrier] : [])].map(
    (message) => files.shown(tenant, message.event, message).body,
  );
  const lines = marked(await linesOf(options, of, operator, parts, hadChat));
  const body = words.length === 0 ? lines : `${words.join('\n')}\n\n${lines}`;
  const carried = carrier?.messageId ?? null;
  const id = carried ?? lineIdOf(place?.revision ?? chat.searchRevision, `open-${chat.id}`);
  const behind = parts.behind.map(
    (message): Content => ({
      id: message.messageId ?? '',
      ...files.shown(tenant, message.event, message),
      ...(message.event.revision < chat.searchRevision && {
        delay: { at: message.event.metadata.at },
      }),
    }),
  );
  return { content: { id, body, ...(carried === null && { notice: true }) }, carried, behind };
}
