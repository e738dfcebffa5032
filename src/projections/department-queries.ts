/** Departments: nobody registers them. They are those that operators serve, chats were for, or settings name. */
import type { DatabaseSync } from 'node:sqlite';

export interface DepartmentView {
  /** null: chats that were begun for none. */
  readonly department: string | null;
  /** Operators that serve it; who names no department serves all. `online` is the sum of the other three. */
  readonly operators: {
    readonly online: number;
    readonly available: number;
    readonly away: number;
    readonly busy: number;
  };
  /** Chats that available operators could be given now. */
  readonly freePlaces: number;
  /** Chats that nobody has answered, those that are offered included. */
  readonly waiting: number;
  readonly offered: number;
  /** When the oldest of them was begun, in ms since 1970; null without any. */
  readonly longestWaitingSince: number | null;
  readonly active: number;
  /** Of the chats that began today: all, answered by an operator, closed without. */
  readonly chatsToday: number;
  readonly servedToday: number;
  readonly missedToday: number;
}

export interface DepartmentsAsked {
  readonly tenant: string;
  /** ms since 1970 */
  readonly todaySince: number;
  /** Those that the settings name, with how many chats of it one operator has at most (null: no bound of its own). */
  readonly named: Readonly<Record<string, number | null>>;
}

export interface DepartmentQueries {
  /** All departments by name, chats without one last. */
  list(asked: DepartmentsAsked): readonly DepartmentView[];
}

/** A tenant's departments at most: what names them comes from outside. */
const MOST = 1000;

interface Operator {
  readonly availability: string;
  /** Empty: it serves all. */
  readonly departments: readonly string[];
  readonly capacity: number;
  /** By department, the chats that it has or that are reserved for it. */
  readonly chats: ReadonlyMap<string | null, number>;
}

const nullable = (value: unknown): string | null => (value === null ? null : String(value));
const byName = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

export function departmentQueries(db: DatabaseSync): DepartmentQueries {
  const operators = db.prepare(
    `SELECT username, availability, departments, capacity FROM operators
     WHERE tenant = ? AND registered = 1`,
  );
  const chats = db.prepare(
    `SELECT o.username, (SELECT department FROM chats c WHERE c.tenant = o.tenant
         AND c.visitor = o.visitor AND c.chat_id = o.chat_id ORDER BY c.revision DESC LIMIT 1)
         AS department, count(*) AS n
     FROM operator_chats o WHERE o.tenant = ? GROUP BY 1, 2`,
  );
  // One step of the index for each department, however many chats it has.
  const known = db.prepare(
    `WITH RECURSIVE step (name) AS (
       SELECT min(department) FROM chats WHERE tenant = ?1 AND department IS NOT NULL
       UNION ALL
       SELECT (SELECT min(department) FROM chats WHERE tenant = ?1 AND department > step.name)
       FROM step WHERE step.name IS NOT NULL LIMIT ${MOST})
     SELECT name FROM step WHERE name IS NOT NULL`,
  );
  const open = db.prepare(
    `SELECT department, count(*) FILTER (WHERE state <> 'active') AS waiting,
       count(*) FILTER (WHERE state = 'offered') AS offered,
       count(*) FILTER (WHERE state = 'active') AS active,
       min(started_at) FILTER (WHERE state <> 'active') AS longest
     FROM chats INDEXED BY chats_open WHERE tenant = ? AND state <> 'closed' GROUP BY department`,
  );
  const today = db.prepare(
    `SELECT department, count(*) AS chats, count(accepted_at) AS served,
       count(*) FILTER (WHERE state = 'closed' AND accepted_at IS NULL) AS missed
     FROM chats INDEXED BY chats_by_start WHERE tenant = ? AND started_at >= ? GROUP BY department`,
  );

  const operatorsOf = (tenant: string): Operator[] => {
    const loads = new Map<string, Map<string | null, number>>();
    for (const { username, department, n } of chats.all(tenant)) {
      const load = loads.get(String(username)) ?? new Map<string | null, number>();
      loads.set(String(username), load.set(nullable(department), Number(n)));
    }
    return operators.all(tenant).map((row) => ({
      availability: String(row.availability),
      departments: JSON.parse(String(row.departments)), // written as JSON, an array of names
      capacity: Number(row.capacity),
      chats: loads.get(String(row.username)) ?? new Map(),
    }));
  };

  return {
    list: ({ tenant, todaySince, named }) => {
      const all = operatorsOf(tenant);
      const opened = new Map(open.all(tenant).map((row) => [nullable(row.department), row]));
      const begun = new Map(
        today.all(tenant, todaySince).map((row) => [nullable(row.department), row]),
      );
      const names = new Set([
        ...Object.keys(named),
        ...all.flatMap(({ departments }) => departments),
        ...known.all(tenant).map(({ name }) => String(name)),
      ]);
      const sorted: (string | null)[] = [...names].sort(byName).slice(0, MOST);
      if (opened.has(null) || begun.has(null)) sorted.push(null);
      return sorted.map((department): DepartmentView => {
        const serving = all.filter(
          ({ departments }) =>
            department === null || departments.length === 0 || departments.includes(department),
        );
        const being = (state: string) =>
          serving.filter(({ availability }) => availability === state).length;
        const [available, away, busy] = [being('available'), being('away'), being('busy')];
        const own = department !== null && Object.hasOwn(named, department);
        const bound = own ? (named[department] ?? null) : null;
        const now = opened.get(department);
        const day = begun.get(department);
        return {
          department,
          operators: { online: available + away + busy, available, away, busy },
          freePlaces: serving
            .filter(({ availability }) => availability === 'available')
            .reduce((sum, operator) => sum + freePlaces(operator, department, bound), 0),
          waiting: Number(now?.waiting ?? 0),
          offered: Number(now?.offered ?? 0),
          longestWaitingSince: now?.longest ? Number(now.longest) : null,
          active: Number(now?.active ?? 0),
          chatsToday: Number(day?.chats ?? 0),
          servedToday: Number(day?.served ?? 0),
          missedToday: Number(day?.missed ?? 0),
        };
      });
    },
  };
}

/** What one operator could take of a department: its own capacity, and that of one operator in the department. */
function freePlaces(
  { capacity, chats }: Operator,
  department: string | null,
  bound: number | null,
): number {
  const load = [...chats.values()].reduce((sum, n) => sum + n, 0);
  const own = capacity - load;
  const places = bound === null ? own : Math.min(own, bound - (chats.get(department) ?? 0));
  return Math.max(0, places);
}
