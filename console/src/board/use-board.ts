/** The live board of one tenant: the rows once, and from there on what the live stream brings. */
import { useEffect, useState } from 'react';
import { pause, retryDelay } from '../api/backoff.ts';
import { type ApiError, ask } from '../api/client.ts';
import { follow, type LiveState } from '../api/live.ts';
import { asApiError } from '../api/load.ts';
import { withQuery } from '../with-query.ts';
import {
  type Board,
  type Change,
  type Chat,
  changed,
  changeOf,
  EMPTY,
  MAX_VISITORS,
  type Operator,
  type Visitor,
} from './model.ts';

/** Changes of this time are drawn together. */
const DRAW_EVERY_MS = 300;
/** The rows are asked for at most this often, however often the stream says `reset`. */
const QUERY_EVERY_MS = 5_000;
/** A tab that nobody sees gives its connection back after this time: browsers open six to a host. */
const HIDDEN_MS = 20_000;
const PAGE_ROWS = 200;
/** Operators that a board holds at most. */
const MAX_OPERATORS = 2_000;

export interface LiveBoard {
  readonly board: Board;
  /** True until the rows are here for the first time. */
  readonly loading: boolean;
  readonly state: LiveState;
  /** Why it is not live. */
  readonly detail: string;
  readonly error: ApiError | null;
}

const NOTHING: LiveBoard = {
  board: EMPTY,
  loading: true,
  state: 'connecting',
  detail: '',
  error: null,
};

/** All pages of a list up to a bound. */
async function all<T>(
  path: string,
  query: Record<string, string>,
  most: number,
  signal: AbortSignal,
): Promise<T[]> {
  const rows: T[] = [];
  let cursor: string | null = null;
  do {
    const page: { items: T[]; next: string | null } = await ask(
      withQuery(path, { ...query, cursor, limit: PAGE_ROWS }),
      { signal },
    );
    rows.push(...page.items);
    cursor = page.next;
  } while (cursor !== null && rows.length < most);
  return rows;
}

async function rowsOf(
  tenant: string,
  position: string | null,
  signal: AbortSignal,
): Promise<Board> {
  const base = `/v1/${encodeURIComponent(tenant)}`;
  const fresh: Record<string, string> = position === null ? {} : { minPosition: position };
  const list = <T>(path: string, query: Record<string, string>, most: number) =>
    all<T>(`${base}${path}`, { ...fresh, ...query }, most, signal);
  const [online, waiting, chatting, queued, active, operators] = await Promise.all([
    list<Visitor>('/visitors', { online: 'true', sort: '-lastSeen' }, MAX_VISITORS),
    // Who waits or talks may have left the page.
    list<Visitor>('/visitors', { state: 'waiting' }, MAX_VISITORS),
    list<Visitor>('/visitors', { state: 'chatting' }, MAX_VISITORS),
    list<Chat>('/queue', {}, MAX_VISITORS),
    list<Chat>('/chats', { state: 'active' }, MAX_VISITORS),
    list<Operator>('/operators', {}, MAX_OPERATORS),
  ]);
  return changed(EMPTY, [
    ...[...online, ...waiting, ...chatting].map((row): Change => ({ type: 'visitor', row })),
    ...[...queued, ...active].map((row): Change => ({ type: 'chat', row })),
    ...operators.map((row): Change => ({ type: 'operator', username: row.username, row })),
  ]);
}

const keyOf = (change: Change): string =>
  `${change.type} ${change.type === 'operator' ? change.username : change.type === 'chat' ? change.row.visitor : change.row.key}`;

/** Whether the same question may be answered a moment later. */
const isTransient = ({ status }: ApiError): boolean =>
  status === 0 || status === 429 || status >= 500;

/** Follows a tenant until the signal ends it. */
function followTenant(
  tenant: string,
  signal: AbortSignal,
  set: (change: (before: LiveBoard) => LiveBoard) => void,
): void {
  /** The last change of each row that is not drawn yet. */
  const pending = new Map<string, Change>();
  /** A time to draw is set. */
  let isDrawing = false;
  /** Rows are on their way; changes wait for them. */
  let querying = false;
  let queriedAt = Number.NEGATIVE_INFINITY;

  function taken(): Change[] {
    const changes = [...pending.values()];
    pending.clear();
    return changes;
  }

  function draw(): void {
    isDrawing = false;
    if (querying || signal.aborted) return;
    const changes = taken();
    set((before) => ({ ...before, board: changed(before.board, changes) }));
  }

  async function query(position: string | null): Promise<void> {
    if (querying) return;
    querying = true;
    for (let attempt = 0; !signal.aborted; attempt += 1) {
      await pause(queriedAt + QUERY_EVERY_MS - performance.now(), signal);
      queriedAt = performance.now();
      try {
        const board = await rowsOf(tenant, position, signal);
        const changes = taken();
        set(() => ({
          board: changed(board, changes),
          loading: false,
          state: 'live',
          detail: '',
          error: null,
        }));
        break;
      } catch (error) {
        if (signal.aborted) return;
        const problem = asApiError(error);
        set((before) => ({ ...before, loading: false, error: problem }));
        if (!isTransient(problem)) break;
        await pause(retryDelay(attempt, Math.random()), signal);
      }
    }
    querying = false;
  }

  void follow({
    path: `/v1/${encodeURIComponent(tenant)}/stream?types=visitor,chat,operator`,
    signal,
    onState: (state, detail) =>
      set((before) =>
        before.state === state && before.detail === detail ? before : { ...before, state, detail },
      ),
    onEvents(events) {
      for (const { type, data } of events) {
        if (type === 'hello' || type === 'reset') {
          // As the API's document says of these events.
          const start = JSON.parse(data) as { position?: string | null; resumed?: boolean };
          // A connection that went on where the last one stopped has missed nothing.
          if (type === 'reset' || !start.resumed) void query(start.position ?? null);
          continue;
        }
        const change = changeOf(type, data);
        if (change) pending.set(keyOf(change), change);
      }
      if (pending.size === 0 || isDrawing) return;
      isDrawing = true;
      setTimeout(draw, DRAW_EVERY_MS);
    },
  });
}

export function useBoard(tenant: string): LiveBoard {
  const [live, setLive] = useState<LiveBoard>(NOTHING);
  const isSeen = useIsSeen();
  useEffect(() => {
    if (!isSeen) return;
    const controller = new AbortController();
    setLive((before) => ({ ...before, state: 'connecting' }));
    followTenant(tenant, controller.signal, (change) => {
      if (!controller.signal.aborted) setLive(change);
    });
    return () => controller.abort();
  }, [tenant, isSeen]);
  return live;
}

/** False when the tab has been hidden for a while. */
function useIsSeen(): boolean {
  const [isSeen, setIsSeen] = useState(true);
  useEffect(() => {
    let timer: number | undefined;
    function look(): void {
      window.clearTimeout(timer);
      if (document.hidden) timer = window.setTimeout(() => setIsSeen(false), HIDDEN_MS);
      else setIsSeen(true);
    }
    document.addEventListener('visibilitychange', look);
    return () => {
      window.clearTimeout(timer);
      document.removeEventListener('visibilitychange', look);
    };
  }, []);
  return isSeen;
}
