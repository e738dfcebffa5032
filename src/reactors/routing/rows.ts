/** What each fact does to the tables of routing. */
import type { DatabaseSync } from 'node:sqlite';
import { operatorFact, visitorFact } from '../../actors/facts.ts';
import { actorOf, type TenantId, type Username } from '../../actors/ids.ts';
import type { Change, OperatorFact } from '../../actors/operator/machine.ts';
import { PASSES, passedBy } from '../../actors/visitor/changes.ts';
import type { VisitorFact } from '../../actors/visitor/facts.ts';
import type { RecordedEvent } from '../../eventstore/port.ts';
import { SAME } from './schema.ts';

/** Prepares its statements; the result is called for every fact. */
export function applyToRouting(file: DatabaseSync): (event: RecordedEvent) => void {
  const ofVisitor = applyToChats(file);
  const ofOperator = applyToOperators(file);
  const compare = applyToUnsettled(file);
  return (event) => {
    const actor = actorOf(event.stream);
    if (!actor || actor.kind === 'tenant') return;
    const visitor = visitorFact(event);
    const operator = operatorFact(event);
    const { at } = event.metadata;
    if (visitor && ofVisitor(actor.tenant, actor.name, visitor, at)) {
      compare(actor.tenant, actor.name);
    }
    if (operator) {
      for (const each of ofOperator(actor.tenant, actor.name, operator, at)) {
        compare(actor.tenant, each);
      }
    }
  };
}

/** Notes whether the two sides say the same of this visitor's chat. */
function applyToUnsettled(file: DatabaseSync) {
  const disagree = file.prepare(
    `SELECT EXISTS (SELECT 1 FROM chats_of_visitors v
         WHERE v.tenant = ?1 AND v.visitor = ?2 AND v.operator IS NOT NULL
         AND NOT EXISTS (SELECT 1 FROM chats_of_operators o WHERE o.open = 1 AND ${SAME}))
       OR EXISTS (SELECT 1 FROM chats_of_operators o INDEXED BY chats_by_visitor
         WHERE o.tenant = ?1 AND o.visitor = ?2 AND (o.open = 0 OR NOT EXISTS
         (SELECT 1 FROM chats_of_visitors v WHERE ${SAME}))) AS found`,
  );
  const note = file.prepare('INSERT OR IGNORE INTO unsettled VALUES (?, ?)');
  const drop = file.prepare('DELETE FROM unsettled WHERE tenant = ? AND visitor = ?');
  return (tenant: TenantId, visitor: string): void => {
    const found = disagree.get(tenant, visitor)?.found === 1;
    (found ? note : drop).run(tenant, visitor);
  };
}

/** The result says whether the fact is about the chat. Kept as the visitor's machine has it (a test holds them equal). */
function applyToChats(file: DatabaseSync) {
  const start = file.prepare(
    `INSERT OR REPLACE INTO chats_of_visitors
     (tenant, visitor, chat, department, invited_by, last_operator, offered, passed, misses,
       free_since, since, accepted, handed) VALUES (?, ?, ?, ?, ?, ?, '[]', '[]', 0, ?, ?, 0, 0)`,
  );
  const known = file.prepare(
    'SELECT offered, passed FROM chats_of_visitors WHERE tenant = ? AND visitor = ?',
  );
  const change = (columns: string) =>
    file.prepare(`UPDATE chats_of_visitors SET ${columns} WHERE tenant = ? AND visitor = ?`);
  const offer = change('offered = ?');
  const assign = change(`operator = ?, reservation = ?, accepted = 0, offered = '[]'`);
  const accept = change(
    `accepted = 1, last_operator = operator, offered = '[]', misses = 0, transferred_by = NULL, handed = 0,
     passed = (SELECT json_group_array(value) FROM json_each(passed) WHERE value <> operator)`,
  );
  const pass = change('offered = ?, passed = ?');
  const unassign = change(
    `operator = NULL, reservation = NULL, accepted = 0, offered = '[]', passed = ?,
     misses = misses + ?, free_since = ?`,
  );
  const transfer = change(
    `operator = ?, reservation = ?, accepted = 0, offered = '[]', passed = ?, misses = 0,
     free_since = ?, department = ifnull(?, department), transferred_by = ?, handed = ?`,
  );
  const close = file.prepare('DELETE FROM chats_of_visitors WHERE tenant = ? AND visitor = ?');
  // Who is asked has a row, registered or not: a chat of nobody's must be found by way of him.
  const meet = file.prepare(
    'INSERT OR IGNORE INTO operators (tenant, username, offline, gone) VALUES (?, ?, 1, 0)',
  );
  const round = file.prepare(
    `INSERT OR REPLACE INTO rounds
     SELECT tenant, ifnull(department, ''), ? FROM chats_of_visitors WHERE tenant = ? AND visitor = ?`,
  );
  function askedIn(tenant: TenantId, visitor: string) {
    const row = known.get(tenant, visitor);
    const list = (json: unknown) => JSON.parse(String(json ?? '[]')) as Username[]; // as written here
    return { offered: list(row?.offered), passed: list(row?.passed) };
  }

  return (tenant: TenantId, visitor: string, fact: VisitorFact, at: number): boolean => {
    switch (fact.type) {
      case 'ChatStarted': {
        const { chatId, department, invitedBy, lastOperator = null } = fact.data;
        start.run(tenant, visitor, chatId, department, invitedBy, lastOperator, at, at);
        return true;
      }
      case 'ChatOffered': {
        const { offered } = askedIn(tenant, visitor);
        offer.run(JSON.stringify([...offered, ...fact.data.operators]), tenant, visitor);
        return true;
      }
      case 'ChatAssigned': {
        const { operator, reservation, reason } = fact.data;
        meet.run(tenant, operator);
        assign.run(operator, reservation, tenant, visitor);
        if (reason === 'round-robin') round.run(operator, tenant, visitor);
        return true;
      }
      case 'ChatAccepted':
        accept.run(tenant, visitor);
        return true;
      case 'ChatUnassigned': {
        const { operators, reason } = fact.data;
        const chat = askedIn(tenant, visitor);
        const left = chat.offered.filter((each) => !operators.includes(each));
        const passes = PASSES.has(reason);
        const passed = JSON.stringify(passes ? passedBy(chat, operators) : chat.passed);
        if (left.length > 0) pass.run(JSON.stringify(left), passed, tenant, visitor);
        else unassign.run(passed, passes ? 1 : 0, at, tenant, visitor);
        return true;
      }
      case 'ChatTransferred': {
        const { operator, reservation, department, from } = fact.data;
        const chat = askedIn(tenant, visitor);
        const passes = from !== null && operator === null;
        const passed = JSON.stringify(passes ? passedBy(chat, [from]) : chat.passed);
        const giver = operator === null ? null : from;
        if (operator !== null) meet.run(tenant, operator);
        const handed = operator === null ? 1 : 0;
        transfer.run(operator, reservation, passed, at, department, giver, handed, tenant, visitor);
        return true;
      }
      case 'ChatClosed':
        close.run(tenant, visitor);
        return true;
      default:
        return false;
    }
  };
}

