/**
 * One routing pass of a tenant. A pass first withdraws offers from operators who went offline. Then it gives the waiting
 * chats to operators, the oldest chat first.
 *
 * Picks are sequential: each pick counts the picks before it. The commands of different picks run side by side, but only
 * while there are enough places for every older chat whose reservation may still be refused. So no younger chat takes
 * the place of an older one. The operator's stream has the last word about its places (docs/adr/0016).
 */
import { setImmediate as breathe } from 'node:timers/promises';
import { streamOf, type TenantId, type Username, visitorRef } from '../../actors/ids.ts';
import { isWithin } from '../../actors/machine/timers.ts';
import { type Pick, prospectOf, selectOperators } from '../../actors/operator-selection.ts';
import {
  usesBroadcast,
  usesTierWait,
  withSources,
} from '../../actors/tenant/department-settings.ts';
import type { Tenant } from '../../actors/tenant/tenant.ts';
import { isActorFailure, isRejected, messageOf } from '../../errors.ts';
import { causedBy, type FactPlace } from '../../runtime/cause.ts';
import type { Actors } from '../../runtime/ports.ts';
import { createDepartments, type Departments } from './departments.ts';
import { createPools, type Pool, type Pools } from './pool.ts';
import { chatTerms, tryCommand } from './repair.ts';
import type { RoundRobin } from './round-robin-position.ts';
import {
  type RoutableChat,
  type RoutingTables,
  routableChat,
  type WaitingChat,
} from './table-queries.ts';
import { tellWaitingVisitors } from './visitor-notices.ts';
import { withdraw } from './withdrawal.ts';

/** A chat that was refused as often waits for the next pass. */
export const REFUSALS_PER_CHAT = 20;
/** Chats that are given to operators at the same time. */
export const ASSIGNMENTS_AT_ONCE = 32;
/** After so many chats a pass lets other work of the process run. */
const CHATS_PER_TURN = 100;
/**
 * A chat that every free operator missed pauses before the same operators are asked again: one offer time for each miss
 * in a row, and never more offer times than this.
 */
export const OFFER_PAUSES_MAX = 10;

export interface PassOptions {
  readonly actors: Actors;
  readonly tables: RoutingTables;
  readonly roundRobin: RoundRobin;
  readonly now: () => number;
  readonly newId: () => string;
  readonly random: () => number;
  /** True if this process still routes for the tenant. */
  readonly isOurs: (tenant: TenantId) => boolean;
  readonly afterReserve: (chatId: string) => Promise<void>;
  /** Whether ejabberd has a session of this operator. @throws when it cannot be asked */
  readonly isOnline: (tenant: TenantId, username: Username) => Promise<boolean>;
}

/** What the functions of one pass share. */
interface Pass extends PassOptions {
  readonly tenant: Tenant;
  readonly pool: Pool;
  readonly departments: Departments;
}

type Choice = Omit<Pick, 'again'>;

/** The assignments of a pass that are under way. */
interface Assignments {
  readonly running: Set<Promise<void>>;
  /** Chats that have no place yet, because their operator may still refuse. */
  readonly unplaced: Map<WaitingChat, Promise<void>>;
  /** Errors that end the pass. */
  readonly failures: unknown[];
}

function isPausing({ tenant, now }: Pass, { misses, freeSince, left }: WaitingChat): boolean {
  if (left) return true; // until the visitor is back
  const pauses = Math.min(Math.max(misses, 1), OFFER_PAUSES_MAX);
  return isWithin(pauses * tenant.offerTimeout * 1000, freeSince, now());
}

/** True if nobody can be asked about this chat now. Most chats of a long queue end here, without a visitor loaded. */
function mustWait(pass: Pass, chat: WaitingChat): boolean {
  const { departments } = pass;
  // Who read that nobody answers now, and has gone, is asked about when they are back.
  if (chat.left && chat.notified === 'closed') return true;
  if (departments.isCrowded(chat)) return true;
  const terms = departments.termsOf(chat.department);
  const prospect = prospectOf(departments.candidates(chat), chat, terms);
  if (prospect !== 'again') return prospect === 'none';
  return chat.offeredTo.length > 0 || isPausing(pass, chat);
}

/** Picks operators for a chat and counts the chat as theirs; null if nobody can be asked now. */
async function choose(pass: Pass, chat: WaitingChat): Promise<Choice | null> {
  const { tenant, pool, roundRobin, departments, now } = pass;
  const { department } = chat;
  if (mustWait(pass, chat)) return null;
  for (let moves = 0; ; moves++) {
    const rule = departments.ruleOf(department);
    const pick = selectOperators(departments.candidates(chat), chat, rule);
    if (!pick || (pick.again && isPausing(pass, chat))) return null;
    // A broadcast takes no place before somebody answers.
    if (pick.reason === 'broadcast') {
      pool.addOffer(pick.operators);
      if (chat.offeredTo.length === 0) departments.addBroadcast(department);
      return pick;
    }
    const [operator] = pick.operators;
    if (moves < REFUSALS_PER_CHAT && !(await pool.isCurrent(operator))) continue;
    pool.addChat(operator, department, now());
    if (pick.reason === 'round-robin') roundRobin.record(tenant.id, department, operator);
    return pick;
  }
}

