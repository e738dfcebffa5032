/** Statistics of many chats: counts, and durations with exact percentiles. */
import type { MeasuredChat, MeasuredWork } from './stats-queries.ts';

/** A summary of durations in seconds. Null without any duration. */
export interface Durations {
  readonly count: number;
  readonly mean: number | null;
  readonly p50: number | null;
  readonly p95: number | null;
  readonly max: number | null;
}

export interface ChatStats {
  readonly chats: number;
  /** Not closed yet. */
  readonly open: number;
  readonly closed: number;
  /** Accepted by an operator. */
  readonly served: number;
  /** Closed without ever being accepted. */
  readonly missed: number;
  /** Went to another department because it had waited too long in this one. In total: did so at least once. */
  readonly overflowed: number;
  /** From the start until an operator accepted the chat. Only accepted chats count. */
  readonly waiting: Durations;
  /** From the start until the first message of an operator. */
  readonly answer: Durations;
}

export interface OperatorStats {
  readonly operator: string;
  /** Chats that the operator accepted. A transferred chat counts for both operators. */
  readonly chats: number;
  readonly messages: number;
  /** From the offer until the operator's first message in the chat. Chats taken without an offer do not count. */
  readonly answer: Durations;
  readonly missedOffers: number;
  readonly declinedOffers: number;
}

/** @param times in ms. Percentiles are by the nearest rank, so each is one of the values. */
export function durationsOf(times: readonly number[]): Durations {
  const count = times.length;
  if (count === 0) return { count, mean: null, p50: null, p95: null, max: null };
  const sorted = Float64Array.from(times).sort();
  const seconds = (ms = 0): number => Math.round(ms) / 1000;
  const rank = (percent: number) => seconds(sorted[Math.ceil((percent / 100) * count) - 1]);
  const sum = sorted.reduce((total, time) => total + time, 0);
  return { count, mean: seconds(sum / count), p50: rank(50), p95: rank(95), max: rank(100) };
}

/** Statistics of chats that are added one by one. */
export function countChats() {
  let [chats, closed, served, missed, overflowed] = [0, 0, 0, 0, 0];
  const waiting: number[] = [];
  const answer: number[] = [];
  return {
    add: (chat: MeasuredChat): void => {
      chats += 1;
      if (chat.closed) closed += 1;
      if (chat.acceptedAt !== null) {
        served += 1;
        waiting.push(chat.acceptedAt - chat.startedAt);
      } else if (chat.closed) missed += 1;
      if (chat.answeredAt !== null) answer.push(chat.answeredAt - chat.startedAt);
    },
    addOverflow: (): void => {
      overflowed += 1;
    },
    stats: (): ChatStats => ({
      chats,
      open: chats - closed,
      closed,
      served,
      missed,
      overflowed,
      waiting: durationsOf(waiting),
      answer: durationsOf(answer),
    }),
  };
}

/** Statistics of one operator, from their work in each chat. */
export function countWork() {
  let [chats, messages, missedOffers, declinedOffers] = [0, 0, 0, 0];
  const answer: number[] = [];
  return {
    add: (work: MeasuredWork): void => {
      if (work.acceptedAt !== null) chats += 1;
      messages += work.messages;
      missedOffers += work.missed;
      declinedOffers += work.declined;
      const { askedAt, answeredAt } = work;
      // The chat was offered again after the operator's first message, because it came back from another operator. The
      // message did not answer that offer.
      if (askedAt !== null && answeredAt !== null && answeredAt >= askedAt) {
        answer.push(answeredAt - askedAt);
      }
    },
    stats: (operator: string): OperatorStats => ({
      operator,
      chats,
      messages,
      missedOffers,
      declinedOffers,
      answer: durationsOf(answer),
    }),
  };
}