/** The result names the visitors whose chats the fact is about. */
function applyToOperators(file: DatabaseSync) {
  const hold = file.prepare(
    'INSERT OR REPLACE INTO chats_of_operators VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
  );
  const release = file.prepare(
    'DELETE FROM chats_of_operators WHERE tenant = ? AND operator = ? AND chat = ?',
  );
  const visitorsOf = file.prepare(
    'SELECT visitor FROM chats_of_operators WHERE tenant = ? AND operator = ?',
  );
  const releaseAll = file.prepare(
    'DELETE FROM chats_of_operators WHERE tenant = ? AND operator = ?',
  );
  // Sessions count before an operator is registered.
  const known = (columns: string) =>
    file.prepare(
      `INSERT INTO operators (tenant, username, offline, gone) VALUES (?1, ?2, 1, 0)
       ON CONFLICT DO UPDATE SET ${columns}`,
    );
  const be = file.prepare(
    `INSERT INTO operators (tenant, username, offline, gone) VALUES (?1, ?2, ?3, 0)
     ON CONFLICT DO UPDATE SET offline = excluded.offline, gone = excluded.offline AND gone`,
  );
  const register = file.prepare(
    `INSERT INTO operators (tenant, username, lhc_user, offline, gone) VALUES (?, ?, ?, 1, 0)
     ON CONFLICT DO UPDATE SET lhc_user = excluded.lhc_user`,
  );
  const unregister = known('lhc_user = NULL');
  const go = known('gone = 1');
  const comeBack = known('gone = 0');

  return (tenant: TenantId, username: string, fact: OperatorFact, at: number): string[] => {
    switch (fact.type) {
      case 'ChatReserved':
      case 'ChatTaken': {
        const { chatId, visitor, reservation, department = null } = fact.data;
        const open = fact.type === 'ChatTaken';
        hold.run(tenant, username, chatId, visitor, reservation, department, open ? 1 : 0, at);
        // Given to somebody who is gone: he has the whole time to come back again, as the machine has it.
        if (open) comeBack.run(tenant, username);
        return [visitor];
      }
      case 'ChatReleased':
        release.run(tenant, username, fact.data.chatId);
        return [fact.data.visitor];
      case 'OperatorRegistered':
        register.run(tenant, username, fact.data.lhcUserId);
        return [];
      case 'OperatorRemoved': {
        const visitors = visitorsOf.all(tenant, username).map(({ visitor }) => String(visitor));
        unregister.run(tenant, username);
        releaseAll.run(tenant, username);
        return visitors;
      }
      case 'OperatorGone':
        go.run(tenant, username);
        return [];
      default: {
        const change = availabilityIn(fact);
        if (change) be.run(tenant, username, change.to === 'offline' ? 1 : 0);
        return [];
      }
    }
  };
}

const availabilityIn = ({ data }: OperatorFact): Change | null =>
  'availability' in data ? data.availability : null;
