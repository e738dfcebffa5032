/** Queries on departments. Nobody registers a department: operators serve it, chats are for it, or the settings name it. */
import type { DatabaseSync, SQLOutputValue } from 'node:sqlite';

export interface DepartmentView {
  /** null for chats without a department. */
  readonly department: string | null;
  /** Operators that serve the department. An operator without departments serves all. */
  readonly operators: {
    /** The sum of the other three. */
    readonly online: number;
    readonly available: number;
    readonly away: number;
    readonly busy: number;
  };
  /** How many more chats its available operators may have. */
  readonly freePlaces: number;
  /** Chats that no operator has accepted, including offered ones. */
  readonly waiting: number;
  readonly offered: number;
  /** When the oldest of them started, in ms since 1970; null without any. */
  readonly longestWaitingSince: number | null;
  readonly active: number;
  /** Of the chats that started today: all, those that an operator accepted, those closed without that. */
  readonly chatsToday: number;
  readonly servedToday: number;
  readonly missedToday: number;
}

export interface DepartmentFilter {
  readonly tenant: string;
  /** When today began, in ms since 1970. */
  readonly todaySince: number;
  /** The departments in the settings, with the most chats of it that one operator may have (null for no limit). */
  readonly configured: Readonly<Record<string, number | null>>;
}

export interface DepartmentQueries {
  /** All departments by name. Chats without a department come last. */
  list(filter: DepartmentFilter): readonly DepartmentView[];
}

/** Departments of a tenant that are listed. Their names come from outside, so there must be a limit. */
export const MOST_DEPARTMENTS = 1000;

interface Operator {
  readonly availability: string;
  /** Empty if the operator serves all. */
  readonly departments: readonly string[];
  readonly capacity: number;
  /** The operator's chats and reservations, by department. */
  readonly chats: ReadonlyMap<string | null, number>;
}

type Rows = ReadonlyMap<string | null, Record<string, SQLOutputValue>>;

const nameOrNull = (value: unknown): string | null => (value === null ? null : String(value));
const byName = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
const byDepartment = (rows: readonly Record<string, SQLOutputValue>[]): Rows =>
  new Map(rows.map((row) => [nameOrNull(row.department), row]));

export function departmentQueries(db: DatabaseSync): DepartmentQueries {
  const operatorsOf = operatorReader(db);
  // One step of the index for each department, however many chats it has.
  const departments = db.prepare(
    `WITH RECURSIVE step (name) AS (
       SELECT min(department) FROM chats WHERE tenant = ?1 AND department IS NOT NULL
       UNION ALL
       SELECT (SELECT min(department) FROM chats WHERE tenant = ?1 AND department > step.name)
       FROM step WHERE step.name IS NOT NULL LIMIT ${MOST_DEPARTMENTS})
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
  return {
    list: ({ tenant, todaySince, configured }) => {
      const operators = operatorsOf(tenant);
      const openChats = byDepartment(open.all(tenant));
      const chatsToday = byDepartment(today.all(tenant, todaySince));
      const names = new Set([
        ...Object.keys(configured),
        ...operators.flatMap((operator) => operator.departments),
        ...departments.all(tenant).map(({ name }) => String(name)),
      ]);
      const sorted: (string | null)[] = [...names].sort(byName).slice(0, MOST_DEPARTMENTS);
      if (openChats.has(null) || chatsToday.has(null)) sorted.push(null);
      return sorted.map((department) => {
        const own = department !== null && Object.hasOwn(configured, department);
        const limit = own ? (configured[department] ?? null) : null;
        return viewOf(department, limit, operators, openChats, chatsToday);
      });
    },
  };
}

function operatorReader(db: DatabaseSync): (tenant: string) => readonly Operator[] {
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
  return (tenant) => {
    const loads = new Map<string, Map<string | null, number>>();
    for (const { username, department, n } of chats.all(tenant)) {
      const load = loads.get(String(username)) ?? new Map<string | null, number>();
      loads.set(String(username), load.set(nameOrNull(department), Number(n)));
    }
    return operators.all(tenant).map((row) => ({
      availability: String(row.availability),
      departments: JSON.parse(String(row.departments)), // Written as JSON, an array of names.
      capacity: Number(row.capacity),
      chats: loads.get(String(row.username)) ?? new Map(),
    }));
  };
}

function viewOf(
  department: string | null,
  limit: number | null,
  operators: readonly Operator[],
  openChats: Rows,
  chatsToday: Rows,
): DepartmentView {
  const serving = operators.filter(
    ({ departments }) =>
      department === null || departments.length === 0 || departments.includes(department),
  );
  const being = (availability: string) =>
    serving.filter((operator) => operator.availability === availability);
  const available = being('available');
  const [away, busy] = [being('away').length, being('busy').length];
  const open = openChats.get(department);
  const day = chatsToday.get(department);
  return {
    department,
    operators: { online: available.length + away + busy, available: available.length, away, busy },
    freePlaces: available.reduce((sum, one) => sum + freePlaces(one, department, limit), 0),
    waiting: Number(open?.waiting ?? 0),
    offered: Number(open?.offered ?? 0),
    longestWaitingSince: open?.longest ? Number(open.longest) : null,
    active: Number(open?.active ?? 0),
    chatsToday: Number(day?.chats ?? 0),
    servedToday: Number(day?.served ?? 0),
    missedToday: Number(day?.missed ?? 0),
  };
}

/** How many more chats of a department one operator may have, by their capacity and the limit of the department. */
function freePlaces(
  { capacity, chats }: Operator,
  department: string | null,
  limit: number | null,
): number {
  const load = [...chats.values()].reduce((sum, n) => sum + n, 0);
  const places = capacity - load;
  const within = limit === null ? places : Math.min(places, limit - (chats.get(department) ?? 0));
  return Math.max(0, within);
}
