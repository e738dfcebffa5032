/**
 * The opening of a chat for an operator (docs/adr/0017): which chat it is, who the visitor is, and, if others had the
 * chat, what was said meanwhile, with its time (XEP-0203).
 *
 * The opening goes out in the place of the first message that waited for an operator, or else of the fact that gave the
 * operator the chat. Its stanza ids derive from its content. So it can be sent again: to the other operators of a
 * broadcast, and after a crash. mod_lhc drops what the same operator already has.
 */
import type { Logger } from 'pino';
import { visitorFact } from '../../actors/facts.ts';
import { streamOf, type Username, visitorRef } from '../../actors/ids.ts';
import type {
  Chat,
  OpenMessage,
  VisitorContext,
  VisitorFact,
  VisitorState,
} from '../../actors/visitor/facts.ts';
import type { Profile } from '../../actors/visitor/profile.ts';
import { isRefused } from '../../errors.ts';
import type { EventStore, RecordedEvent } from '../../eventstore/port.ts';
import { eventAt } from '../../eventstore/reading.ts';
import { cut } from '../../kit/cut.ts';
import { Lru } from '../../kit/lru.ts';
import type { OperatorNames } from '../operator-names.ts';
import type { PersonalData } from '../personal-data.ts';
import { headlineOf } from '../texts/headline.ts';
import { introductionOf } from '../texts/introduction.ts';
import type { NameOf } from '../texts/names.ts';
import type { Content, Delivery, Sender } from './delivery.ts';
import { createUnread, type Unread } from './unread.ts';

/** Messages that others received are cut here, in UTF-16 units. Messages that nobody has received are sent whole. */
export const OPENING_BODY_MAX_LENGTH = 4_000;
/** This process does not send the same again within this time. It is a cache only: mod_lhc drops repeats too. */
export const SENT_REMEMBERED_MS = 10 * 60_000;
const OPENINGS_REMEMBERED = 5_000;

/** The visitor's messages that ejabberd refuses for an operator, with the reasons. */
export type Refusals = ReadonlyMap<string, string>;

export interface Opening {
  /**
   * Opens the chat for these operators with everything before this revision. A refused line is left out, because the
   * lines behind it matter more.
   * @returns messages that nobody has received yet and that were refused
   * @throws {AppError} `unavailable`, as {@link Delivery}
   */
  open(
    sender: Sender,
    state: VisitorState,
    operators: readonly Username[],
    before: number,
  ): Promise<Refusals>;
}

/** True if the opening stands at this fact. It stands earlier if a message of the same round had to wait. */
export const opensAt = ({ chat, firstWaiting }: VisitorContext, revision: number): boolean =>
  chat !== null &&
  revision >= chat.searchRevision &&
  (firstWaiting === null || firstWaiting >= revision);

interface OpeningOptions {
  readonly store: EventStore;
  readonly personal: PersonalData;
  readonly names: Pick<OperatorNames, 'of'>;
  readonly delivery: Delivery;
  readonly now: () => number;
  readonly logger: Logger;
}

/** A message of the past as an operator gets it; null if its text was erased, or it is no message. */
async function pastMessage(
  personal: PersonalData,
  event: RecordedEvent,
  openMessages: readonly OpenMessage[],
  nameOf: NameOf,
): Promise<Content | null> {
  const fact = visitorFact(event);
  const body = await personal.bodyOf(event);
  if (!fact || body === null) return null;
  const delay = { at: event.metadata.at };
  const long = body.length > OPENING_BODY_MAX_LENGTH;
  const text = long ? `${cut(body, OPENING_BODY_MAX_LENGTH)}…` : body;
  if (fact.type === 'OperatorMessageReceived') {
    const id = `history-${event.id}`;
    const corrected = fact.data.replaces === undefined ? '' : ' (corrected)';
    return { id, body: `${nameOf(fact.data.operator)}${corrected}: ${text}`, delay, notice: true };
  }
  if (fact.type !== 'VisitorMessageSent') return null;
  // The message keeps its id: an operator who was asked before may have it, and must not read it twice.
  const { messageId: id } = fact.data;
  return openMessages.some((open) => open.id === id)
    ? { id, body, delay }
    : { id, body: text, delay, notice: true };
}

/** The opening of one visitor's chat, with everything before a revision. */
interface OpeningOf {
  readonly sender: Sender;
  readonly state: VisitorState;
  readonly chat: Chat;
  readonly stream: string;
  readonly before: number;
  readonly profile: Profile;
  readonly nameOf: NameOf;
  /** The fact that started this search for an operator. */
  readonly start: VisitorFact | null;
}

/** Sends the opening to one operator. @returns what ejabberd refused */
async function openForOne(
  { personal, delivery, now, logger }: OpeningOptions,
  unread: Unread,
  { sender, state, chat, stream, before, profile, nameOf, start }: OpeningOf,
  operator: Username,
): Promise<Refusals> {
  const { tenant, key } = sender;
  const refusals = new Map<string, string>();
  const unlessRefused = async (id: string, sending: Promise<void>): Promise<void> => {
    await sending.catch((error) => {
      if (!isRefused(error)) throw error;
      logger.warn(
        { tenant: tenant.id, visitor: key, operator, id, err: error },
        'ejabberd refused a line of an opening',
      );
      refusals.set(id, error.message);
    });
  };
  const id = `intro-${chat.id}-${chat.searchRevision}`;
  const text = [
    headlineOf(chat, start, operator, now(), nameOf),
    introductionOf(key, profile, state, now(), operator, nameOf),
  ].join('\n');
  await unlessRefused(id, delivery.sendLine(sender, { to: operator, id, text }));
  const { openMessages } = state.context;
  const chatInLog = { stream, chat, startRevision: chat.startRevision, openMessages };
  for (const event of await unread(chatInLog, operator, before)) {
    const message = await pastMessage(personal, event, openMessages, nameOf);
    if (message) await unlessRefused(message.id, delivery.send(sender, operator, message));
  }
  return refusals;
}

export function createOpening(options: OpeningOptions): Opening {
  const { store, personal, names, now } = options;
  const unread = createUnread(store);
  const sent = new Lru<{ at: number; refusals: Refusals }>(OPENINGS_REMEMBERED);

  return {
    async open(sender, state, operators, before) {
      const { chat } = state.context;
      if (!chat) return new Map();
      const stream = streamOf(visitorRef(sender.tenant.id, sender.key));
      const memory = (operator: Username) =>
        `${stream} ${chat.searchRevision} ${before} ${operator}`;
      const isNew = (operator: Username): boolean => {
        const known = sent.get(memory(operator));
        return !known || now() - known.at > SENT_REMEMBERED_MS;
      };
      const recipients = operators.filter(isNew);
      if (recipients.length > 0) {
        const { profile } = await personal.profileOf(sender.tenant.id, sender.key, state);
        const event = await eventAt(store, stream, chat.searchRevision);
        const start = event && visitorFact(event);
        const { of: nameOf } = await names.of(sender.tenant.id);
        const of = { sender, state, chat, stream, before, profile, nameOf, start };
        for (const operator of recipients) {
          const refusals = await openForOne(options, unread, of, operator);
          sent.set(memory(operator), { at: now(), refusals });
        }
      }
      return new Map(
        operators.flatMap((operator) => [...(sent.get(memory(operator))?.refusals ?? [])]),
      );
    },
  };
}
