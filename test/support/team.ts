/** The team and the visitors as a test sets them. The service reads them from its read models (src/service/team-reading.ts). */
import type {
  Colleague,
  DayStats,
  FoundVisitor,
  QueuedVisitor,
  TeamReading,
} from '../../src/runtime/desk-ports.ts';

export interface Team extends TeamReading {
  rows: {
    colleagues: Colleague[];
    queue: QueuedVisitor[];
    visitors: FoundVisitor[];
    stats: DayStats;
  };
}

const NOTHING: DayStats = {
  chats: 0,
  open: 0,
  served: 0,
  missed: 0,
  waitedMedianS: null,
  waitedLongestS: null,
  operators: [],
};

export function teamOf(): Team {
  const rows: Team['rows'] = { colleagues: [], queue: [], visitors: [], stats: NOTHING };
  const some = <T>(items: readonly T[], most: number) => ({
    items: items.slice(0, most),
    more: Math.max(0, items.length - most),
  });
  return {
    rows,
    reach: async () => {},
    colleagues: async (_tenant, most) => some(rows.colleagues, most),
    queue: async (_tenant, most) => some(rows.queue, most),
    stats: async () => rows.stats,
    find: async (_tenant, text, most) => {
      const has = (part: string | null) => part?.toLowerCase().includes(text.toLowerCase());
      return some(
        rows.visitors.filter(({ key, nick }) => has(key) || has(nick)),
        most,
      );
    },
  };
}
