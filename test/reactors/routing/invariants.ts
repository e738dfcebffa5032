/** Invariants of routing: of the log at any time, of both sides of a chat at rest, and of the tables. */
import { operatorFact, visitorFact } from '../../../src/actors/facts.ts';
import type { Username } from '../../../src/actors/ids.ts';
import { emptyCore, evolve } from '../../../src/actors/machine/decider.ts';
import { load, operatorDecider, operatorState } from '../../../src/actors/operator/decisions.ts';
import { visitorDecider, visitorState } from '../../../src/actors/visitor/decisions.ts';
import { username } from '../../support/names.ts';
import { OPENS_AT, OPERATORS, type RoutingSettings, type Scene, TIMES, VISITORS } from './scene.ts';

interface Department {
  readonly capacity?: number;
  readonly policy?: string;
  readonly maxChats?: number;
  readonly language?: { readonly wait: number };
  readonly overflow?: { readonly to: string; readonly after: number };
  readonly hours?: object;
}
type Departments = Readonly<Record<string, Department>>;
/** The settings of a department, if it has any. */
const ownOf = ({ departments }: { departments: Departments }, department: string | null) =>
  departments[department ?? ''];
const boundOf = (settings: RoutingSettings, department: string | null): number =>
  ownOf(settings, department)?.capacity ?? Number.POSITIVE_INFINITY;
const policyOf = (settings: RoutingSettings, department: string | null): string =>
  ownOf(settings, department)?.policy ?? settings.policy;

/** True if it is open at a time, ms since 1970. */
const isOpen = (settings: RoutingSettings, department: string | null, at: number): boolean =>
  !ownOf(settings, department)?.hours || at >= OPENS_AT;
/** For so long only operators who speak the visitor's language are asked, in ms. */
const languageWait = (settings: RoutingSettings, department: string | null): number =>
  (ownOf(settings, department)?.language?.wait ?? 0) * 1000;

