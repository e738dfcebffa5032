/**
 * Those who are asked together (policy `broadcast`) have to see what it is about before one of them answers. What they
 * are shown counts for nothing: a message is received when the chat's owner has it, by the same id.
 */
import { streamOf, visitorRef } from '../../actors/ids.ts';
import type { VisitorState } from '../../actors/visitor/facts.ts';
import { isRefused } from '../../errors.ts';
import type { EventStore } from '../../eventstore/port.ts';
import { eventAt } from '../../eventstore/reading.ts';
import { Lru } from '../../kit/lru.ts';
import type { PersonalData } from '../personal.ts';
import type { Delivery, Sender } from './delivery.ts';
import type { Opening } from './opening.ts';

/** Messages that all are shown: enough to know what it is about. The rest its owner gets. */
const SHOWN_MOST = 10;
/** As in opening.ts. */
const REMEMBERED_MS = 10 * 60_000;
const REMEMBERED = 1_000;

export interface Asked {
  /** Shows the open chat to all who are asked now, as far as they have not seen it. @throws {AppError} `unavailable` */
  show(sender: Sender, state: VisitorState): Promise<void>;
}

export function createAsked(options: {
  store: EventStore;
  personal: PersonalData;
  delivery: Delivery;
  opening: Opening;
  now: () => number;
}): Asked {
  const { store, personal, delivery, opening, now } = options;
  const shown = new Lru<{ since: number; through: Map<string, number> }>(REMEMBERED);

  /** Through which revision this process has sent it to each operator in this round; mod_lhc knows it as well. */
  function memory(round: string): Map<string, number> {
    const known = shown.get(round);
    if (known && now() - known.since < REMEMBERED_MS) return known.through;
    const through = new Map<string, number>();
    shown.set(round, { since: now(), through });
    return through;
  }

  return {
    async show(sender, state) {
      const { chat, openMessages } = state.context;
      if (!chat) return;
      const stream = streamOf(visitorRef(sender.tenant.id, sender.key));
      // What is older than this round belongs to what was said before.
      const waiting = openMessages.filter(
        ({ chatId, revision, taken }) => chatId === chat.id && revision >= chat.round && !taken,
      );
      await opening.open(sender, state, chat.offered, waiting[0]?.revision ?? chat.round);
      const sent = memory(`${stream} ${chat.round}`);
      for (const { id, revision } of waiting.slice(0, SHOWN_MOST)) {
        const receivers = chat.offered.filter((operator) => (sent.get(operator) ?? -1) < revision);
        if (receivers.length === 0) continue;
        const event = await eventAt(store, stream, revision);
        const body = event && (await personal.bodyOf(event));
        if (body === null) continue; // erased
        for (const operator of receivers) {
          await delivery.send(sender, operator, { id, body }).catch((error) => {
            if (!isRefused(error)) throw error; // one whom it cannot reach holds up no other
          });
          sent.set(operator, revision);
        }
      }
    },
  };
}
