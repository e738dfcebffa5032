/** `!who`, `!queue` and `!stats`: the team, who waits, and the chats of today, in a few lines each. */
import type { Username } from '../../actors/ids.ts';
import { FIRST_TIER } from '../../actors/operator-selection.ts';
import { openingOf } from '../../actors/tenant/department-settings.ts';
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
import { spokenBy } from '../texts/spoken.ts';
import { durationOf, stampOf, timeOf } from '../texts/times.ts';

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
      return [
        ...whoLines(colleagues, asker, nameOf),
        ...closedLine(tenant, colleagues.items, now()),
      ];
    },
    async queue(tenant) {
      const { of: nameOf } = await names.of(tenant.id);
      return queueLines(await team.queue(tenant.id, QUEUE_MAX_LINES), tenant, now(), nameOf);
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
  const hasTiers = items.some(
    ({ tier, tiers }) => tier !== FIRST_TIER || Object.keys(tiers).length > 0,
  );
  return [
    available.length === 0
      ? 'Nobody is available.'
      : `${counted(available.length, 'operator is', 'operators are')} available, with ${counted(places, 'free place', 'free places')}.`,
    ...items.map((each) => {
      const { username, availability, away, chats, capacity } = each;
      const you = username === asker ? ' (you)' : '';
      const byCommand = away && availability === 'away' ? ' (!away)' : '';
      return [
        `${nameOf(username)}${you}: ${availability}${byCommand}, ${chats} of ${capacity} chats`,
        departmentsOf(each),
        hasTiers && `tier ${each.tier}`,
        each.languages.length > 0 && `speaks ${each.languages.join(', ')}`,
      ]
        .filter(Boolean)
        .join(' · ');
    }),
    ...andMore(colleagues),
  ];
}

/** `sales, support (tier 2)`: a department with a tier of its own has it behind. */
const departmentsOf = ({ departments, tier, tiers }: Colleague): string =>
  departments
    .map((name) => {
      const own = Object.hasOwn(tiers, name) ? tiers[name] : undefined;
      return own === undefined || own === tier ? name : `${name} (tier ${own})`;
    })
    .join(', ');

/** Departments in one line. */
const CLOSED_MAX = 20;

/** The departments that are closed now, and when they open; nothing if all are open. */
function closedLine(
  { routing }: Tenant,
  colleagues: readonly Colleague[],
  at: number,
): readonly string[] {
  if (routing.by === 'lhc') return [];
  const names = new Set([
    ...Object.keys(routing.departments),
    ...colleagues.flatMap(({ departments }) => departments),
  ]);
  const closed = [...names].toSorted().flatMap((name) => {
    const { open, until } = openingOf(routing, name, at);
    return open ? [] : [until === null ? name : `${name} (opens ${stampOf(until, at)})`];
  });
  if (closed.length === 0) return [];
  const more = closed.length - CLOSED_MAX;
  return [
    `Closed now: ${closed.slice(0, CLOSED_MAX).join(', ')}${more > 0 ? `, and ${more} more` : ''}.`,
  ];
}

function queueLines(
  queue: Some<QueuedVisitor>,
  { routing }: Tenant,
  at: number,
  nameOf: NameOf,
): readonly string[] {
  const isClosed = (department: string | null): boolean =>
    routing.by !== 'lhc' && !openingOf(routing, department, at).open;
  const { items, more } = queue;
  if (items.length === 0) return ['Nobody waits.'];
  const count = more < 0 ? `More than ${items.length} visitors wait` : null;
  const all = items.length + more;
  return [
    count === null && all === 1
      ? '1 visitor waits:'
      : `${count ?? `${all} visitors wait`}, the longest first:`,
    ...items.map((chat) => {
      const { visitor, chatId, nick, department, page, startedAt, offered, inLhc } = chat;
      const from = chat.overflowedFrom.at(-1);
      const name = shortened(visitorAs(visitor, nick === null ? {} : { nick }));
      const asked = inLhc
        ? 'offered in LHC'
        : offered.length > 0
          ? `offered to ${offered.map(nameOf).join(', ')}`
          : null;
      return [
        `#${chatId} ${name}`,
        from === undefined ? department : `${department}, from ${from}`,
        isClosed(department) && 'closed now',
        spokenBy(chat.language),
        durationOf(at - startedAt),
        asked,
        page === null ? null : `Page: ${shortened(page)}`,
      ]
        .filter(Boolean)
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