/** Reservations beyond a limit, and picks that do not fit their recorded reason. */
export async function faultsOfLog(scene: Scene, settings: RoutingSettings): Promise<string[]> {
  const faults: string[] = [];
  for (const name of OPERATORS) {
    let core = emptyCore(operatorDecider);
    for (const event of await scene.rig().facts(`operator-acme.${name}`)) {
      const fact = operatorFact(event);
      if (fact?.type === 'ChatReserved') {
        const { availability, context } = operatorState(core);
        const { department = null, reservation } = fact.data;
        const ofIt = Object.values(context.chats).filter((chat) => chat.department === department);
        if (load(context) >= context.capacity) faults.push(`${name} has more chats than places`);
        if (availability !== 'available') faults.push(`${name} got a chat while ${availability}`);
        if (!reservation.startsWith('transfer:') && ofIt.length >= boundOf(settings, department)) {
          faults.push(`${name} has more chats of ${department} than allowed`);
        }
      }
      core = evolve(operatorDecider.machine, core, event, event.metadata.at);
    }
  }
  for (const key of VISITORS) {
    let core = emptyCore(visitorDecider);
    for (const event of await scene.rig().facts(`visitor-acme.${key}`)) {
      const fact = visitorFact(event);
      const { chat } = visitorState(core).context;
      if (fact?.type === 'ChatAssigned' && fact.data.reservation !== null && chat) {
        const { operator, considered, reason } = fact.data;
        const first = considered?.first ?? [];
        const others = first.map((each) => each.operator);
        if (chat.operator !== null)
          faults.push(`${chat.id} was assigned while ${chat.operator} had it`);
        if (chat.inLhc) faults.push(`${chat.id} was assigned while somebody in LHC had it`);
        if (first[0]?.operator !== operator) faults.push(`${operator} was not first in the list`);
        if (
          chat.passedBy.includes(operator) &&
          others.some((each) => !chat.passedBy.includes(each))
        ) {
          faults.push(`${operator} was asked again while others were free`);
        }
        const policy = policyOf(settings, chat.department);
        if (!['invited', 'last-served', 'handed-back', policy].includes(reason)) {
          faults.push(`${chat.id} was assigned by ${reason}, not by ${policy}`);
        }
        const { at } = event.metadata;
        const rankOf = ({ tier = 1, speaks }: (typeof first)[number]) =>
          2 * tier + (speaks ? 0 : 1);
        const [rank, ...ranks] = first.map(rankOf);
        if (reason === policy && ranks.some((each) => each < (rank ?? 0))) {
          faults.push(
            `${operator} was asked before an earlier tier, or before who speaks ${chat.language}`,
          );
        }
        if (
          reason === 'least-loaded' &&
          first.some((each) => rankOf(each) === rank && each.chats < (first[0]?.chats ?? 0))
        ) {
          faults.push(`${operator} had more than others`);
        }
        const isForSpeakers =
          chat.language !== null && at - chat.waitsSince < languageWait(settings, chat.department);
        if (reason === policy && isForSpeakers && !first[0]?.speaks) {
          faults.push(`${operator} was asked, and does not speak ${chat.language}`);
        }
        if (reason === policy && !isOpen(settings, chat.department, at)) {
          faults.push(`${chat.id} was assigned while ${chat.department} was closed`);
        }
      }
      if (fact?.type === 'ChatTransferred' && fact.data.by === 'overflow' && chat) {
        const waited = event.metadata.at - chat.waitsSince;
        const { overflow } = ownOf(settings, chat.department) ?? {};
        if (overflow?.to !== fact.data.department) faults.push(`${chat.id} went to nowhere`);
        if (waited < (overflow?.after ?? 0) * 1000) faults.push(`${chat.id} went on too early`);
        if (chat.overflowed.includes(fact.data.department ?? ''))
          faults.push(`${chat.id} went back`);
        if (!isOpen(settings, fact.data.department, event.metadata.at)) {
          faults.push(`${chat.id} went to a closed department`);
        }
      }
      if (fact?.type === 'VisitorNotified' && chat) {
        if (chat.notified) faults.push(`the visitor of ${chat.id} was told twice`);
        if (isOpen(settings, chat.department, event.metadata.at)) {
          faults.push(`the visitor of ${chat.id} was told that it is closed, and it is open`);
        }
      }
      if (
        fact?.type === 'ChatOffered' &&
        policyOf(settings, chat?.department ?? null) !== 'broadcast'
      ) {
        faults.push(`${chat?.id} was broadcast`);
      }
      core = evolve(visitorDecider.machine, core, event, event.metadata.at);
    }
  }
  return faults;
}

