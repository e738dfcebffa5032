/**
 * Chats to operators. A chat is reserved on the operator's stream, assigned on the visitor's, confirmed on the
 * operator's; tables of both sides, folded from the log, show what is waiting and where the two disagree, so that a
 * crash between two steps is mended by the next sweep and no wake-up is lost.
 *
 * In a pass the picks are made one after the other, the oldest chat first, each counting those before it; what follows
 * of them is done side by side. The operator's stream has the last word about its places.
 */
import type { DatabaseSync } from 'node:sqlite';
import type { Logger } from 'pino';
import { type TenantId, type Username, visitorRef } from '../actors/ids.ts';
import { type Pick, selectOperators } from '../actors/selection.ts';
import type { TenantSettings } from '../actors/tenant.ts';
import type { TenantDirectory } from '../actors/tenant-directory.ts';
import { visitorState } from '../actors/visitor-decisions.ts';
import type { Chat } from '../actors/visitor-facts.ts';
import { messageOf } from '../errors.ts';
import type { ActorHost } from '../runtime/host.ts';
import { type Ownership, partitionOf } from '../runtime/ownership.ts';
import { Semaphore } from '../runtime/semaphore.ts';
import type { WorkPart } from '../runtime/work.ts';
import { createPool, type Pool } from './routing-pool.ts';
import { type Commands, isRefusal, settle, termsOf, unlessRefused } from './routing-settle.ts';
import { createRoutingTables, type Waiting } from './routing-tables.ts';
import { createTransfer, type Transfer } from './transfer.ts';

const SWEEP_EVERY_MS = 3_000;
/** Operators that refuse one after the other before the chat waits for the next sweep. */
const MOST_REFUSALS = 20;
/** Chats that are given at the same moment; their picks are made in order all the same. */
const AT_ONCE = 32;
/** A chat that everybody missed is offered to the same again after so many offer times, one more each time. */
const MOST_PAUSES = 10;

export interface Routing {
  readonly part: WorkPart;
  readonly transfer: Transfer;
  start(): void;
  stop(): Promise<void>;
  /** Registered operators of a tenant, as the log has them. */
  operators(tenant: TenantId): readonly Username[];
  /** Who has this LHC user id. */
  operatorOfLhcUser(tenant: TenantId, lhcUserId: number): Username | null;
  waiting(): number;
  /** How long the oldest chat that nobody has waits, in ms; 0 when none does. */
  longestWait(): number;
}

