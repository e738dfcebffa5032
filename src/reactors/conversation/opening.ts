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
import { streamOf, type Username, visitorRef } from '../../actors/ids.ts';
import type { Chat, VisitorContext, VisitorState } from '../../actors/visitor/state.ts';
import { isRefused } from '../../errors.ts';
import type { RecordedEvent } from '../../eventstore/port.ts';
import { Lru } from '../../kit/lru.ts';
import type { Actors } from '../../runtime/ports.ts';
import type { Content, Delivery, Sender } from './delivery.ts';
import { type Composed, type ContentOptions, compose, type OpeningOf } from './opening-content.ts';
import type { Pauses } from './pauses.ts';
import { createUnread, firstAskedAt, missedBy } from './unread.ts';

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
  /** Before which revision the opening of the current search ends that this process has sent; null if it knows of none. */
  endOf(stream: string, chat: Chat, operator: Username): number | null;
  /**
   * Opens the chat for an operator with a message that LHC addressed to them. `sent` has it as long as this process
   * remembers that.
   * @param addressed the fact that addressed them, and the message; null: they answered without one
   */
  openWith(
    sender: Sender,
    state: VisitorState,
    operator: Username,
    addressed: { readonly event: RecordedEvent; readonly message: RecordedEvent | null },
  ): Promise<Opened>;
  /** The same stanza, to be sent again; null if the message carried no opening. */
  openedWith(
    sender: Sender,
    state: VisitorState,
    operator: Username,
    message: RecordedEvent,
  ): Promise<Content | null>;
  /**
   * The opening that a message carried to the chat's operator, to be sent again with it.
   * @returns null if the message carries none
   */
  carriedBy(
    sender: Sender,
    state: VisitorState,
    message: { readonly id: string; readonly revision: number },
  ): Promise<Content | null>;
  /**
   * True if a message from before the current search is still to go out with the opening for the chat's operator. If it went
   * out before, it would overtake the opening, and be together with it in a new conversation.
   */
  isToCome(sender: Sender, state: VisitorState, messageId: string): Promise<boolean>;
}

/** True if the opening stands at this fact. It stands earlier if a message of the same round had to wait. */
export const opensAt = ({ chat, firstWaiting }: VisitorContext, revision: number): boolean =>
  chat !== null &&
  revision >= chat.searchRevision &&
  (firstWaiting === null || firstWaiting >= revision);

export interface OpeningOptions extends ContentOptions {
  readonly actors: Pick<Actors, 'operator'>;
  readonly delivery: Delivery;
  readonly pauses: Pauses;
  readonly logger: Logger;
  /** Revision of the first fact of this stream that the lane has not done, as far as this process knows; null if it has done all. */
  readonly pendingFrom: (stream: string) => number | null;
}

/** What this process has sent of an opening to one operator. */
interface Progress {
  readonly at: number;
  /** As of `open`. */
  readonly before?: number;
  /** Messages that go out behind the opening, as far as they are left. */
  readonly behind: Content[];
  readonly refusals: Map<string, string>;
  /** The messages that the current call has sent. */
  sentNow: Set<string>;
}

/** Sends the opening itself to one operator. */
async function begin(
  { delivery, pauses, now, logger }: OpeningOptions,
  { sender, stream }: OpeningOf,
  operator: Username,
  { content, carried, behind }: Composed,
  waits = true,
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
  if (waits) pauses.begin(stream, operator, id);
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
  const { actors, store, pauses, now, pendingFrom } = options;
  const unread = createUnread(store);
  const sent = new Lru<Progress>(OPENINGS_REMEMBERED);

  const nameOf = ({ stream, chat }: Pick<OpeningOf, 'stream' | 'chat'>, operator: Username) =>
    `${stream} ${chat.searchRevision} ${operator}`;
  const knownProgress = (
    of: Pick<OpeningOf, 'stream' | 'chat'>,
    operator: Username,
  ): Progress | null => {
    const known = sent.get(nameOf(of, operator));
    return known && now() - known.at < SENT_REMEMBERED_MS ? known : null;
  };

  async function progressOf(of: OpeningOf, operator: Username, before: number): Promise<Progress> {
    const known = knownProgress(of, operator);
    if (known) return known;
    const content = await composed(of, operator, before);
    const begun = content
      ? await begin(options, of, operator, content)
      : { at: now(), behind: [], refusals: new Map(), sentNow: new Set<string>() };
    const progress = { ...begun, before };
    sent.set(nameOf(of, operator), progress);
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

  /** A client that is not there makes no window. */
  async function hasClient({ sender }: OpeningOf, operator: Username): Promise<boolean> {
    const known = await actors.operator(sender.tenant.id, operator).state();
    return known !== null && known.availability !== 'offline';
  }

  return {
    endOf: (stream, chat, operator) => knownProgress({ stream, chat }, operator)?.before ?? null,
    async openWith(sender, state, operator, { event, message }) {
      const { chat } = state.context;
      if (!chat) return { refusals: new Map(), sent: new Map(), waitMs: 0 };
      const { stream } = event;
      const of: OpeningOf = { sender, state, chat, stream };
      const { revision } = message ?? event;
      const name = `${stream} ${revision} ${operator}`;
      const at = { fact: event.revision, message: revision };
      let progress = sent.get(name);
      if (!progress) {
        const missed = await missedBy(store, { stream, chat }, operator, at);
        const content = await compose(options, of, operator, missed, { revision, message });
        const waits = await hasClient(of, operator);
        progress = content
          ? await begin(options, of, operator, content, waits)
          : { at: now(), behind: [], refusals: new Map(), sentNow: new Set<string>() };
        sent.set(name, progress);
      }
      if (progress.behind.length > 0) {
        const waitMs = pauses.leftFor(stream, state, [operator]);
        if (waitMs > 0) return { refusals: progress.refusals, sent: new Map(), waitMs };
        await finish(options, of, operator, progress);
      }
      const { refusals, sentNow } = progress;
      return { refusals, sent: new Map([[operator, sentNow]]), waitMs: 0 };
    },
    async openedWith(sender, state, operator, message) {
      const { chat } = state.context;
      if (!chat) return null;
      const { stream } = message;
      const at = { fact: message.revision, message: message.revision };
      const missed = await missedBy(store, { stream, chat }, operator, at);
      const of: OpeningOf = { sender, state, chat, stream };
      const place = { revision: message.revision, message };
      const opening = await compose(options, of, operator, missed, place);
      return opening?.carried == null ? null : opening.content;
    },
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
    async isToCome(sender, state, messageId) {
      const { chat } = state.context;
      if (!chat?.operator) return false;
      const stream = streamOf(visitorRef(sender.tenant.id, sender.key));
      const known = knownProgress({ chat, stream }, chat.operator);
      if (known) return known.behind.some(({ id }) => id === messageId);
      // Nobody has sent it, or a process that has stopped since: either way the lane performs that fact.
      const pending = pendingFrom(stream);
      if (pending === null) return false;
      const asked = await firstAskedAt(store, { stream, chat }, chat.operator);
      return asked !== null && pending <= asked;
    },
  };
}
