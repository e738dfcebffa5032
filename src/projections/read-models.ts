/**
 * What the rest of the service asks the read models. Each question is answered where the rows are, usually in another
 * thread (src/service/read-thread), so all answers are promises. {@link createReadModels} answers beside the rows.
 */
import type { TenantId } from '../actors/ids.ts';
import type { EventStore, Position } from '../eventstore/port.ts';
import { type ChangeFeed, createChangeFeed } from './change-feed.ts';
import type { ChatFilter, ChatOfVisitor, ChatView } from './chat-queries.ts';
import type { DepartmentFilter, DepartmentView } from './department-queries.ts';
import type { Page, PageRequest } from './list.ts';
import type { MessageFilter, MessageView } from './message-queries.ts';
import type { OperatorFilter, OperatorView } from './operator-queries.ts';
import type { BuildView, Projections } from './projections.ts';
import type { QueuedChat, QueueFilter } from './queue-queries.ts';
import { scanForPage } from './scan.ts';
import type { FoundItem } from './search-hits.ts';
import type { DocumentKind } from './search-index.ts';
import type { SearchFilter } from './search-queries.ts';
import { computeStatistics, type Statistics } from './statistics.ts';
import type { Range } from './stats-queries.ts';
import type { FactRef, StreamFilter, StreamView } from './stream-queries.ts';
import type { VisitorFilter, VisitorView } from './visitor-queries.ts';

/** Operators who are available, and how many more chats fit their capacity. */
export interface FreePlaces {
  readonly operators: number;
  readonly places: number;
}

export type FoundAnywhere = FoundItem & { readonly tenant: TenantId };

/** How long a search through several tenants goes on to the next one. */
export const ANYWHERE_MS = 2_000;

/** Queries reject with {@link AppError} `unavailable` while the rows that they read are being built. */
export interface ReadModels {
  readonly visitors: {
    /** @throws {AppError} `invalid` for a cursor of another list or another order */
    list(filter: VisitorFilter): Promise<Page<VisitorView>>;
    get(tenant: string, key: string): Promise<VisitorView | null>;
  };
  readonly messages: {
    /** The messages of a visitor, the oldest first; null for an unknown visitor. @throws {AppError} `invalid` for a cursor of another list */
    list(filter: MessageFilter): Promise<Page<MessageView> | null>;
  };
  readonly operators: {
    /** @throws {AppError} `invalid` for a cursor of another list */
    list(filter: OperatorFilter): Promise<Page<OperatorView>>;
    /** @returns null if the operator is not registered */
    get(tenant: string, username: string): Promise<OperatorView | null>;
    /** The sum over these tenants. */
    free(tenants: readonly TenantId[]): Promise<FreePlaces>;
  };
  readonly chats: {
    /** @throws {AppError} `invalid` for a cursor of another list or another order */
    list(filter: ChatFilter): Promise<Page<ChatView>>;
    get(tenant: string, chatId: string, visitor?: string): Promise<ChatView | null>;
    /** The chats with this id of these tenants, the newest of each visitor. */
    withId(tenants: readonly string[], chatId: string): Promise<readonly ChatOfVisitor[]>;
  };
  readonly queue: {
    list(filter: QueueFilter): Promise<Page<QueuedChat>>;
  };
  readonly stats: {
    of(range: Range): Promise<Statistics>;
  };
  readonly departments: {
    list(filter: DepartmentFilter): Promise<readonly DepartmentView[]>;
  };
  readonly search: {
    /** Messages or visitors with all of these words. @throws {AppError} `invalid` for a cursor of another list */
    find(filter: SearchFilter): Promise<Page<FoundItem>>;
    /**
     * The same of several tenants, the newest first. After {@link ANYWHERE_MS} the rest of the tenants is left out.
     * @param limit items at most
     */
    anywhere(
      tenants: readonly TenantId[],
      wish: { readonly q: string; readonly in: DocumentKind; readonly limit: number },
    ): Promise<readonly FoundAnywhere[]>;
  };
  /** For the debugger: all tenants' streams. */
  readonly streams: {
    /** @throws {AppError} `invalid` for a cursor of another list */
    list(filter: StreamFilter): Promise<Page<StreamView>>;
    /** Those of these streams that the index has, by their exact names. */
    named(streams: readonly string[]): Promise<readonly StreamView[]>;
    /**
     * The facts with this id: their own, or that of their command, their request (correlation id) or their trace. They are
     * in the order of the log. A fact that was cut off or deleted a moment ago may still be named.
     * @param limit facts at most; default `MAX_FACTS_OF_ID` (stream-queries.ts)
     */
    factsOf(id: string, limit?: number): Promise<readonly FactRef[]>;
  };
  readonly changes: ChangeFeed;
  /**
   * Waits for complete rows, at most `readyMs`, and then for rows that contain everything up to a position, at most
   * `waitMs`.
   * @returns the position of the rows; null without complete rows
   * @throws {AppError} `timeout`; `invalid` for a position of another store
   */
  reach(position: Position | null, readyMs: number, waitMs: number): Promise<Position | null>;
  /** @returns 0 when live; otherwise the age of the last applied event in ms */
  lag(): Promise<number>;
  /** The build that queries read, and the one that will replace it. */
  builds(): Promise<{ readonly current: BuildView | null; readonly next: BuildView | null }>;
  /**
   * Builds the same rows again beside the current ones. If a build is catching up already, this starts no other.
   * @throws {AppError} `unavailable` if the read models are not following the log
   */
  rebuild(): Promise<void>;
  /** Resolves if the log is being followed. @throws {AppError} `unavailable` with the failure */
  check(): Promise<void>;
  /** Resolves if no build is catching up. @throws {AppError} `unavailable` with its progress */
  settled(): Promise<void>;
}

