/**
 * The opening of a chat for an operator (docs/adr/0017, 0033): what the visitor waits for an answer to, which chat it is,
 * who the visitor is, and, if others had the chat, what was said meanwhile. It is one stanza, and what follows it waits
 * (pauses.ts).
 *
 * Where the visitor's message is the first of its search, it carries the opening, under its own id. Otherwise the opening
 * is a line of the service. Every message that nobody has received keeps a stanza and an id of its own, so that receipts,
 * markers, a resend and mod_lhc's filter of repeats mean the message. So an opening can be sent again after a crash.
 */
import type { Logger } from 'pino';
import { visitorFact } from '../../actors/facts.ts';
import { streamOf, type Username, visitorRef } from '../../actors/ids.ts';
import type { Chat, VisitorContext, VisitorState } from '../../actors/visitor/facts.ts';
import { isRefused } from '../../errors.ts';
import type { EventStore } from '../../eventstore/port.ts';
import { eventAt } from '../../eventstore/reading.ts';
import { Lru } from '../../kit/lru.ts';
import type { OperatorNames } from '../operator-names.ts';
import type { PersonalData } from '../personal-data.ts';
import { headlineOf } from '../texts/headline.ts';
import { introductionOf } from '../texts/introduction.ts';
import { asWords, marked } from '../texts/mark.ts';
import { nickOf } from '../texts/presence-text.ts';
import { stampOf } from '../texts/times.ts';
import { lastThatFit, transcriptLine } from '../texts/transcript.ts';
import { type Content, type Delivery, lineIdOf, type Sender } from './delivery.ts';
import type { Pauses } from './pauses.ts';
import { createUnread, type UnreadPart, wasAskedBefore } from './unread.ts';
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
/** This process does not send the same again within this time. It is a cache only: mod_lhc drops repeats too. */
export const SENT_REMEMBERED_MS = 10 * 60_000;
const OPENINGS_REMEMBERED = 5_000;

/** The visitor's messages that ejabberd refuses for an operator, with the reasons. */
export type Refusals = ReadonlyMap<string, string>;

export interface Opened {
  /** Messages that nobody has received yet and that were refused. */
  readonly refusals: Refusals;
  /** The visitor's messages that this call has sent, in the opening or behind it, by operator. */
  readonly sent: ReadonlyMap<Username, ReadonlySet<string>>;
  /** Messages of the opening are left, and have to wait so long. Call it again then. 0: all was sent. */
  readonly waitMs: number;
}

export interface Opening {
  /**
   * Opens the chat for these operators with everything before this revision. A refused line is left out, because the
   * messages behind it matter more.
   * @throws {AppError} `unavailable`, as {@link Delivery}
   */
  open(
    sender: Sender,
    state: VisitorState,
    operators: readonly Username[],
    before: number,
  ): Promise<Opened>;
  /**
   * The opening that a message carried to the chat's operator, to be sent again with it.
   * @returns null if the message carries none
   */
  carriedBy(
    sender: Sender,
    state: VisitorState,
    message: { readonly id: string; readonly revision: number },
  ): Promise<Content | null>;
}

/** True if the opening stands at this fact. It stands earlier if a message of the same round had to wait. */
export const opensAt = ({ chat, firstWaiting }: VisitorContext, revision: number): boolean =>
  chat !== null &&
  revision >= chat.searchRevision &&
  (firstWaiting === null || firstWaiting >= revision);

export interface OpeningOptions {
  readonly store: EventStore;
  readonly personal: PersonalData;
  readonly names: Pick<OperatorNames, 'of'>;
  readonly delivery: Delivery;
  readonly pauses: Pauses;
  readonly now: () => number;
  readonly logger: Logger;
}

/** What this process has sent of an opening to one operator. */
interface Progress {
  readonly at: number;
  /** Messages that go out behind the opening, as far as they are left. */
  readonly behind: Content[];
  readonly refusals: Map<string, string>;
  /** The messages that the current call has sent. */
  sentNow: Set<string>;
}

/** The opening of one visitor's chat. */
interface OpeningOf {
  readonly sender: Sender;
  readonly state: VisitorState;
  readonly chat: Chat;
  readonly stream: string;
}

