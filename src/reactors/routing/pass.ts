/**
 * One pass over a tenant's waiting chats, the oldest first. Picks are made one after the other, each counting those
 * before it; what follows of a pick is done side by side, as long as there are places enough for every older chat whose
 * operator may still refuse: none of them waits because a younger one was quicker. The operator's stream has the last
 * word about its places.
 */
import { setImmediate as breathe } from 'node:timers/promises';
import type { TenantId, Username } from '../../actors/ids.ts';
import {
  claimsOf,
  type Pick,
  type Policy,
  type Rule,
  selectOperators,
} from '../../actors/selection.ts';
import type { TenantSettings } from '../../actors/tenant/machine.ts';
import { isActorFailure, isRejected, messageOf } from '../../errors.ts';
import type { Actors } from '../../runtime/ports.ts';
import { createPools, type Pool } from './pool.ts';
import type { Rounds } from './rounds.ts';
import { termsOf, unlessRefused } from './settle.ts';
import type { RoutingTables, Unanswered, Waiting } from './tables.ts';

/** Operators that refuse one after the other before the chat waits for the next pass. */
const MOST_REFUSALS = 20;
/** Chats that are given at the same moment. */
const AT_ONCE = 32;
/** Chats that are looked at before others have their turn. */
const BREATHE_EVERY = 100;
/** A chat that everybody missed is offered to the same again after so many offer times, one more each time. */
const MOST_PAUSES = 10;

export interface PassOptions {
  readonly actors: Actors;
  readonly tables: RoutingTables;
  readonly rounds: Rounds;
  readonly now: () => number;
  readonly newId: () => string;
  readonly random: () => number;
  /** Whether this process routes for the tenant still. */
  readonly isOurs: (tenant: TenantId) => boolean;
  readonly afterReserve: (chatId: string) => Promise<void>;
}

const NOBODY_ASKED: ReadonlyMap<Username, number> = new Map();

type Choice = Omit<Pick, 'again'>;