/** Answers in this thread. */
export function createReadModels(options: {
  readonly projections: Projections;
  readonly store: Pick<EventStore, 'readAll' | 'head' | 'compare'>;
  /** ms since 1970 */
  readonly now: () => number;
}): ReadModels {
  const { projections } = options;
  return {
    visitors: {
      list: (filter) =>
        scanForPage(filter, (page) => projections.visitors.list({ ...filter, ...page })),
      get: async (tenant, key) => projections.visitors.get(tenant, key),
    },
    messages: {
      list: async (filter) =>
        projections.visitors.get(filter.tenant, filter.visitor) &&
        projections.messages.list(filter),
    },
    operators: {
      list: async (filter) => projections.operators.list(filter),
      get: async (tenant, username) => projections.operators.get(tenant, username),
      free: async (tenants) => sumOfFree(tenants.map((id) => projections.operators.free(id))),
    },
    chats: {
      list: (filter) =>
        scanForPage(filter, (page) => projections.chats.list({ ...filter, ...page })),
      get: async (tenant, chatId, visitor) => projections.chats.get(tenant, chatId, visitor),
      withId: async (tenants, chatId) => projections.chats.withId(tenants, chatId),
    },
    queue: { list: async (filter) => projections.queue.list(filter) },
    stats: { of: (range) => computeStatistics(() => projections.stats, range) },
    departments: { list: async (filter) => projections.departments.list(filter) },
    search: {
      find: (filter) =>
        scanForPage(filter, (page) => projections.search.portion({ ...filter, ...page })),
      anywhere: (tenants, wish) => searchAnywhere(projections, tenants, wish),
    },
    streams: {
      list: (filter) =>
        scanForPage(filter, (page) => projections.streams.list({ ...filter, ...page })),
      named: async (streams) => projections.streams.named(streams),
      factsOf: async (id, limit) => projections.streams.factsOf(id, limit),
    },
    changes: createChangeFeed(options),
    reach: async (position, readyMs, waitMs) => {
      await projections.ready(readyMs);
      if (position !== null) await projections.waitFor(position, waitMs);
      return projections.position();
    },
    lag: async () => projections.lag(),
    builds: async () => projections.builds(),
    rebuild: async () => projections.rebuild(),
    check: () => projections.check(),
    settled: () => projections.settled(),
  };
}

const sumOfFree = (all: readonly FreePlaces[]): FreePlaces => ({
  operators: all.reduce((sum, { operators }) => sum + operators, 0),
  places: all.reduce((sum, { places }) => sum + places, 0),
});

async function searchAnywhere(
  projections: Projections,
  tenants: readonly TenantId[],
  { q, in: kind, limit }: Parameters<ReadModels['search']['anywhere']>[1],
): Promise<FoundAnywhere[]> {
  const end = performance.now() + ANYWHERE_MS;
  const found: FoundAnywhere[] = [];
  for (const tenant of tenants) {
    const page = (request: PageRequest) =>
      projections.search.portion({ tenant, in: kind, q, ...request });
    const { items } = await scanForPage({ limit, tenant }, page);
    found.push(...items.map((item) => ({ ...item, tenant })));
    if (performance.now() > end) break;
  }
  return found.toSorted((a, b) => b.at - a.at).slice(0, limit);
}
