/**
 * What an operator is shown before anything else of a chat: which chat it is and who the visitor is; where others had
 * it before, what was said meanwhile, with the time of then (XEP-0203).
 *
 * It goes out in the place of the first message that waited for an operator, or else in that of the fact that gave the
 * chat. Its stanza ids are made of the round (each search for an operator is one), so that it can be sent again: to
 * the others of a broadcast, after a crash. mod_lhc drops what the same operator has.
 */
import type { ActorState } from '../actors/decider.ts';
import { visitorFact } from '../actors/facts.ts';
import { streamOf, visitorRef } from '../actors/ids.ts';
import { visitorState } from '../actors/visitor-decisions.ts';
import type { Chat, VisitorFact } from '../actors/visitor-facts.ts';
import type { EventStore, RecordedEvent } from '../eventstore/port.ts';
import type { OutgoingMessage } from '../xmpp/port.ts';
import type { Delivery, Sender } from './delivery.ts';
import { introductionOf } from './introduction.ts';
import type { PersonalData } from './personal.ts';

/** Messages that are shown of what was said before; of more, the last. */
const HISTORY_MOST = 50;
const PAGE = 256;
/** Facts that are looked through for them: page views of a long chat lie between. */
const LOOKED_AT_MOST = 5_000;

export interface Opening {
  /**
   * Opens the chat for these operators with what was before this revision.
   * @throws {AppError} as {@link Delivery}
   */
  open(
    sender: Sender,
    state: ActorState,
    operators: readonly string[],
    before: number,
  ): Promise<void>;
}

/** Whether the opening has its place at this fact: not where a message of the round had waited before. */
export const opensAt = (chat: Chat, revision: number): boolean =>
  revision >= chat.round && (chat.parked === null || chat.parked >= revision);

export function createOpening(options: {
  store: EventStore;
  personal: PersonalData;
  delivery: Delivery;
  now: () => number;
}): Opening {
  const { store, personal, delivery, now } = options;

  /** Messages that this operator has not seen, the oldest first. */
  async function unseen(
    stream: string,
    chat: Chat,
    startedAt: number,
    operator: string,
    before: number,
  ): Promise<RecordedEvent[]> {
    const found: RecordedEvent[] = [];
    let from = before - 1;
    for (let looked = 0; from >= 0 && looked < LOOKED_AT_MOST; looked += PAGE) {
      const page = await store.readStream(stream, { from, limit: PAGE, direction: 'backwards' });
      for (const event of page) {
        const fact = visitorFact(event);
        if (!fact || hasSeen(fact, operator)) return found.reverse();
        // What invited the visitor belongs to it, for whoever did not write it.
        const invites = event.revision < startedAt;
        if (invites && (chat.invitedBy === null || chat.invitedBy === operator)) {
          return found.reverse();
        }
        if (isMessage(fact)) found.push(event);
        if (found.length >= HISTORY_MOST || fact.type === 'Invited') return found.reverse();
      }
      const last = page.at(-1);
      if (!last) break;
      from = last.revision - 1;
    }
    return found.reverse();
  }

  async function stanzaOf(
    event: RecordedEvent,
    state: ActorState,
    round: number,
  ): Promise<Omit<OutgoingMessage, 'from' | 'to'> | null> {
    const fact = visitorFact(event);
    const body = await personal.bodyOf(event);
    if (!fact || body === null) return null; // erased
    const delay = { at: event.metadata.at };
    const id = `history-${round}-${event.revision}`;
    if (fact.type === 'OperatorMessageReceived') {
      return { id, body: `${fact.data.operator}: ${body}`, delay, notice: true };
    }
    if (fact.type !== 'VisitorMessageSent') return null;
    const { messageId } = fact.data;
    const { openMessages } = visitorState(state.core).context;
    // Nobody has received it yet: by its own id this operator's client does.
    return openMessages.some((open) => open.id === messageId)
      ? { id: messageId, body, delay }
      : { id, body, delay, notice: true };
  }

  /** What began this search for an operator, in words. */
  async function headline(stream: string, chat: Chat, startedAt: number): Promise<string> {
    const chatName = `chat #${chat.id}${chat.department ? ` for ${chat.department}` : ''}`;
    const wish = chat.accepted ? '' : ' Reply to accept it.';
    if (chat.round === startedAt) {
      if (chat.offered.length < 2) return `New ${chatName}.${wish}`;
      return `New ${chatName}, offered to ${chat.offered.length} operators. Who replies first has it.`;
    }
    const [began] = await store.readStream(stream, { from: chat.round, limit: 1 });
    const fact = began && visitorFact(began);
    if (fact?.type === 'ChatTransferred' && fact.data.from !== null) {
      const giver = fact.data.by === 'lhc' ? 'LHC' : fact.data.from;
      return `${giver} hands on ${chatName}.${wish}`;
    }
    return `C${chatName.slice(1)} needs an operator.${wish}`;
  }

  return {
    async open(sender, state, operators, before) {
      const { tenant, key } = sender;
      const stream = streamOf(visitorRef(tenant.id, key));
      const { chat, nickRevision: startedAt } = visitorState(state.core).context;
      if (!chat) return;
      const { profile } = await personal.profileOf(tenant.id, key, state);
      const text = [
        await headline(stream, chat, startedAt),
        introductionOf(key, profile, state, now()),
      ].join('\n');
      for (const operator of operators) {
        await delivery.tell(sender, operator, `intro-${chat.id}-${chat.round}`, text);
        if (chat.round === startedAt && chat.invitedBy === null) continue;
        for (const event of await unseen(stream, chat, startedAt, operator, before)) {
          const stanza = await stanzaOf(event, state, chat.round);
          if (stanza) await delivery.send(sender, operator, stanza);
        }
      }
    },
  };
}

const isMessage = ({ type }: VisitorFact): boolean =>
  type === 'VisitorMessageSent' || type === 'OperatorMessageReceived';

/** He had the chat until this fact, or was asked: what was before it he has. */
const hasSeen = (fact: VisitorFact, operator: string): boolean =>
  (fact.type === 'ChatUnassigned' && fact.data.operators.includes(operator)) ||
  (fact.type === 'ChatTransferred' && fact.data.from === operator) ||
  (fact.type === 'ChatAssigned' && fact.data.others?.includes(operator) === true);
