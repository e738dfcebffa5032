/** What operators ask about their team and the visitors, answered by the read models (src/runtime/desk-ports.ts). */
import type { VisitorKey } from '../actors/ids.ts';
import { hasCode } from '../errors.ts';
import type { ReadModels } from '../projections/read-models.ts';
import type { VisitorView } from '../projections/visitor-queries.ts';
import type { Colleague, FoundVisitor, Some, TeamReading } from '../runtime/desk-ports.ts';

/** Operators of one tenant that are read for one answer. */
export const COLLEAGUES_READ_MAX = 500;
/** Chats of the queue that are counted for one answer. */
export const QUEUED_READ_MAX = 200;
/** Visitors who are looked at for one search: their pages may have the text too, and then they are none of those meant. */
export const FOUND_READ_MAX = 200;
/** How long an answer waits for rows to come up to its question. Rows that are older are better than none. */
export const REACH_MS = 2_000;

const RANK = { available: 0, busy: 1, away: 2, offline: 3 } as const;

const foundIn = ({
  key,
  nick,
  conversation,
  operator,
  title,
  page,
}: VisitorView): FoundVisitor => ({
  key,
  nick,
  conversation,
  operator,
  page: title || page || null,
});

/** The first of these. @param isAll false if there are more than these */
const someOf = <T>(items: readonly T[], most: number, isAll: boolean): Some<T> => ({
  items: items.slice(0, most),
  more: isAll ? Math.max(0, items.length - most) : -1,
});

export function createTeamReading(readModels: ReadModels, now: () => number): TeamReading {
  return {
    async reach(position) {
      try {
        await readModels.reach(position, REACH_MS, REACH_MS);
      } catch (error) {
        if (!hasCode(error, 'timeout')) throw error;
      }
    },
    async colleagues(tenant, most) {
      const page = await readModels.operators.list({ tenant, limit: COLLEAGUES_READ_MAX });
      const colleagues = page.items
        .map(
          ({ username, departments, availability, away, chats, capacity, ...more }): Colleague => ({
            username,
            departments,
            availability,
            away,
            chats: chats.length,
            capacity,
            tier: more.tier,
            tiers: more.tiers,
            languages: more.languages,
          }),
        )
        // A stable sort: among equals by username.
        .toSorted((one, other) => RANK[one.availability] - RANK[other.availability]);
      return someOf(colleagues, most, page.next === null);
    },
    async queue(tenant, most) {
      const page = await readModels.queue.list({ tenant, now: now(), limit: QUEUED_READ_MAX });
      const { items, more } = someOf(page.items, most, page.next === null);
      const pages = await Promise.all(
        items.map(async ({ visitor }) => readModels.visitors.get(tenant, visitor)),
      );
      return {
        more,
        items: items.map(({ visitor, chatId, nick, department, startedAt, ...chat }, i) => ({
          visitor,
          chatId,
          nick,
          department,
          startedAt,
          overflowedFrom: chat.overflowedFrom,
          language: chat.language,
          page: pages[i]?.title || pages[i]?.page || null,
          offered: chat.offered.length > 0 || !chat.operator ? chat.offered : [chat.operator],
          inLhc: chat.inLhc !== null,
        })),
      };
    },
    async stats(tenant, since, until) {
      const { total, operators } = await readModels.stats.of({ tenant, since, until });
      const { chats, open, served, missed, waiting } = total;
      return {
        chats,
        open,
        served,
        missed,
        waitedMedianS: waiting.p50,
        waitedLongestS: waiting.max,
        operators: operators.map(({ operator, chats: taken, missedOffers }) => ({
          operator: operator as Colleague['username'], // the rows have it from an operator's stream
          chats: taken,
          missedOffers,
        })),
      };
    },
    async find(tenant, text, most) {
      const page = await readModels.visitors.list({
        tenant,
        q: text,
        online: true,
        limit: FOUND_READ_MAX,
      });
      const wanted = text.normalize('NFC').toLowerCase();
      const isMeant = ({ key, nick }: { readonly key: VisitorKey; readonly nick: string | null }) =>
        key.includes(wanted) || nick?.normalize('NFC').toLowerCase().includes(wanted) === true;
      return someOf(page.items.filter(isMeant).map(foundIn), most, page.next === null);
    },
  };
}
