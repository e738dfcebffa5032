/** Statistics of a tenant's chats: in total, by department and by operator. */
import { type ChatStats, countChats, countWork, type OperatorStats } from './stats.ts';
import type { Portion, PortionKey, Range, StatsQueries } from './stats-queries.ts';
import { nextTurn } from './turns.ts';

export interface Statistics {
  readonly total: ChatStats;
  readonly departments: readonly ({ readonly department: string | null } & ChatStats)[];
  readonly operators: readonly OperatorStats[];
}

/** Reads all portions. Between two portions the event loop serves others, and tenants take turns. */
async function eachRow<Row>(
  tenant: string,
  read: (after: PortionKey | null) => Portion<Row>,
  use: (row: Row) => void,
): Promise<void> {
  for (let after: PortionKey | null = null; ; ) {
    const { rows, next }: Portion<Row> = read(after);
    for (const row of rows) use(row);
    if (next === null) return;
    after = next;
    await nextTurn(tenant);
  }
}

/** The value of a key, made and kept if the map has none yet. */
function getOrMake<Key, Value>(map: Map<Key, Value>, key: Key, make: () => Value): Value {
  const value = map.get(key) ?? make();
  map.set(key, value);
  return value;
}

const byName = ([a]: readonly [string | null, unknown], [b]: readonly [string | null, unknown]) =>
  a === b ? 0 : a === null ? 1 : b === null || a < b ? -1 : 1;

/**
 * Computes the statistics of the chats that started within the range.
 * @param queries called again for each portion: a rebuild may replace the rows in between
 */
export async function computeStatistics(
  queries: () => StatsQueries,
  range: Range,
): Promise<Statistics> {
  const total = countChats();
  const departments = new Map<string | null, ReturnType<typeof countChats>>();
  await eachRow(
    range.tenant,
    (after) => queries().chats(range, after),
    (chat) => {
      total.add(chat);
      getOrMake(departments, chat.department, countChats).add(chat);
      if (chat.overflowed.length > 0) total.addOverflow();
      for (const department of new Set(chat.overflowed)) {
        getOrMake(departments, department, countChats).addOverflow();
      }
    },
  );
  const operators = new Map<string, ReturnType<typeof countWork>>();
  await eachRow(
    range.tenant,
    (after) => queries().work(range, after),
    (work) => getOrMake(operators, work.operator, countWork).add(work),
  );
  return {
    total: total.stats(),
    departments: [...departments]
      .sort(byName)
      .map(([department, counter]) => ({ department, ...counter.stats() })),
    operators: [...operators].sort(byName).map(([name, counter]) => counter.stats(name)),
  };
}
