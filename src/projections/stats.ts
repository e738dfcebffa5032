/** What is told of many chats: counted, and measured with exact percentiles. */
import type { MeasuredChat, MeasuredWork } from './stats-queries.ts';

/** Of durations, in seconds; null without any. */
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
  /** An operator accepted it. */
  readonly served: number;
  /** Closed, and no operator had ever accepted it. */
  readonly missed: number;
  /** From its beginning until an operator accepted it, of those that were. */
  readonly waiting: Durations;
  /** From its beginning until an operator first wrote. */
  readonly answer: Durations;
}

export interface OperatorStats {
  readonly operator: string;
  /** Chats that it accepted; those that it had from somebody else are counted for both. */
  readonly chats: number;
  readonly messages: number;
  /** From when it was asked until its first message in that chat; not of chats that it took unasked. */
  readonly answer: Durations;
  readonly missedOffers: number;
  readonly declinedOffers: number;
}

/** Of ms, as seconds. The percentiles are by the nearest rank: each is one of the values. */
export function durationsOf(times: readonly number[]): Durations {
  const count = times.length;
  if (count === 0) return { count, mean: null, p50: null, p95: null, max: null };
  const sorted = Float64Array.from(times).sort();
  const seconds = (ms = 0): number => Math.round(ms) / 1000;
  const rank = (percent: number) => seconds(sorted[Math.ceil((percent / 100) * count) - 1]);
  const sum = sorted.reduce((total, time) => total + time, 0);
  return { count, mean: seconds(sum / count), p50: rank(50), p95: rank(95), max: rank(100) };
}

/** Counts chats one by one. */
export function countChats() {
  let [chats, closed, served, missed] = [0, 0, 0, 0];
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
    stats: (): ChatStats => ({
      chats,
      open: chats - closed,
      closed,
      served,
      missed,
      waiting: durationsOf(waiting),
      answer: durationsOf(answer),
    }),
  };
}

/** Counts what one operator had to do with chats. */
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
      // Asked again after its first message (transferred away and back): that offer was not what it answered.
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