/** What routing still has to do. At rest there is nothing. */
export async function pendingWork(scene: Scene, settings: RoutingSettings): Promise<string[]> {
  const pending: string[] = [];
  const operators = new Map<Username, ReturnType<typeof operatorState>>();
  for (const name of OPERATORS) {
    const core = await scene.operatorOf(name);
    if (core) operators.set(username(name), core);
  }
  // How many broadcast chats each operator is asked about.
  const asked = new Map<Username, number>();
  for (const key of VISITORS) {
    for (const name of (await scene.chatOf(key))?.offeredTo ?? []) {
      asked.set(name, (asked.get(name) ?? 0) + 1);
    }
  }
  const broadcasts = new Map<string | null, number>();
  for (const key of VISITORS) {
    const chat = await scene.chatOf(key);
    if (!chat || chat.operator !== null || chat.offeredTo.length === 0) continue;
    broadcasts.set(chat.department, (broadcasts.get(chat.department) ?? 0) + 1);
  }
  const owned = new Map<string, string>();
  for (const key of VISITORS) {
    const chat = await scene.chatOf(key);
    if (!chat || chat.inLhc) continue;
    if (chat.operator !== null) {
      owned.set(`${chat.operator} ${chat.id}`, chat.reservation ?? '');
      const owner = operators.get(chat.operator)?.context;
      if (!owner?.registered || owner.gone)
        pending.push(`${chat.id} belongs to ${chat.operator}, who stays away`);
      continue;
    }
    const now = scene.rig().now();
    type Operator = readonly [Username, ReturnType<typeof operatorState>];
    const all: readonly Operator[] = [...operators];
    const isThere = ([, { availability, context }]: Operator) =>
      context.registered && availability === 'available';
    const isAble = (each: Operator, department: string | null) =>
      isThere(each) &&
      load(each[1].context) < each[1].context.capacity &&
      Object.values(each[1].context.chats).filter((of) => of.department === department).length <
        boundOf(settings, department);
    const ofDepartment = ([, { context }]: Operator, department: string | null) =>
      department === null ||
      context.departments.length === 0 ||
      context.departments.includes(department);
    // Who answered another chat of the visitor belongs to this one only within its department.
    const isLast = (each: Operator) =>
      chat.lastOperator === each[0] &&
      (chat.answered ||
        (isOpen(settings, chat.department, now) && ofDepartment(each, chat.department)));
    const isKnown = (each: Operator) =>
      chat.transferredBy === each[0] ||
      (!chat.departmentTransfer && (chat.invitedBy === each[0] || isLast(each)));
    const belongs = (each: Operator) =>
      isKnown(each) && chat.offeredTo.length === 0 && !chat.passedBy.includes(each[0]);
    const speaks = ([, { context }]: Operator) =>
      chat.language !== null && context.languages.includes(chat.language);
    const hasRoom = ([name, { context }]: Operator, department: string | null) =>
      policyOf(settings, department) !== 'broadcast' ||
      load(context) + (asked.get(name) ?? 0) < context.capacity;
    const isCrowded = (department: string | null) => {
      const ofIt = all.flatMap(([, { context }]) =>
        context.registered
          ? Object.values(context.chats).filter((of) => of.department === department)
          : [],
      );
      const most = ownOf(settings, department)?.maxChats ?? Number.POSITIVE_INFINITY;
      const offered = broadcasts.get(department) ?? 0;
      return chat.offeredTo.length === 0 && ofIt.length + offered >= most;
    };
    /** Who could be asked for this chat in a department in which it waits since then. */
    const whoCanBeAsked = (department: string | null, since: number) => {
      const understood = all.filter(
        (each) =>
          ofDepartment(each, department) &&
          (chat.language === null ||
            speaks(each) ||
            now - since >= languageWait(settings, department)),
      );
      const free = understood.filter(
        (each) => isAble(each, department) && hasRoom(each, department),
      );
      const isNew = ([name]: Operator) => ![...chat.passedBy, ...chat.offeredTo].includes(name);
      const tierOf = ([, { context }]: Operator) => context.tier;
      const hasTurn = (each: Operator) => {
        const full = understood.filter(
          (other) => isThere(other) && isNew(other) && !free.includes(other),
        );
        const before = new Set(full.map(tierOf).filter((tier) => tier < tierOf(each)));
        return now - since >= before.size * settings.tierWait * 1000;
      };
      const rankOf = (each: Operator) => 2 * tierOf(each) + (speaks(each) ? 0 : 1);
      const askedRank = Math.min(
        ...understood
          .filter(
            (each) =>
              chat.offeredTo.includes(each[0]) &&
              isThere(each) &&
              load(each[1].context) < each[1].context.capacity,
          )
          .map(rankOf),
      );
      const isOpenOffer = chat.offeredTo.length > 0;
      const fresh = free
        .filter(isNew)
        .filter((each) => hasTurn(each) && (!isOpenOffer || rankOf(each) <= askedRank));
      const again = free.some(isNew) || isOpenOffer ? [] : free;
      return { fresh, again };
    };
    const isGone = chat.left && chat.notified === 'closed';
    const known = all.filter((each) => belongs(each) && isAble(each, chat.department));
    const { fresh, again } = isOpen(settings, chat.department, now)
      ? whoCanBeAsked(chat.department, chat.waitsSince)
      : { fresh: [], again: [] };
    const pauses = Math.min(Math.max(chat.misses, 1), 10);
    const paused = now < chat.freeSince + pauses * TIMES.offerTimeout * 1000;
    const mayBeGiven = !isCrowded(chat.department) && !isGone;
    const names = (some: readonly Operator[]) => some.map(([name]) => name);
    if (mayBeGiven && known.length + fresh.length > 0) {
      pending.push(`${chat.id} waits while ${names([...known, ...fresh])} could have it`);
    } else if (mayBeGiven && again.length > 0 && !paused && !chat.left) {
      pending.push(`${chat.id} waits while ${names(again)} could be asked again`);
    } else if (chat.offeredTo.length === 0 && !chat.left) {
      const { overflow } = ownOf(settings, chat.department) ?? {};
      const isDue =
        overflow &&
        now - chat.waitsSince >= overflow.after * 1000 &&
        !chat.overflowed.includes(overflow.to) &&
        isOpen(settings, overflow.to, now);
      if (isDue && !isCrowded(overflow.to) && whoCanBeAsked(overflow.to, now).fresh.length > 0) {
        pending.push(`${chat.id} waits while somebody in ${overflow.to} could have it`);
      }
    }
    if (
      !isOpen(settings, chat.department, now) &&
      chat.notified === null &&
      chat.offeredTo.length === 0
    ) {
      pending.push(`the visitor of ${chat.id} does not know that it is closed`);
    }
  }
  const held = new Map<string, string>();
  for (const [name, { context }] of operators) {
    for (const [chatId, { open, reservation }] of Object.entries(context.chats)) {
      if (open) held.set(`${name} ${chatId}`, reservation ?? '');
      else pending.push(`${name} has ${chatId} reserved`);
    }
  }
  for (const [pair, reservation] of owned) {
    if (held.get(pair) !== reservation) pending.push(`${pair} is not confirmed`);
  }
  for (const pair of held.keys()) if (!owned.has(pair)) pending.push(`${pair} is not released`);
  return pending;
}

