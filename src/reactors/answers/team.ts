/** `!who`, `!queue` and `!stats`: the team, who waits, and the chats of today, in a few lines each. */
import type { Username } from '../../actors/ids.ts';
import type { Tenant } from '../../actors/tenant/tenant.ts';
import { cut } from '../../kit/cut.ts';
import { onOneLine } from '../../kit/lines.ts';
import type {
  Colleague,
  DayStats,
  QueuedVisitor,
  Some,
  TeamReading,
} from '../../runtime/desk-ports.ts';
import type { OperatorNames } from '../operator-names.ts';
import type { NameOf } from '../texts/names.ts';
import { visitorAs } from '../texts/presence-text.ts';
import { durationOf, timeOf } from '../texts/times.ts';

/** Operators in one answer: what a chat window shows without scrolling. */
export const WHO_MAX_LINES = 20;
/** Visitors in one answer. */
export const QUEUE_MAX_LINES = 15;
/** Operators in the statistics of one answer. */
export const STATS_MAX_LINES = 10;
/** A visitor's name, and the title of a page, in one line. In UTF-16 units. */
export const LINE_PART_MAX_LENGTH = 60;

const DAY_MS = 24 * 3_600_000;

export interface TeamOptions {
  readonly team: TeamReading;
  readonly names: Pick<OperatorNames, 'of'>;
  /** ms since 1970 */
  readonly now: () => number;
}

/** The answers, each as the lines of one message. */
export interface TeamAnswers {
  who(tenant: Tenant, asker: Username): Promise<readonly string[]>;
  queue(tenant: Tenant): Promise<readonly string[]>;
  stats(tenant: Tenant, asker: Username): Promise<readonly string[]>;
}

export const shortened = (text: string): string => {
  const line = onOneLine(text).trim();
  return line.length > LINE_PART_MAX_LENGTH ? `${cut(line, LINE_PART_MAX_LENGTH - 1)}…` : line;
};

/** `and 12 more`; nothing if all are there. */
export const andMore = ({ more }: Pick<Some<unknown>, 'more'>): readonly string[] =>
  more === 0 ? [] : [more < 0 ? 'and more' : `and ${more} more`];

const counted = (count: number, one: string, many: string): string =>
  count === 1 ? `1 ${one}` : `${count} ${many}`;

export function createTeamAnswers({ team, names, now }: TeamOptions): TeamAnswers {
  return {
    async who(tenant, asker) {
      const { of: nameOf } = await names.of(tenant.id);
      const colleagues = await team.colleagues(tenant.id, WHO_MAX_LINES);
      return whoLines(colleagues, asker, nameOf);
    },
    async queue(tenant) {
      const { of: nameOf } = await names.of(tenant.id);
      return queueLines(await team.queue(tenant.id, QUEUE_MAX_LINES), now(), nameOf);
    },
    async stats(tenant, asker) {
      const { of: nameOf } = await names.of(tenant.id);
      const at = now();
      const since = at - (at % DAY_MS); // days are those of UTC, as all times in answers
      return statsLines(await team.stats(tenant.id, since, since + DAY_MS), at, asker, nameOf);
    },
  };
}

function whoLines(colleagues: Some<Colleague>, asker: Username, nameOf: NameOf): readonly string[] {
  const { items } = colleagues;
  const available = items.filter(({ availability }) => availability === 'available');
  const places = available.reduce(
    (sum, { capacity, chats }) => sum + Math.max(0, capacity - chats),
    0,
  );
  return [
    `${counted(available.length, 'operator is', 'operators are')} available, with ${counted(places, 'free place', 'free places')}.`,
    ...items.map((each) => {
      const { username, availability, away, chats, capacity, departments } = each;
      const you = username === asker ? ' (you)' : '';
      const byCommand = away && availability === 'away' ? ' (!away)' : '';
      const of = departments.length > 0 ? ` · ${departments.join(', ')}` : '';
      return `${nameOf(username)}${you}: ${availability}${byCommand}, ${chats} of ${capacity} chats${of}`;
    }),
    ...andMore(colleagues),
  ];
}

function queueLines(queue: Some<QueuedVisitor>, at: number, nameOf: NameOf): readonly string[] {
  const { items, more } = queue;
  if (items.length === 0) return ['Nobody waits.'];
  const count = more < 0 ? `More than ${items.length} visitors wait` : null;
  const all = items.length + more;
  return [
    `${count ?? counted(all, 'visitor waits', 'visitors wait')}, the longest first:`,
    ...items.map(({ visitor, chatId, nick, department, page, startedAt, offered, inLhc }) => {
      const name = shortened(visitorAs(visitor, nick === null ? {} : { nick }));
      const asked = inLhc
        ? 'offered in LHC'
        : offered.length > 0
          ? `offered to ${offered.map(nameOf).join(', ')}`
          : null;
      return [
        `#${chatId} ${name}`,
        department,
        durationOf(at - startedAt),
        asked,
        page === null ? null : `Page: ${shortened(page)}`,
      ]
        .filter((part) => part !== null)
        .join(' · ');
    }),
    ...andMore(queue),
  ];
}

const secondsOf = (seconds: number): string => durationOf(seconds * 1000);

function statsLines(
  { chats, open, served, missed, waitedMedianS, waitedLongestS, operators }: DayStats,
  at: number,
  asker: Username,
  nameOf: NameOf,
): readonly string[] {
  const waited =
    waitedMedianS === null || waitedLongestS === null
      ? []
      : [
          `Visitors waited ${secondsOf(waitedMedianS)} (the median), ${secondsOf(waitedLongestS)} at most.`,
        ];
  const busiest = operators.toSorted((one, other) => other.chats - one.chats);
  const shown = busiest.slice(0, STATS_MAX_LINES);
  return [
    `Today until ${timeOf(at)} UTC: ${counted(chats, 'chat', 'chats')}, ${served} answered, ${missed} missed, ${open} open.`,
    ...waited,
    ...shown.map(({ operator, chats: taken, missedOffers }) => {
      const you = operator === asker ? ' (you)' : '';
      const passed = missedOffers > 0 ? `, ${counted(missedOffers, 'offer', 'offers')} missed` : '';
      return `${nameOf(operator)}${you}: ${counted(taken, 'chat', 'chats')}${passed}`;
    }),
    ...andMore({ more: busiest.length - shown.length }),
  ];
}