/** The chat as the visitor's stream has it; null if it does not wait any more. The table lags behind the stream. */
async function currentChat(
  { actors, tenant }: Pass,
  chat: WaitingChat,
): Promise<WaitingChat | null> {
  const current = (await actors.visitor(tenant.id, chat.visitor).state())?.context.chat;
  if (current?.id !== chat.chatId || current.operator !== null || current.inLhc) return null;
  return routableChat(chat.visitor, current);
}

async function offer(
  { actors, tenant }: Pass,
  { visitor, chatId, search }: WaitingChat,
  { operators, reason, considered }: Choice,
): Promise<void> {
  const command = { type: 'OfferChat', chatId, search, operators, reason, considered } as const;
  await tryCommand(actors.visitor(tenant.id, visitor).send(command));
}

/** @returns false if the operator's stream refused */
async function reserve(
  pass: Pass,
  { visitor, chatId, department }: WaitingChat,
  operator: Username,
  reservation: string,
): Promise<boolean> {
  const { actors, tenant, pool, departments } = pass;
  const { departmentCapacity } = departments.termsOf(department);
  const terms = { ...chatTerms(tenant, department), departmentCapacity };
  const command = { type: 'ReserveChat', reservation, visitor, chatId, ...terms } as const;
  const reserved = await tryCommand(actors.operator(tenant.id, operator).send(command));
  await pool.afterReservation(operator, reserved);
  return reserved;
}

/** Assigns a chat whose place is reserved, and confirms the assignment on the operator's stream. */
async function assign(
  { actors, tenant }: Pass,
  { visitor, chatId, search, department }: WaitingChat,
  { reason, considered }: Choice,
  operator: Username,
  reservation: string,
): Promise<void> {
  const choice = { search, operator, reservation, reason, considered };
  try {
    await actors.visitor(tenant.id, visitor).send({ type: 'AssignChat', chatId, ...choice });
  } catch (error) {
    if (!isRejected(error)) throw error;
    // The chat was closed or moved to another department, or another operator answered it first.
    const why = messageOf(error);
    const release = { type: 'ReleaseChat', reservation, visitor, chatId, reason: why } as const;
    await actors.operator(tenant.id, operator).send(release);
    return;
  }
  const terms = chatTerms(tenant, department);
  const confirm = { type: 'ConfirmChat', reservation, visitor, chatId, ...terms } as const;
  await tryCommand(actors.operator(tenant.id, operator).send(confirm));
}

/**
 * Gives the chat to the operator who was picked, or to the next one if the operator's stream refuses.
 * @param onPlaced called when the chat has its place, or gets none in this pass
 */
async function give(
  pass: Pass,
  chat: WaitingChat,
  firstPick: Choice,
  onPlaced: () => void,
): Promise<void> {
  const { tenant, newId, isOurs, afterReserve } = pass;
  let pick: Choice | null = firstPick;
  for (let refusals = 0; pick && refusals < REFUSALS_PER_CHAT; refusals++) {
    if (pick.reason === 'broadcast') {
      await offer(pass, chat, pick);
      break;
    }
    const [operator] = pick.operators;
    const reservation = newId();
    if (await reserve(pass, chat, operator, reservation)) {
      onPlaced();
      await afterReserve(chat.chatId);
      return assign(pass, chat, pick, operator, reservation);
    }
    pick = isOurs(tenant.id) ? await choose(pass, chat) : null;
  }
  onPlaced();
}

/** The fact that the chat waits since. Whatever routing does for it is caused by this. */
const roundOf = (tenant: TenantId, { visitor, search }: WaitingChat): FactPlace => ({
  stream: streamOf(visitorRef(tenant, visitor)),
  revision: search,
});

/** An actor that fails does not end the pass; every other error does. */
function noteFailure({ failures }: Assignments, error: unknown): void {
  if (!isActorFailure(error)) failures.push(error);
}

function start(pass: Pass, assignments: Assignments, chat: WaitingChat, pick: Choice): void {
  const { running, unplaced } = assignments;
  const { promise, resolve } = Promise.withResolvers<void>();
  unplaced.set(chat, promise);
  const onPlaced = (): void => {
    unplaced.delete(chat);
    resolve();
  };
  const assignment = causedBy(roundOf(pass.tenant.id, chat), () => give(pass, chat, pick, onPlaced))
    .catch((error: unknown) => noteFailure(assignments, error))
    .finally(() => {
      onPlaced();
      running.delete(assignment);
    });
  running.add(assignment);
}

