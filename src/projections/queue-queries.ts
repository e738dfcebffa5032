/** The queue: chats that nobody has answered, the oldest first, and how long that may take. */
import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import { type ChatView, chatReader } from './chat-queries.ts';
import { type Page, type PageRequest, pageBehind, pageOf } from './table.ts';

export interface QueuedChat extends ChatView {
  /** 1 is next: among all that wait, and among those of its department. */
  readonly position: number;
  readonly positionInDepartment: number;
  /**
   * Seconds until an operator may be expected to answer; null when nothing is known to tell from, or nobody who serves
   * its department is online.
   */
  readonly expectedWait: number | null;
}

export interface QueueFilter extends PageRequest {
  readonly tenant: string;
  readonly department?: string | undefined;
  /** ms since 1970 */
  readonly now: number;
}

export interface QueueQueries {
  /** The oldest first; positions are those of the whole queue. */
  list(filter: QueueFilter): Page<QueuedChat>;
}

const HOUR_MS = 3_600_000;
/** Where the last hour tells nothing, the last day does. */
const SPANS_MS = [HOUR_MS, 24 * HOUR_MS];
/** So many of the last acceptances are looked at; more tell no more. */
const SAMPLE = 200;

interface Accepted {
  readonly startedAt: number;
  readonly acceptedAt: number;
}

const ORDER = { name: 'startedAt', column: 'started_at' };
const TIES = [
  { column: 'visitor', type: 'string' as const },
  { column: 'revision', type: 'number' as const },
];

/**
 * How long a department took for who stood first in its queue: from when the one before was answered, or from its own
 * beginning where nobody stood before it, until it was answered. Idle times do not count, since nobody waited then.
 *
 * @param accepted of the same department, the last one first; all times in ms since 1970
 * @param before when the one before these was accepted; 0: there was none
 * @returns the mean in ms; null without any
 */
export function headTime(accepted: readonly Accepted[], before: number): number | null {
  if (accepted.length === 0) return null;
  const times = accepted.map(({ startedAt, acceptedAt }, i) =>
    Math.max(0, acceptedAt - Math.max(startedAt, accepted[i + 1]?.acceptedAt ?? before)),
  );
  return times.reduce((sum, time) => sum + time, 0) / times.length;
}

export function queueQueries(db: DatabaseSync): QueueQueries {
  const { columns, viewOf } = chatReader(db);
  // One more than is looked at: from then on the first of them stood first.
  const recent = db.prepare(
    `SELECT accepted_at AS acceptedAt, started_at AS startedAt
     FROM chats INDEXED BY chats_by_acceptance
     WHERE tenant = ? AND department IS ? AND accepted_at IS NOT NULL
     ORDER BY accepted_at DESC LIMIT ${SAMPLE + 1}`,
  );
  const served = db.prepare(
    `SELECT 1 FROM operators WHERE tenant = ?1 AND registered = 1 AND availability <> 'offline'
       AND (?2 IS NULL OR departments = '[]'
         OR EXISTS (SELECT 1 FROM json_each(departments) WHERE value = ?2)) LIMIT 1`,
  );
  /** Of one department, in ms. */
  const headTimeOf = (tenant: string, department: string | null, now: number): number | null => {
    // What others took yesterday says nothing while nobody is there.
    if (!served.get(tenant, department)) return null;
    const rows = recent.all(tenant, department).map(({ startedAt, acceptedAt }) => ({
      startedAt: Number(startedAt),
      acceptedAt: Number(acceptedAt),
    }));
    for (const span of SPANS_MS) {
      const within = rows.slice(0, SAMPLE).filter(({ acceptedAt }) => acceptedAt > now - span);
      const time = headTime(within, rows[within.length]?.acceptedAt ?? 0);
      if (time !== null) return time;
    }
    return null;
  };
  return {
    list: ({ tenant, department, now, cursor, limit }) => {
      const page = pageBehind({ sorting: ORDER, ties: TIES, cursor, cursorOrder: 'queue' });
      const values: SQLInputValue[] = [tenant];
      if (department) values.push(department);
      const rows = db
        .prepare(
          `SELECT ${columns}, position, positionInDepartment FROM (
             SELECT *, row_number() OVER (ORDER BY started_at, visitor, revision) AS position,
               row_number() OVER (PARTITION BY department ORDER BY started_at, visitor, revision)
                 AS positionInDepartment
             FROM chats INDEXED BY chats_waiting WHERE tenant = ? AND waiting_since IS NOT NULL)
           WHERE TRUE ${department ? 'AND department = ?' : ''}${page.where} ${page.order} LIMIT ?`,
        )
        .all(...values, ...page.values, limit + 1);
      const known = new Map<string | null, number | null>();
      const timeOf = (name: string | null): number | null => {
        const found = known.get(name);
        if (found !== undefined) return found;
        const time = headTimeOf(tenant, name, now);
        known.set(name, time);
        return time;
      };
      const queued = rows.map((row): QueuedChat => {
        const chat = viewOf(tenant, row);
        const place = Number(row.positionInDepartment);
        const time = timeOf(chat.department);
        return {
          ...chat,
          position: Number(row.position),
          positionInDepartment: place,
          expectedWait: time === null ? null : Math.ceil((place * time) / 1000),
        };
      });
      return pageOf(queued, limit, (chat) => [
        'queue',
        chat.startedAt,
        chat.visitor,
        chat.revision,
      ]);
    },
  };
}
