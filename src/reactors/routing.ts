/**
 * Chats to operators. A chat is reserved on the operator's stream, assigned on the visitor's, confirmed on the
 * operator's; tables of both sides, folded from the log, show what is waiting and where the two disagree, so that a
 * crash between two steps is mended by the next sweep and no wake-up is lost.
 */
import type { DatabaseSync } from 'node:sqlite';
import type { Logger } from 'pino';
import {
  operatorRef,
  type TenantId,
  type Username,
  type VisitorKey,
  visitorRef,
} from '../actors/ids.ts';
import { load, type OperatorCommand, operatorState } from '../actors/operator-decisions.ts';
import { type Candidate, selectOperator } from '../actors/selection.ts';
import type { TenantDirectory } from '../actors/tenant-directory.ts';
import { type VisitorCommand, visitorState } from '../actors/visitor-decisions.ts';
import { AppError, messageOf } from '../errors.ts';
import type { ActorHost } from '../runtime/host.ts';
import { type Ownership, partitionOf } from '../runtime/ownership.ts';
import type { WorkPart } from '../runtime/work.ts';
import { createRoutingTables, type Waiting } from './routing-tables.ts';

const SWEEP_EVERY_MS = 3_000;
/** A reservation that was neither assigned nor released by then is settled by asking. */
const RESERVATION_DUE_MS = 10_000;
/** Operators that refuse one after the other before the chat waits for the next sweep. */
const MOST_REFUSALS = 20;

export interface Routing {
  readonly part: WorkPart;
  start(): void;
  stop(): Promise<void>;
  /** Registered operators of a tenant, as the log has them. */
  operators(tenant: TenantId): readonly Username[];
  /** Who has this LHC user id. */
  operatorOfLhcUser(tenant: TenantId, lhcUserId: number): Username | null;
  waiting(): number;
}

