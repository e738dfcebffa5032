/** Invariants of routing: of the log at any time, of both sides of a chat at rest, and of the tables. */
import { operatorFact, visitorFact } from '../../../src/actors/facts.ts';
import type { Username } from '../../../src/actors/ids.ts';
import { emptyCore, evolve } from '../../../src/actors/machine/decider.ts';
import { load, operatorDecider, operatorState } from '../../../src/actors/operator/decisions.ts';
import { visitorDecider, visitorState } from '../../../src/actors/visitor/decisions.ts';
import { username } from '../../support/names.ts';
import { OPERATORS, type RoutingSettings, type Scene, TIMES, VISITORS } from './scene.ts';

type Departments = Readonly<Record<string, { capacity?: number; policy?: string }>>;
/** The settings of a department, if it has any. */
const ownOf = ({ departments }: { departments: Departments }, department: string | null) =>
  departments[department ?? ''];
const boundOf = (settings: RoutingSettings, department: string | null): number =>
  ownOf(settings, department)?.capacity ?? Number.POSITIVE_INFINITY;
const policyOf = (settings: RoutingSettings, department: string | null): string =>
  ownOf(settings, department)?.policy ?? settings.policy;

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
        if (
          reason === 'least-loaded' &&
          first.some(({ chats }) => chats < (first[0]?.chats ?? 0))
        ) {
          faults.push(`${operator} had more than others`);
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
    const able = [...operators].filter(
      ([, { availability, context }]) =>
        context.registered &&
        availability === 'available' &&
        load(context) < context.capacity &&
        Object.values(context.chats).filter(({ department }) => department === chat.department)
          .length < boundOf(settings, chat.department),
    );
    const ofDepartment = (name: Username) => {
      const departments = operators.get(name)?.context.departments ?? [];
      return (
        chat.department === null ||
        departments.length === 0 ||
        departments.includes(chat.department)
      );
    };
    // Who answered another chat of the visitor belongs to this one only within its department.
    const isLast = (name: Username) =>
      chat.lastOperator === name && (chat.answered || ofDepartment(name));
    const isKnown = (name: Username) =>
      chat.transferredBy === name ||
      (!chat.departmentTransfer && (chat.invitedBy === name || isLast(name)));
    const belongs = (name: Username) =>
      isKnown(name) && chat.offeredTo.length === 0 && !chat.passedBy.includes(name);
    const serves = ([name]: (typeof able)[number]) => ofDepartment(name) || belongs(name);
    const isBroadcast = policyOf(settings, chat.department) === 'broadcast';
    const free = able
      .filter(serves)
      .filter(
        ([name, { context }]) =>
          !isBroadcast ||
          belongs(name) ||
          load(context) + (asked.get(name) ?? 0) < context.capacity,
      )
      .map(([name]) => name);
    const fresh = free.filter((name) => ![...chat.passedBy, ...chat.offeredTo].includes(name));
    const pauses = Math.min(Math.max(chat.misses, 1), 10);
    const paused = scene.rig().now() < chat.freeSince + pauses * TIMES.offerTimeout * 1000;
    if (fresh.length > 0) pending.push(`${chat.id} waits while ${fresh} could have it`);
    else if (free.length > 0 && chat.offeredTo.length === 0 && !paused && !chat.left) {
      pending.push(`${chat.id} waits while ${free} could be asked again`);
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