/** The rows that the folded actors call for. */
export async function expectedRows(scene: Scene) {
  const visitors: unknown[] = [];
  for (const visitor of VISITORS) {
    const chat = await scene.chatOf(visitor);
    if (!chat) continue;
    visitors.push({
      tenant: 'acme',
      visitor,
      life: chat,
      chat: chat.id,
      department: chat.department,
      invited_by: chat.invitedBy,
      last_operator: chat.lastOperator,
      transferred_by: chat.transferredBy,
      offered: JSON.stringify(chat.offeredTo),
      since: chat.startedAt,
      operator: chat.operator,
      reservation: chat.reservation,
      accepted: chat.accepted ? 1 : 0,
      rests: chat.left && chat.passedBy.length > 0 ? 1 : 0,
      told: chat.notified === null ? 0 : 1,
      left_alone: chat.byLhc || chat.inLhc ? 1 : 0,
    });
  }
  const operators: unknown[] = [];
  const chats: unknown[] = [];
  for (const username of OPERATORS) {
    const core = await scene.operatorOf(username);
    if (!core) continue;
    const { availability, context } = core;
    operators.push({
      tenant: 'acme',
      username,
      registered: context.registered ? 1 : 0,
      offline: availability === 'offline' ? 1 : 0,
      gone: context.gone ? 1 : 0,
    });
    for (const [chat, of] of Object.entries(context.chats).toSorted()) {
      chats.push({
        tenant: 'acme',
        operator: username,
        chat,
        visitor: of.visitor,
        reservation: of.reservation,
        department: of.department,
        open: of.open ? 1 : 0,
        at: of.at,
      });
    }
  }
  return { visitors, operators, chats };
}

/** The rows as they are. An operator who is only named in a chat has a row but no facts. */
export function rowsOf(scene: Scene) {
  const all = (sql: string) =>
    scene
      .rig()
      .workFile.prepare(sql)
      .all()
      .map((row) => ({ ...row }));
  return {
    visitors: all('SELECT * FROM chats_of_visitors ORDER BY visitor').map((row) => ({
      ...row,
      life: JSON.parse(String(row.life)),
    })),
    // Without the times of sessions, which the machine does not have.
    operators: all(
      'SELECT tenant, username, registered, offline, gone FROM operators ORDER BY username',
    ),
    chats: all('SELECT * FROM chats_of_operators ORDER BY operator, chat'),
  };
}