/**
 * Moves a chat that has waited too long to the next department in which somebody can be asked now. While there is none, the
 * chat keeps its place.
 * @returns true if it has moved
 */
async function overflow(pass: Pass, chat: WaitingChat): Promise<boolean> {
  const { actors, tenant, departments, pool, now } = pass;
  const { visitor, chatId, search } = chat;
  if (chat.left || chat.offeredTo.length > 0) return false;
  for (const department of departments.overflows(chat)) {
    const there = { ...chat, department, waitsSince: now() };
    const { serving } = departments.candidates(there);
    const terms = departments.termsOf(department);
    const canAsk = prospectOf({ serving, claimants: [] }, there, terms) === 'fresh';
    if (!canAsk || departments.isCrowded(there) || !pool.hasPlaces(there, terms, 1)) continue;
    const command = { type: 'OverflowChat', chatId, search, department } as const;
    return tryCommand(actors.visitor(tenant.id, visitor).send(command));
  }
  return false;
}

async function consider(pass: Pass, assignments: Assignments, waiting: WaitingChat): Promise<void> {
  if (mustWait(pass, waiting) && !(await overflow(pass, waiting))) return;
  const chat = await currentChat(pass, waiting);
  const pick = chat && (await choose(pass, chat));
  if (chat && pick) start(pass, assignments, chat, pick);
}

/** True if an older chat that has no place yet might find none after a refusal. */
const isScarce = ({ pool, departments }: Pass, { unplaced }: Assignments): boolean =>
  unplaced
    .keys()
    .some(
      (older) => !pool.hasPlaces(older, departments.termsOf(older.department), unplaced.size + 1),
    );

async function giveAll(pass: Pass): Promise<void> {
  const { tenant, tables, pool, departments, isOurs } = pass;
  const assignments: Assignments = { running: new Set(), unplaced: new Map(), failures: [] };
  const { running, unplaced, failures } = assignments;
  const goesOn = (): boolean =>
    isOurs(tenant.id) && failures.length === 0 && pool.free().operators.length > 0;
  let looks = 0;
  // By pages: chats that no free operator may answer must not hide the chats behind them.
  for (let last: WaitingChat | undefined; goesOn(); ) {
    const free = pool.free();
    const places = { ...free, departments: withSources(tenant.routing, free.departments) };
    const page = tables.waiting(tenant.id, places, departments.closed, last);
    for (const waiting of page) {
      while (isScarce(pass, assignments)) await Promise.race(unplaced.values());
      while (running.size >= ASSIGNMENTS_AT_ONCE) await Promise.race(running);
      if (!goesOn()) break;
      await consider(pass, assignments, waiting).catch((error: unknown) =>
        noteFailure(assignments, error),
      );
      if (++looks % CHATS_PER_TURN === 0) await breathe();
    }
    last = page.at(-1);
    if (!last) break;
  }
  await Promise.all(running);
  if (failures.length > 0) throw failures[0];
}

async function run(options: PassOptions, pools: Pools, tenant: Tenant): Promise<void> {
  const { tables, isOurs } = options;
  const unanswered = tables.unanswered(tenant.id);
  const isAnyWaiting = tables.isAnyWaiting(tenant.id);
  if (!isAnyWaiting && unanswered.length === 0) return;
  const { routing } = tenant;
  const offers: ReadonlyMap<Username, number> = usesBroadcast(routing)
    ? tables.offersByOperator(tenant.id)
    : new Map();
  const operators = tables.operators(tenant.id);
  const pool = await pools.open(tenant.id, operators, offers, usesTierWait(routing));
  const departments = createDepartments({ ...options, tenant, pool, now: options.now() });
  const pass: Pass = { ...options, tenant, pool, departments };
  const forChat = async (chat: RoutableChat, work: () => Promise<void>): Promise<void> => {
    if (!isOurs(tenant.id)) return;
    await causedBy(roundOf(tenant.id, chat), work).catch((error: unknown) => {
      if (!isActorFailure(error)) throw error;
    });
  };
  if (pool.free().operators.length > 0) {
    for (const chat of unanswered) await forChat(chat, () => withdraw(pass, chat));
    if (isAnyWaiting) await giveAll(pass);
  }
  if (isAnyWaiting) await tellWaitingVisitors({ ...pass, forChat });
}

/** @returns runs one pass for a tenant; rejects if the store or another part that every chat needs is away */
export function createPass(options: PassOptions): (tenant: Tenant) => Promise<void> {
  const pools = createPools(options.actors);
  return (tenant) => run(options, pools, tenant);
}
