/** The queue: the chats that no operator has accepted, but for missed ones whose visitors have left, the oldest first, and how long they may have to wait. */
import type { DatabaseSync } from 'node:sqlite';
import { CHAT_TIES, type ChatView, chatReader } from './chat-queries.ts';
import { Conditions, type Order, type Page, type PageRequest, readPage } from './list.ts';

export interface QueuedChat extends ChatView {
  /** 1 is next: in the whole queue, and in the queue of the department. */
  readonly position: number;
  readonly positionInDepartment: number;
  /**
   * Seconds until an operator will probably accept the chat; null without recent chats to estimate from, or if no operator
   * of its department is online.
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
  /** The oldest comes first. Positions count the whole queue, whatever the filter. */
  list(filter: QueueFilter): Page<QueuedChat>;
}

const HOUR_MS = 3_600_000;
/** The estimate uses chats of the last hour; if there are none, of the last day. */
export const ESTIMATE_SPANS_MS = [HOUR_MS, 24 * HOUR_MS];
/** The last acceptances of a department that the estimate uses. */
export const ESTIMATE_CHATS = 200;

interface Accepted {
  readonly startedAt: number;
  readonly acceptedAt: number;
}

const ORDER: Order = {
  name: 'queue',
  first: { sql: 'started_at', type: 'number' },
  ties: CHAT_TIES,
};

/**
 * How long a chat stays first in the queue of its department. That time begins when the chat before it was accepted, or
 * with its own start if the queue was empty, and ends when it is accepted. Times with an empty queue do not count.
 *
 * @param accepted chats of one department, the last one first; all times in ms since 1970
 * @param before when the chat before these was accepted; 0 if there was none
 * @returns the mean in ms; null without any chat
 */
export function meanHeadTime(accepted: readonly Accepted[], before: number): number | null {
  if (accepted.length === 0) return null;
  const times = accepted.map(({ startedAt, acceptedAt }, i) =>
    Math.max(0, acceptedAt - Math.max(startedAt, accepted[i + 1]?.acceptedAt ?? before)),
  );
  return times.reduce((sum, time) => sum + time, 0) / times.length;
}

/** Every chat of the queue, with its positions. The parameter is the tenant. */
const QUEUE = `(SELECT *, row_number() OVER (ORDER BY started_at, visitor, revision) AS position,
    row_number() OVER (PARTITION BY department ORDER BY started_at, visitor, revision)
      AS positionInDepartment
  FROM chats INDEXED BY chats_waiting
  WHERE tenant = ? AND waiting_since IS NOT NULL AND (left_at IS NULL OR missed_offers = 0))`;

export function queueQueries(db: DatabaseSync): QueueQueries {
  const { columns, viewOf } = chatReader(db);
  const headTime = createEstimate(db);
  return {
    list: ({ tenant, department, now, ...request }) => {
      const times = new Map<string | null, number | null>();
      const timeOf = (name: string | null): number | null => {
        const known = times.get(name);
        if (known !== undefined) return known;
        const time = headTime(tenant, name, now);
        times.set(name, time);
        return time;
      };
      const range = new Conditions();
      if (department) range.add('department = ?', department);
      return readPage(
        db,
        {
          columns: `${columns}, position, positionInDepartment`,
          from: QUEUE,
          fromValues: [tenant],
          range,
          order: ORDER,
        },
        request,
        (row): QueuedChat => {
          const chat = viewOf(tenant, row);
          const positionInDepartment = Number(row.positionInDepartment);
          const time = timeOf(chat.department);
          const expectedWait =
            time === null ? null : Math.ceil((positionInDepartment * time) / 1000);
          return { ...chat, position: Number(row.position), positionInDepartment, expectedWait };
        },
        (chat) => [chat.startedAt, chat.visitor, chat.revision],
      );
    },
  };
}

/** Estimates how long a chat stays first in the queue of a department, in ms; null if nothing is known. */
type Estimate = (tenant: string, department: string | null, now: number) => number | null;

function createEstimate(db: DatabaseSync): Estimate {
  // One chat more than the sample: its acceptance is when the first chat of the sample became first in the queue.
  const recent = db.prepare(
    `SELECT accepted_at AS acceptedAt, started_at AS startedAt
     FROM chats INDEXED BY chats_by_acceptance
     WHERE tenant = ? AND department IS ? AND accepted_at IS NOT NULL
     ORDER BY accepted_at DESC LIMIT ${ESTIMATE_CHATS + 1}`,
  );
  const online = db.prepare(
    `SELECT 1 FROM operators WHERE tenant = ?1 AND registered = 1 AND availability <> 'offline'
       AND (?2 IS NULL OR departments = '[]'
         OR EXISTS (SELECT 1 FROM json_each(departments) WHERE value = ?2)) LIMIT 1`,
  );
  return (tenant, department, now) => {
    // The times of other days mean nothing while no operator is there.
    if (!online.get(tenant, department)) return null;
    const rows = recent.all(tenant, department).map(({ startedAt, acceptedAt }) => ({
      startedAt: Number(startedAt),
      acceptedAt: Number(acceptedAt),
    }));
    const sample = rows.slice(0, ESTIMATE_CHATS);
    for (const span of ESTIMATE_SPANS_MS) {
      const within = sample.filter(({ acceptedAt }) => acceptedAt > now - span);
      const time = meanHeadTime(within, rows[within.length]?.acceptedAt ?? 0);
      if (time !== null) return time;
    }
    return null;
  };
}
