/**
 * What an operator is shown before anything else of a chat: which chat it is and who the visitor is; where others had
 * it before, what was said meanwhile, with the time of then (XEP-0203).
 *
 * It goes out in the place of the first message that waited for an operator, or else in that of the fact that gave the
 * chat. Its stanza ids are made of what it says, so that it can be sent again: to the others of a broadcast, after a
 * crash. mod_lhc drops what the same operator has.
 */
import type { Logger } from 'pino';
import { visitorFact } from '../../actors/facts.ts';
import { streamOf, type Username, visitorRef } from '../../actors/ids.ts';
import type { Chat, OpenMessage, VisitorState } from '../../actors/visitor/facts.ts';
import { isRefused } from '../../errors.ts';
import type { EventStore, RecordedEvent } from '../../eventstore/port.ts';
import { eventAt } from '../../eventstore/reading.ts';
import { Lru } from '../../kit/lru.ts';
import type { OutgoingMessage } from '../../xmpp/port.ts';
import type { PersonalData } from '../personal.ts';
import { cut } from '../texts/cut.ts';
import type { Delivery, Sender } from './delivery.ts';
import { headlineOf } from './headline.ts';
import { introductionOf } from './introduction.ts';
import { createUnseen } from './unread.ts';

/** Of what was received before, in characters: 50 of them are still no burden. What nobody has comes whole. */
const MOST_OF_BODY = 4_000;
/** What was shown by this process is not sent again within this time, in ms: a cache, mod_lhc knows it as well. */
const REMEMBERED_MS = 10 * 60_000;
const REMEMBERED = 5_000;

/** Messages of the visitor that ejabberd will not have for this operator, and why. */
export type Refused = ReadonlyMap<string, string>;

export interface Opening {
  /**
   * Opens the chat for these operators with what was before this revision. A line that is refused is left out: what
   * comes behind it counts more.
   * @returns messages that nobody has received yet and that were refused
   * @throws {AppError} `unavailable`, as {@link Delivery}
   */
  open(
    sender: Sender,
    state: VisitorState,
    operators: readonly Username[],
    before: number,
  ): Promise<Refused>;
}

/** Whether the opening has its place at this fact: not where a message of the round had waited before. */
export const opensAt = (chat: Chat, revision: number): boolean =>
  revision >= chat.round && (chat.parked === null || chat.parked >= revision);

export function createOpening(options: {
  store: EventStore;
  personal: PersonalData;
  delivery: Delivery;
  now: () => number;
  logger: Logger;
}): Opening {
  const { store, personal, delivery, now, logger } = options;
  const unseen = createUnseen(store);
  const opened = new Lru<{ at: number; refused: Refused }>(REMEMBERED);

  async function stanzaOf(
    event: RecordedEvent,
    openMessages: readonly OpenMessage[],
  ): Promise<Omit<OutgoingMessage, 'from' | 'to'> | null> {
    const fact = visitorFact(event);
    const body = await personal.bodyOf(event);
    if (!fact || body === null) return null; // erased
    const delay = { at: event.metadata.at };
    const shown = body.length > MOST_OF_BODY ? `${cut(body, MOST_OF_BODY)}…` : body;
    if (fact.type === 'OperatorMessageReceived') {
      const id = `history-${event.id}`;
      const corrected = fact.data.replaces === undefined ? '' : ' (corrected)';
      return { id, body: `${fact.data.operator}${corrected}: ${shown}`, delay, notice: true };
    }
    if (fact.type !== 'VisitorMessageSent') return null;
    // By its own id: whoever was asked before has it perhaps, and is not to read it twice.
    const { messageId: id } = fact.data;
    return openMessages.some((open) => open.id === id)
      ? { id, body, delay }
      : { id, body: shown, delay, notice: true };
  }

  /** The fact that began this search for an operator. */
  async function beginOf(stream: string, { round }: Chat) {
    const event = await eventAt(store, stream, round);
    return event ? visitorFact(event) : null;
  }

  return {
    async open(sender, state, operators, before) {
      const { tenant, key } = sender;
      const stream = streamOf(visitorRef(tenant.id, key));
      const { chat, nickRevision: startedAt, openMessages } = state.context;
      const allRefused = new Map<string, string>();
      if (!chat) return allRefused;
      const memory = (operator: Username) => `${stream} ${chat.round} ${before} ${operator}`;
      const isKnown = (operator: Username): boolean => {
        const known = opened.get(memory(operator));
        if (!known || now() - known.at > REMEMBERED_MS) return false;
        for (const [id, reason] of known.refused) allRefused.set(id, reason);
        return true;
      };
      const receivers = operators.filter((operator) => !isKnown(operator));
      if (receivers.length === 0) return allRefused;

      const { profile } = await personal.profileOf(tenant.id, key, state);
      const began = await beginOf(stream, chat);
      for (const operator of receivers) {
        const refused = new Map<string, string>();
        /** Sends, unless ejabberd will not have it. */
        const attempt = async (id: string, sending: Promise<void>): Promise<void> => {
          await sending.catch((error) => {
            if (!isRefused(error)) throw error;
            logger.warn(
              { tenant: tenant.id, visitor: key, operator, id, err: error },
              'a line was refused',
            );
            refused.set(id, error.message);
          });
        };
        const id = `intro-${chat.id}-${chat.round}`;
        const text = [
          headlineOf(chat, began, operator, now()),
          introductionOf(key, profile, state, now(), operator),
        ].join('\n');
        await attempt(id, delivery.tell(sender, operator, id, text));
        const of = { stream, chat, startedAt, openMessages };
        for (const event of await unseen(of, operator, before)) {
          const stanza = await stanzaOf(event, openMessages);
          if (stanza) await attempt(stanza.id, delivery.send(sender, operator, stanza));
        }
        opened.set(memory(operator), { at: now(), refused });
        for (const [refusedId, reason] of refused) allRefused.set(refusedId, reason);
      }
      return allRefused;
    },
  };
}