/** @returns the pass: gives what waits, and takes back what was offered to somebody who left */
export function createPass(options: PassOptions): (tenant: TenantSettings) => Promise<void> {
  const { actors, tables, rounds, now, newId, random, isOurs } = options;
  const pools = createPools(actors);

  const ownOf = ({ routing }: TenantSettings, department: string | null) =>
    department === null ? undefined : routing.departments[department];
  const policyOf = (tenant: TenantSettings, department: string | null): Policy =>
    ownOf(tenant, department)?.policy ?? tenant.routing.policy;
  const broadcasts = ({ routing }: TenantSettings): boolean =>
    [routing, ...Object.values(routing.departments)].some(({ policy }) => policy === 'broadcast');

  function ruleOf(tenant: TenantSettings, department: string | null): Rule {
    const policy = policyOf(tenant, department);
    const lastPicked = policy === 'round-robin' ? rounds.last(tenant.id, department) : null;
    const departmentCapacity = ownOf(tenant, department)?.capacity ?? null;
    return { policy, departmentCapacity, lastPicked, random: random() };
  }

  /** Nobody to be asked now, or those who missed it have not had their pause yet. */
  function isForLater(tenant: TenantSettings, chat: Waiting, pool: Pool): boolean {
    const found = pool.look(chat, policyOf(tenant, chat.department));
    if (found !== 'none') return found === 'later';
    return chat.offered.length > 0 || inPause(tenant, chat);
  }

  /** Whom to ask now; null: nobody. */
  async function choose(tenant: TenantSettings, chat: Waiting, pool: Pool): Promise<Choice | null> {
    const { department } = chat;
    if (isForLater(tenant, chat, pool)) return null;
    for (let moved = 0; ; moved++) {
      const pick = selectOperators(pool.candidates(chat), chat, ruleOf(tenant, department));
      if (!pick || (pick.again && inPause(tenant, chat))) return null;
      // Of a broadcast nobody's place is taken: who answers has it.
      if (pick.reason === 'broadcast') {
        pool.ask(pick.operators);
        return pick;
      }
      const [operator] = pick.operators;
      if (moved < MOST_REFUSALS && !(await pool.confirm(operator))) continue;
      pool.hold(operator, department, now());
      if (pick.reason === 'round-robin') rounds.picked(tenant.id, department, operator);
      return pick;
    }
  }

  function inPause({ offerTimeout }: TenantSettings, { misses, freeSince }: Waiting): boolean {
    const pauses = Math.min(Math.max(misses, 1), MOST_PAUSES);
    return now() < freeSince + pauses * offerTimeout * 1000;
  }

  /** The table lags behind the streams: the chat as it is now, where nobody has it still. */
  async function stillWaits(tenant: TenantId, chat: Waiting): Promise<Waiting | null> {
    const context = (await actors.visitor(tenant, chat.visitor).state())?.context;
    if (context?.chat?.id !== chat.chatId || context.chat.operator !== null) return null;
    const { invitedBy, handed } = context.chat;
    const known = claimsOf(handed !== null, { invitedBy, lastOperator: context.lastOperator });
    return { ...chat, ...context.chat, ...known };
  }

  async function assign(
    tenant: TenantSettings,
    { visitor, chatId, department }: Waiting,
    { reason, considered }: Choice,
    operator: Username,
    reservation: string,
  ): Promise<void> {
    const held = { reservation, visitor, chatId };
    const choice = { operator, reservation, reason, considered };
    try {
      await actors.visitor(tenant.id, visitor).send({ type: 'AssignChat', chatId, ...choice });
    } catch (error) {
      if (!isRejected(error)) throw error;
      // It was closed, or somebody answered it first.
      const why = messageOf(error);
      await actors
        .operator(tenant.id, operator)
        .send({ type: 'ReleaseChat', ...held, reason: why });
      return;
    }
    const taken = { ...held, ...termsOf(tenant, department) };
    await unlessRefused(actors.operator(tenant.id, operator).send({ type: 'TakeChat', ...taken }));
  }

  /**
   * Gives the chat to whom was picked, or to the next where his stream refuses.
   * @param placed told when it has its place, or gets none
   */
  async function give(
    tenant: TenantSettings,
    chat: Waiting,
    first: Choice,
    pool: Pool,
    placed: () => void,
  ): Promise<void> {
    const { visitor, chatId, department } = chat;
    let pick: Choice | null = first;
    for (let refusals = 0; pick && refusals < MOST_REFUSALS; refusals++) {
      const { operators, reason, considered } = pick;
      if (reason === 'broadcast') {
        const offer = { type: 'OfferChat', chatId, operators, reason, considered } as const;
        await unlessRefused(actors.visitor(tenant.id, visitor).send(offer));
        break;
      }
      const [operator] = operators;
      const reservation = newId();
      const { departmentCapacity } = ruleOf(tenant, department);
      const held = { reservation, visitor, chatId, ...termsOf(tenant, department) };
      const reserve = { type: 'ReserveChat', ...held, departmentCapacity } as const;
      const reserved = await unlessRefused(actors.operator(tenant.id, operator).send(reserve));
      await pool.settle(operator, reserved);
      if (reserved) {
        placed();
        await options.afterReserve(chatId);
        await assign(tenant, chat, pick, operator, reservation);
        return;
      }
      pick = isOurs(tenant.id) ? await choose(tenant, chat, pool) : null;
    }
    placed();
  }

  async function giveAll(tenant: TenantSettings, pool: Pool): Promise<void> {
    const { id } = tenant;
    const giving = new Set<Promise<void>>();
    /** Chats that have no place yet, which their operator may refuse. */
    const unplaced = new Map<Waiting, Promise<void>>();
    const failures: unknown[] = [];
    const mayGoOn = () => isOurs(id) && failures.length === 0 && pool.free().operators.length > 0;
    const isScarce = () =>
      unplaced.keys().some((older) => !pool.hasPlaces(older, unplaced.size + 1));

    async function consider(waiting: Waiting): Promise<void> {
      if (isForLater(tenant, waiting, pool)) return; // most of a long queue ends here: no visitor is loaded for it
      const chat = await stillWaits(id, waiting);
      const pick = chat && (await choose(tenant, chat, pool));
      if (!chat || !pick) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      unplaced.set(chat, promise);
      const placed = (): void => {
        unplaced.delete(chat);
        resolve();
      };
      const given = give(tenant, chat, pick, pool, placed)
        .catch((error: unknown) => {
          if (!isActorFailure(error)) failures.push(error);
        })
        .finally(() => {
          placed();
          giving.delete(given);
        });
      giving.add(given);
    }

    let looked = 0;
    // Page by page: chats that nobody here may have must not hide those behind them.
    for (let last: Waiting | undefined; mayGoOn(); ) {
      const page = tables.waiting(id, pool.free(), last);
      for (const waiting of page) {
        while (isScarce()) await Promise.race(unplaced.values());
        while (giving.size >= AT_ONCE) await Promise.race(giving);
        if (!mayGoOn()) break;
        await consider(waiting).catch((error: unknown) => {
          if (!isActorFailure(error)) failures.push(error);
        });
        if (++looked % BREATHE_EVERY === 0) await breathe();
      }
      last = page.at(-1);
      if (!last) break;
    }
    await Promise.all(giving);
    if (failures.length > 0) throw failures[0];
  }

  /** Who was asked and went offline is not waited for, where somebody else is free. */
  async function takeBack(
    tenant: TenantSettings,
    { operator, ...asked }: Unanswered,
    pool: Pool,
  ): Promise<void> {
    const { chatId, visitor } = asked;
    const passed = [...asked.passed, operator];
    if (pool.look({ ...asked, passed }, policyOf(tenant, asked.department)) !== 'fresh') return;
    const rule = ruleOf(tenant, asked.department);
    const pick = selectOperators(pool.candidates(asked), { ...asked, passed }, rule);
    if (!pick || pick.again) return;
    // Refused as nothing to do, should he have it no more; answered by now, it is his.
    const chat = (await actors.visitor(tenant.id, visitor).state())?.context.chat;
    if (chat?.id !== chatId || chat.operator !== operator || chat.accepted) return;
    const unassign = { type: 'UnassignChat', chatId, operator, reason: 'offline' } as const;
    await unlessRefused(actors.visitor(tenant.id, visitor).send(unassign));
  }

  return async (tenant) => {
    const unanswered = tables.unanswered(tenant.id);
    const waiting = tables.anyWaiting(tenant.id);
    if (!waiting && unanswered.length === 0) return;
    const counts = broadcasts(tenant) ? tables.asked(tenant.id) : NOBODY_ASKED;
    const pool = await pools.open(tenant.id, tables.operators(tenant.id), counts);
    if (pool.free().operators.length === 0) return;
    for (const asked of unanswered) {
      if (!isOurs(tenant.id)) return;
      await takeBack(tenant, asked, pool).catch((error: unknown) => {
        if (!isActorFailure(error)) throw error;
      });
    }
    if (waiting) await giveAll(tenant, pool);
  };
}
