/**
 * Shows a chat to all operators who are asked together (policy `broadcast`), so that they know what it is about before
 * one of them answers. This is no delivery: a message is received when the chat's owner has it, with the same id.
 */
import { streamOf, type Username, visitorRef } from '../../actors/ids.ts';
import type { VisitorState } from '../../actors/visitor/state.ts';
import { isRefused } from '../../errors.ts';
import type { EventStore } from '../../eventstore/port.ts';
import { eventAt } from '../../eventstore/reading.ts';
import { Lru } from '../../kit/lru.ts';
import type { PersonalData } from '../personal-data.ts';
import type { Delivery, Sender } from './delivery.ts';
import { type Opening, SENT_REMEMBERED_MS } from './opening.ts';
import type { Pauses } from './pauses.ts';
import type { VisitorFiles } from './visitor-files.ts';
import { shownOf } from './words.ts';

/** Messages that all see: enough to know what the chat is about. The owner gets the rest. */
export const BROADCAST_MAX_MESSAGES = 10;
const ROUNDS_REMEMBERED = 1_000;

export interface Broadcast {
  /**
   * Shows the open chat to all operators who are asked now and have not seen it.
   * @returns after how many ms it has to be called again, because messages wait behind an opening; 0: all is shown
   * @throws {AppError} `unavailable`
   */
  show(sender: Sender, state: VisitorState): Promise<number>;
  /** True if this process has shown the message to this operator while the chat was open to several. */
  wasShown(stream: string, state: VisitorState, operator: Username, revision: number): boolean;
}

export function createBroadcast(options: {
  store: EventStore;
  personal: PersonalData;
  files: VisitorFiles;
  delivery: Delivery;
  opening: Opening;
  pauses: Pauses;
  now: () => number;
}): Broadcast {
  const { store, delivery, opening, pauses, now } = options;
  const rounds = new Lru<{ since: number; through: Map<Username, number> }>(ROUNDS_REMEMBERED);

  /** The revision up to which this process has sent messages to each operator in this round. mod_lhc drops repeats too. */
  function progressOf(round: string): Map<Username, number> {
    const known = rounds.get(round);
    if (known && now() - known.since < SENT_REMEMBERED_MS) return known.through;
    const through = new Map<Username, number>();
    rounds.set(round, { since: now(), through });
    return through;
  }

  return {
    wasShown(stream, { context: { chat } }, operator, revision) {
      const round = rounds.peek(`${stream} ${chat?.searchRevision}`);
      return (round?.through.get(operator) ?? -1) >= revision;
    },
    async show(sender, state) {
      const { chat, openMessages } = state.context;
      if (!chat) return 0;
      const stream = streamOf(visitorRef(sender.tenant.id, sender.key));
      // Messages from before this round belong to the opening.
      const waiting = openMessages.filter(
        ({ chatId, revision, taken, to }) =>
          chatId === chat.id && revision >= chat.searchRevision && !taken && to === undefined,
      );
      const first = waiting[0]?.revision ?? chat.searchRevision;
      const { sent, waitMs } = await opening.open(sender, state, chat.offeredTo, first + 1);
      const progress = progressOf(`${stream} ${chat.searchRevision}`);
      const pauseOf = (operator: Username): number => pauses.leftFor(stream, state, [operator]);
      const paused = new Map(chat.offeredTo.map((operator) => [operator, pauseOf(operator)]));
      let leftMs = waitMs;
      for (const { id, revision } of waiting.slice(0, BROADCAST_MAX_MESSAGES)) {
        const recipients: Username[] = [];
        for (const operator of chat.offeredTo) {
          if ((progress.get(operator) ?? -1) >= revision) continue;
          const pause = paused.get(operator) ?? 0;
          if (sent.get(operator)?.has(id)) progress.set(operator, revision);
          else if (pause > 0) leftMs = Math.max(leftMs, pause);
          else recipients.push(operator);
        }
        if (recipients.length === 0) continue;
        const event = await eventAt(store, stream, revision);
        const shown = event ? await shownOf(options, sender.tenant, event) : null;
        if (shown === null) continue; // erased
        for (const operator of recipients) {
          await delivery.send(sender, operator, { id, ...shown }).catch((error) => {
            if (!isRefused(error)) throw error; // a refusal for one operator does not hold up the others
          });
          progress.set(operator, revision);
        }
      }
      return leftMs;
    },
  };
}