export function createRouting(options: {
  db: DatabaseSync;
  host: ActorHost;
  tenants: TenantDirectory;
  ownership: Ownership;
  now: () => number;
  newId: () => string;
  random: () => number;
  logger: Logger;
  /** Called between reservation and assignment: a failpoint of tests. */
  afterReserve?: (chatId: string) => Promise<void>;
}): Routing {
  const { db, host, tenants, ownership, now, newId, random, logger } = options;
  const tables = createRoutingTables(db, (tenant) => wake(tenant));
  const dirty = new Set<TenantId>();
  const passes = new Map<TenantId, Promise<void>>();
  /** Where each round goes on, newer than the table; only while this process routes for the tenant. */
  const rounds = new Map<string, string>();
  let sweep: NodeJS.Timeout | undefined;
  let started = false;
  /** Whether this process routes for a tenant now. */
  const isOurs = (tenant: TenantId): boolean => started && ownership.owns(partitionOf(tenant));
  const automatic = () => ({ commandId: `auto:${newId()}` });

  const commands: Commands = {
    visitor: (tenant, name, command) =>
      host.dispatch(tenant, { kind: 'visitor', name, command }, automatic()),
    operator: (tenant, name, command) =>
      host.dispatch(tenant, { kind: 'operator', name, command }, automatic()),
  };

  function ruleOf({ id, routing }: TenantSettings, department: string | null) {
    const own = department === null ? undefined : routing.departments[department];
    const policy = own?.policy ?? routing.policy;
    const round = rounds.get(`${id} ${department ?? ''}`);
    const lastPicked =
      policy === 'round-robin' ? (round ?? tables.lastPicked(id, department)) : null;
    return { policy, departmentCapacity: own?.capacity ?? null, lastPicked, random: random() };
  }

  /** Whom to ask now; null: nobody, or those who missed it have not had their pause yet. */
  function choose(
    tenant: TenantSettings,
    waiting: Waiting,
    chat: Chat,
    last: string | null,
    pool: Pool,
  ) {
    const { department, invitedBy, transferredBy, offered, passed } = chat;
    const sought = { department, invitedBy, transferredBy, offered, passed, lastOperator: last };
    const pick = selectOperators(pool.candidates(), sought, ruleOf(tenant, department));
    if (!pick) return null;
    const pauses = Math.min(Math.max(chat.misses, 1), MOST_PAUSES);
    if (pick.again && now() < chat.freeSince + pauses * tenant.offerTimeout * 1000) return null;
    if (pick.reason === 'broadcast') return pick;
    const [operator] = pick.operators;
    pool.hold(operator, department, now());
    if (pick.reason === 'round-robin') {
      rounds.set(`${waiting.tenant} ${department ?? ''}`, operator);
    }
    return pick;
  }

  /** The table lags behind the streams: the chat, where nobody has it still. */
  async function stillWaits({ tenant, visitor, chatId }: Waiting) {
    const state = await host.load(visitorRef(tenant, visitor));
    const context = state && visitorState(state.core).context;
    const { chat = null } = context ?? {};
    if (!context || chat?.id !== chatId || chat.operator !== null) return null;
    return { chat, lastOperator: context.lastOperator };
  }

  /** Gives the chat to whom was picked, or to the next where his stream refuses. */
  async function give(
    tenant: TenantSettings,
    waiting: Waiting,
    { chat, lastOperator }: { chat: Chat; lastOperator: string | null },
    first: Pick,
    pool: Pool,
  ): Promise<void> {
    const { visitor, chatId } = waiting;
    const { department } = chat;
    let pick: Pick | null = first;
    for (let refusals = 0; pick && refusals < MOST_REFUSALS; refusals++) {
      const { operators, reason, considered } = pick;
      if (reason === 'broadcast') {
        const offer = { type: 'OfferChat', chatId, operators, reason, considered } as const;
        await unlessRefused(commands.visitor(tenant.id, visitor, offer));
        return;
      }
      // Names in facts were parsed when they came in.
      const operator = operators[0] as Username;
      const reservation = newId();
      const held = { reservation, visitor, chatId, ...termsOf(tenant, department) };
      const { departmentCapacity } = ruleOf(tenant, department);
      const reserve = { type: 'ReserveChat', ...held, departmentCapacity } as const;
      if (await unlessRefused(commands.operator(tenant.id, operator, reserve))) {
        await options.afterReserve?.(chatId);
        await assign(tenant, waiting, { operator, reservation, reason, considered, department });
        return;
      }
      await pool.refresh(operator);
      pick = choose(tenant, waiting, chat, lastOperator, pool);
    }
  }

  async function assign(
    tenant: TenantSettings,
    { visitor, chatId }: Waiting,
    choice: Omit<Pick, 'operators' | 'again'> & {
      operator: Username;
      reservation: string;
      department: string | null;
    },
  ): Promise<void> {
    const { department, ...chosen } = choice;
    const { operator, reservation } = choice;
    const held = { reservation, visitor, chatId };
    try {
      await commands.visitor(tenant.id, visitor, { type: 'AssignChat', chatId, ...chosen });
    } catch (error) {
      if (!isRefusal(error)) throw error;
      // It was closed, or somebody answered it first.
      const reason = messageOf(error);
      await commands.operator(tenant.id, operator, { type: 'ReleaseChat', ...held, reason });
      return;
    }
    const taken = { ...held, ...termsOf(tenant, department) };
    await unlessRefused(commands.operator(tenant.id, operator, { type: 'TakeChat', ...taken }));
  }

  /** Who was asked and went offline is not waited for, where somebody else is free. */
  async function askOthers(tenant: TenantSettings, pool: Pool): Promise<void> {
    for (const { visitor, chatId, operator } of tables.unanswered(tenant.id)) {
      const state = await host.load(visitorRef(tenant.id, visitor));
      const context = state && visitorState(state.core).context;
      const { chat = null } = context ?? {};
      if (!context || chat?.id !== chatId || chat.operator !== operator || chat.accepted) continue;
      const { lastOperator } = context;
      const sought = { ...chat, passed: [...chat.passed, operator], lastOperator };
      const pick = selectOperators(pool.candidates(), sought, ruleOf(tenant, chat.department));
      if (!pick || pick.again) continue;
      const unassign = { type: 'UnassignChat', chatId, operator, reason: 'offline' } as const;
      await unlessRefused(commands.visitor(tenant.id, visitor, unassign));
    }
  }

  async function routeAll(tenant: TenantSettings): Promise<void> {
    const { id } = tenant;
    let pool: Pool | undefined;
    const slots = new Semaphore(AT_ONCE);
    const given: Promise<void>[] = [];
    // Page by page: chats of a department with nobody in it must not hide those behind them.
    for (let last: Waiting | undefined; isOurs(id); ) {
      const page = tables.waiting(id, last);
      for (const waiting of page) {
        pool ??= await createPool(host, id, tables.operators(id));
        if (!isOurs(id)) break;
        if (!pool.mayServe(waiting)) continue;
        const still = await stillWaits(waiting);
        const pick = still && choose(tenant, waiting, still.chat, still.lastOperator, pool);
        if (!still || !pick) continue;
        const at = pool;
        const giving = slots.use(() => give(tenant, waiting, still, pick, at));
        giving.catch(() => undefined); // awaited below; a failed one must not end the process meanwhile
        given.push(giving);
      }
      last = page.at(-1);
      if (!last) break;
    }
    const failed = (await Promise.allSettled(given)).find(({ status }) => status === 'rejected');
    if (failed?.status === 'rejected') throw failed.reason;
    if (tables.unanswered(id).length > 0 && isOurs(id)) {
      await askOthers(tenant, await createPool(host, id, tables.operators(id)));
    }
  }

  async function pass(tenant: TenantSettings): Promise<void> {
    const { id } = tenant;
    do {
      dirty.delete(id);
      try {
        await settle(tenant, { host, tables, commands, now });
        await routeAll(tenant);
      } catch (error) {
        const reason = messageOf(error);
        logger.warn({ tenant: id, reason }, 'routing stumbled; the next sweep goes on');
        return;
      }
    } while (dirty.has(id) && isOurs(id));
  }

  function wake(id: TenantId): void {
    const tenant = tenants.get(id);
    if (!isOurs(id) || !tenant) return;
    dirty.add(id);
    if (passes.has(id)) return;
    passes.set(
      id,
      pass(tenant).finally(() => passes.delete(id)),
    );
  }

  return {
    part: tables.part,
    transfer: createTransfer({ host, tenants, operatorsOf: tables.operators }),
    start() {
      started = true;
      const all = () => {
        for (const tenant of tenants.all()) wake(tenant.id);
      };
      sweep = setInterval(all, SWEEP_EVERY_MS);
      ownership.onChange((_partition, owned) => {
        rounds.clear();
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
    longestWait: () => {
      const since = tables.oldest();
      return since === null ? 0 : Math.max(0, now() - since);
    },
  };
}