/** What others had received of the chat: the visitor's last words, and what was said before them. */
function splitReceived(received: readonly Said[]): Pick<Parts, 'unanswered' | 'before'> {
  const answered = received.findLastIndex(({ operator }) => operator !== null);
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

/** @param isOpened the operator may have the opening already, without its first message */
function partsOf(said: readonly Said[], { chat, state }: OpeningOf, isOpened: boolean): Parts {
  const openIds = new Set(state.context.openMessages.map(({ id }) => id));
  const isOpen = ({ messageId }: Said): boolean => messageId !== null && openIds.has(messageId);
  const open = said.filter(isOpen);
  const received = said.filter((each) => !isOpen(each));
  const [first] = open;
  // An operator may have messages from an earlier search. mod_lhc would drop an opening with the id of one of them.
  const fits =
    first !== undefined &&
    !isOpened &&
    first.event.revision >= chat.searchRevision &&
    Buffer.byteLength(first.body) <= OPENING_WORDS_MAX_BYTES;
  if (first && !fits) return { carrier: undefined, behind: open, unanswered: [], before: received };
  return { carrier: first, behind: open.slice(1), ...splitReceived(received) };
}

/** The lines of the service in an opening. */
async function linesOf(
  { store, personal, names, now }: OpeningOptions,
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
  const authorOf = ({ operator, isCorrection }: Said): string =>
    operator === null
      ? nickOf(key, profile)
      : `${nameOf(operator)}${isCorrection ? ' (corrected)' : ''}`;
  const at = now();
  const all = before.map((said) => {
    const line = { at: said.event.metadata.at, author: authorOf(said), body: said.body };
    return transcriptLine(line, at, TRANSCRIPT_BODY_MAX_LENGTH);
  });
  const shown = lastThatFit(all, TRANSCRIPT_MAX_BYTES);
  const leftOut = shown.length < all.length ? ' The oldest are left out; !history has them.' : '';
  // The headline of a new chat says how long it has waited.
  const spoken =
    start?.type === 'ChatStarted' ? undefined : (carrier ?? unanswered.at(-1))?.event.metadata.at;
  return [
    headlineOf(chat, start, operator, at, nameOf),
    // Whoever had the chat before knows the visitor.
    hadChat ? '' : introductionOf(key, profile, state, at, operator, nameOf),
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
interface Composed {
  readonly content: Content;
  /** The visitor's message that carries it; null if it is a line of the service. */
  readonly carried: string | null;
  readonly behind: Content[];
}

/** @returns null if the operator knows all of it */
async function compose(
  options: OpeningOptions,
  of: OpeningOf,
  operator: Username,
  { messages, hadChat }: UnreadPart,
): Promise<Composed | null> {
  const { store, personal } = options;
  const { chat, stream } = of;
  const said = await saidIn(personal, messages);
  const waiting = said.find(({ event }) => event.revision >= chat.searchRevision);
  const isOpened =
    waiting !== undefined &&
    (await wasAskedBefore(store, { stream, chat }, operator, waiting.event.revision));
  const parts = partsOf(said, of, isOpened);
  // Who has passed the chat twice knows it. Only what was said since is news.
  if (chat.passedAgain.includes(operator) && !waiting && parts.behind.length === 0) return null;
  const { carrier, unanswered } = parts;
  const words = [...unanswered, ...(carrier ? [carrier] : [])].map(({ body }) => asWords(body));
  const lines = marked(await linesOf(options, of, operator, parts, hadChat));
  const body = words.length === 0 ? lines : `${words.join('\n')}\n\n${lines}`;
  const carried = carrier?.messageId ?? null;
  const id = carried ?? lineIdOf(chat.searchRevision, `open-${chat.id}`);
  const behind = parts.behind.map(
    ({ messageId, body: text, event: { revision, metadata } }): Content => ({
      id: messageId ?? '',
      body: asWords(text),
      ...(revision < chat.searchRevision && { delay: { at: metadata.at } }),
    }),
  );
  return { content: { id, body, ...(carried === null && { notice: true }) }, carried, behind };
}

/** Sends the opening itself to one operator. */
async function begin(
  { delivery, pauses, now, logger }: OpeningOptions,
  { sender, stream }: OpeningOf,
  operator: Username,
  { content, carried, behind }: Composed,
): Promise<Progress> {
  const { id } = content;
  const progress: Progress = { at: now(), behind, refusals: new Map(), sentNow: new Set() };
  try {
    await delivery.send(sender, operator, content);
  } catch (error) {
    if (!isRefused(error)) throw error;
    const { tenant, key } = sender;
    const about = { tenant: tenant.id, visitor: key, operator, id, err: error };
    logger.warn(about, 'ejabberd refused the opening of a chat');
    return progress;
  }
  pauses.begin(stream, operator, id);
  if (carried !== null) progress.sentNow.add(carried);
  return progress;
}

/** Sends what goes out behind an opening. */
async function finish(
  { delivery, logger }: OpeningOptions,
  { sender }: OpeningOf,
  operator: Username,
  { behind, refusals, sentNow }: Progress,
): Promise<void> {
  for (let content = behind[0]; content; content = behind[0]) {
    const { id } = content;
    try {
      await delivery.send(sender, operator, content);
      sentNow.add(id);
    } catch (error) {
      if (!isRefused(error)) throw error;
      const { tenant, key } = sender;
      const about = { tenant: tenant.id, visitor: key, operator, id, err: error };
      logger.warn(about, 'ejabberd refused a message behind an opening');
      refusals.set(id, error.message);
    }
    behind.shift();
  }
}

export function createOpening(options: OpeningOptions): Opening {
  const { store, pauses, now } = options;
  const unread = createUnread(store);
  const sent = new Lru<Progress>(OPENINGS_REMEMBERED);

  async function progressOf(of: OpeningOf, operator: Username, before: number): Promise<Progress> {
    const { stream, chat } = of;
    const memory = `${stream} ${chat.searchRevision} ${operator}`;
    const known = sent.get(memory);
    if (known && now() - known.at < SENT_REMEMBERED_MS) return known;
    const content = await composed(of, operator, before);
    const progress = content
      ? await begin(options, of, operator, content)
      : { at: now(), behind: [], refusals: new Map(), sentNow: new Set<string>() };
    sent.set(memory, progress);
    return progress;
  }

  async function composed(
    of: OpeningOf,
    operator: Username,
    before: number,
  ): Promise<Composed | null> {
    const { stream, chat, state } = of;
    const { openMessages } = state.context;
    const inLog = { stream, chat, startRevision: chat.startRevision, openMessages };
    return compose(options, of, operator, await unread(inLog, operator, before));
  }

  return {
    async open(sender, state, operators, before) {
      const { chat } = state.context;
      if (!chat) return { refusals: new Map(), sent: new Map(), waitMs: 0 };
      const stream = streamOf(visitorRef(sender.tenant.id, sender.key));
      const of: OpeningOf = { sender, state, chat, stream };
      const refusals = new Map<string, string>();
      const sentNow = new Map<Username, ReadonlySet<string>>();
      let waitMs = 0;
      for (const operator of operators) {
        const progress = await progressOf(of, operator, before);
        if (progress.behind.length > 0) {
          const left = pauses.leftFor(stream, state, [operator]);
          if (left > 0) waitMs = Math.max(waitMs, left);
          else await finish(options, of, operator, progress);
        }
        for (const [id, reason] of progress.refusals) refusals.set(id, reason);
        sentNow.set(operator, progress.sentNow);
        progress.sentNow = new Set();
      }
      return { refusals, sent: sentNow, waitMs };
    },
    async carriedBy(sender, state, { id, revision }) {
      const { chat, firstWaiting } = state.context;
      if (!chat?.operator || firstWaiting !== revision) return null;
      const stream = streamOf(visitorRef(sender.tenant.id, sender.key));
      const of: OpeningOf = { sender, state, chat, stream };
      const opening = await composed(of, chat.operator, revision + 1);
      return opening?.carried === id ? opening.content : null;
    },
  };
}