export function createRouting(options: {
  db: DatabaseSync;
  host: ActorHost;
  tenants: TenantDirectory;
  ownership: Ownership;
  now: () => number;
  newId: () => string;
  logger: Logger;
  /** Called between reservation and assignment: a failpoint of tests. */
  afterReserve?: (chatId: string) => Promise<void>;
}): Routing {
  const { db, host, tenants, ownership, now, newId, logger } = options;
  const tables = createRoutingTables(db, (tenant) => wake(tenant));
  const dirty = new Set<TenantId>();
  const passes = new Map<TenantId, Promise<void>>();
  let sweep: NodeJS.Timeout | undefined;
  let started = false;
  /** Whether this process routes for a tenant now. */
  const isOurs = (tenant: TenantId): boolean => started && ownership.owns(partitionOf(tenant));

  const commandVisitor = (tenant: TenantId, name: VisitorKey, command: VisitorCommand) =>
    host.dispatch(tenant, { kind: 'visitor', name, command }, { commandId: `auto:${newId()}` });
  const commandOperator = (tenant: TenantId, name: Username, command: OperatorCommand) =>
    host.dispatch(tenant, { kind: 'operator', name, command }, { commandId: `auto:${newId()}` });

  /** Operators who could take a chat now, by their own streams. */
  async function candidates(tenant: TenantId): Promise<Candidate[]> {
    const found: Candidate[] = [];
    for (const username of tables.operators(tenant)) {
      const state = await host.load(operatorRef(tenant, username));
      if (!state) continue;
      const { availability, context } = operatorState(state.core);
      found.push({
        username,
        availability,
        registered: context.registered,
        departments: context.departments,
        capacity: context.capacity,
        load: load(context),
        lastChatAt: context.lastChatAt,
      });
    }
    return found;
  }

  /** The table lags behind the streams: whether the chat still has nobody. */
  async function stillWaits({ tenant, visitor, chatId }: Waiting): Promise<boolean> {
    const state = await host.load(visitorRef(tenant, visitor));
    const chat = state && visitorState(state.core).context.chat;
    return chat?.id === chatId && chat.operator === null;
  }

  async function route(chat: Waiting): Promise<void> {
    const { tenant, visitor, chatId } = chat;
    if (!(await stillWaits(chat))) return;
    let pool = await candidates(tenant);
    for (let refusals = 0; refusals < MOST_REFUSALS; refusals++) {
      const pick = selectOperator(pool, chat);
      if (!pick) return;
      const reservation = newId();
      // Names in facts were parsed when they came in.
      const username = pick.username as Username;
      const held = { reservation, visitor, chatId };
      try {
        await commandOperator(tenant, username, { type: 'ReserveChat', ...held });
      } catch (error) {
        if (!isRefusal(error)) throw error;
        pool = pool.filter((candidate) => candidate.username !== pick.username);
        continue;
      }
      await options.afterReserve?.(chatId);
      await assign(chat, username, reservation, pick.reason);
      return;
    }
  }

  async function assign(
    { tenant, visitor, chatId }: Waiting,
    operator: Username,
    reservation: string,
    reason: string,
  ): Promise<void> {
    const held = { reservation, visitor, chatId };
    try {
      await commandVisitor(tenant, visitor, {
        type: 'AssignChat',
        chatId,
        operator,
        reservation,
        reason,
      });
    } catch (error) {
      if (!isRefusal(error)) throw error;
      // It was closed, or somebody answered it first.
      const why = messageOf(error);
      await commandOperator(tenant, operator, { type: 'ReleaseChat', ...held, reason: why });
      return;
    }
    await commandOperator(tenant, operator, { type: 'TakeChat', ...held });
  }

  /** Where the two sides disagree, the visitor's stream is right. */
  async function settle(tenant: TenantId): Promise<void> {
    for (const { visitor, chatId, operator, reservation } of tables.untaken(tenant)) {
      await unlessRefused(
        commandOperator(tenant, operator, { type: 'TakeChat', reservation, visitor, chatId }),
      );
    }
    for (const { visitor, chatId, operator, reservation } of tables.finished(tenant)) {
      const reason = 'the chat is closed or another operator has it';
      const held = { reservation, visitor, chatId };
      await unlessRefused(
        commandOperator(tenant, operator, { type: 'ReleaseChat', ...held, reason }),
      );
    }
    for (const held of tables.reservedBefore(tenant, now() - RESERVATION_DUE_MS)) {
      const { visitor, chatId, operator, reservation } = held;
      if (reservation === null) continue;
      // Revoked first: an assignment that is still on its way is refused then.
      const revoked = await unlessRefused(
        commandVisitor(tenant, visitor, { type: 'RevokeReservation', reservation }),
      );
      const reason = 'the reservation was not used in time';
      const of = { reservation, visitor, chatId };
      await unlessRefused(
        commandOperator(
          tenant,
          operator,
          revoked ? { type: 'ReleaseChat', ...of, reason } : { type: 'TakeChat', ...of },
        ),
      );
    }
  }

  async function routeAll(tenant: TenantId): Promise<void> {
    // Page by page: chats of a department with nobody in it must not hide those behind them.
    for (let last: Waiting | undefined; isOurs(tenant); ) {
      const page = tables.waiting(tenant, last);
      for (const chat of page) {
        if (isOurs(tenant)) await route(chat);
      }
      last = page.at(-1);
      if (!last) return;
    }
  }

  async function pass(tenant: TenantId): Promise<void> {
    do {
      dirty.delete(tenant);
      try {
        await settle(tenant);
        await routeAll(tenant);
      } catch (error) {
        logger.warn(
          { tenant, reason: messageOf(error) },
          'routing stumbled; the next sweep goes on',
        );
        return;
      }
    } while (dirty.has(tenant) && isOurs(tenant));
  }

  function wake(tenant: TenantId): void {
    if (!isOurs(tenant) || !tenants.get(tenant)) return;
    dirty.add(tenant);
    if (passes.has(tenant)) return;
    passes.set(
      tenant,
      pass(tenant).finally(() => passes.delete(tenant)),
    );
  }

  return {
    part: tables.part,
    start() {
      started = true;
      const all = () => {
        for (const tenant of tenants.all()) wake(tenant.id);
      };
      sweep = setInterval(all, SWEEP_EVERY_MS);
      ownership.onChange((_partition, owned) => {
        if (owned) all();
      });
      ownership.onHandOver(async (partitions) => {
        const handed = [...passes].filter(([tenant]) => partitions.has(partitionOf(tenant)));
        await Promise.all(handed.map(([, pass]) => pass));
      });
      all();
    },
    async stop() {
      started = false;
      clearInterval(sweep);
      await Promise.all(passes.values());
    },
    operators: tables.operators,
    operatorOfLhcUser: tables.operatorOfLhcUser,
    waiting: tables.count,
  };
}

/** The tables lag behind the streams, so a wish may come too late; the next sweep sees what is true then. */
async function unlessRefused(wish: Promise<unknown>): Promise<boolean> {
  try {
    await wish;
    return true;
  } catch (error) {
    if (!isRefusal(error)) throw error;
    return false;
  }
}

const isRefusal = (error: unknown): boolean =>
  error instanceof AppError && (error.code === 'refused' || error.code === 'not-found');
