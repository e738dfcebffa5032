/** What each fact does to the tables of routing. */
import type { DatabaseSync } from 'node:sqlite';
import { operatorFact, visitorFact } from '../actors/facts.ts';
import { actorOf, type TenantId } from '../actors/ids.ts';
import type { Change, OperatorFact } from '../actors/operator.ts';
import type { VisitorFact } from '../actors/visitor-facts.ts';
import type { RecordedEvent } from '../eventstore/port.ts';

/** Prepares its statements; the result is called for every fact. */
export function applyToRouting(file: DatabaseSync): (event: RecordedEvent) => void {
  const ofVisitor = applyToChats(file);
  const ofOperator = applyToOperators(file);
  return (event) => {
    const actor = actorOf(event.stream);
    if (!actor || actor.kind === 'tenant') return;
    const visitor = visitorFact(event);
    const operator = operatorFact(event);
    const { at } = event.metadata;
    if (visitor) ofVisitor(actor.tenant, actor.name, visitor, at);
    if (operator) ofOperator(actor.tenant, actor.name, operator, at);
  };
}

function applyToChats(file: DatabaseSync) {
  const start = file.prepare(
    `INSERT OR REPLACE INTO chats_of_visitors
     (tenant, visitor, chat, department, invited_by, last_operator, since, accepted)
     VALUES (?, ?, ?, ?, ?, ?, ?, 0)`,
  );
  const assign = file.prepare(
    `UPDATE chats_of_visitors SET operator = ?, reservation = ?, accepted = 0
     WHERE tenant = ? AND visitor = ?`,
  );
  const accept = file.prepare(
    `UPDATE chats_of_visitors SET accepted = 1, last_operator = operator
     WHERE tenant = ? AND visitor = ?`,
  );
  const unassign = file.prepare(
    `UPDATE chats_of_visitors SET operator = NULL, reservation = NULL, accepted = 0
     WHERE tenant = ? AND visitor = ? AND operator IN (SELECT value FROM json_each(?))`,
  );
  const transfer = file.prepare(
    `UPDATE chats_of_visitors SET operator = ?, reservation = ?, accepted = 0,
       department = ifnull(?, department), transferred_by = ?
     WHERE tenant = ? AND visitor = ?`,
  );
  const close = file.prepare('DELETE FROM chats_of_visitors WHERE tenant = ? AND visitor = ?');
  const round = file.prepare(
    `INSERT OR REPLACE INTO rounds
     SELECT tenant, ifnull(department, ''), ? FROM chats_of_visitors WHERE tenant = ? AND visitor = ?`,
  );

  return (tenant: TenantId, visitor: string, fact: VisitorFact, at: number): void => {
    switch (fact.type) {
      case 'ChatStarted': {
        const { chatId, department, invitedBy, lastOperator = null } = fact.data;
        start.run(tenant, visitor, chatId, department, invitedBy, lastOperator, at);
        return;
      }
      case 'ChatAssigned': {
        const { operator, reservation, reason } = fact.data;
        assign.run(operator, reservation, tenant, visitor);
        if (reason === 'round-robin') round.run(operator, tenant, visitor);
        return;
      }
      case 'ChatAccepted':
        accept.run(tenant, visitor);
        return;
      case 'ChatUnassigned':
        unassign.run(tenant, visitor, JSON.stringify(fact.data.operators));
        return;
      case 'ChatTransferred': {
        const { operator, reservation, department, from } = fact.data;
        const giver = operator === null ? null : from;
        transfer.run(operator, reservation, department, giver, tenant, visitor);
        return;
      }
      case 'ChatClosed':
        close.run(tenant, visitor);
        return;
    }
  };
}

function applyToOperators(file: DatabaseSync) {
  const hold = file.prepare(
    'INSERT OR REPLACE INTO chats_of_operators VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
  );
  const release = file.prepare(
    'DELETE FROM chats_of_operators WHERE tenant = ? AND operator = ? AND chat = ?',
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

  return (tenant: TenantId, username: string, fact: OperatorFact, at: number): void => {
    switch (fact.type) {
      case 'ChatReserved':
      case 'ChatTaken': {
        const { chatId, visitor, reservation, department = null } = fact.data;
        const open = fact.type === 'ChatTaken';
        hold.run(tenant, username, chatId, visitor, reservation, department, open ? 1 : 0, at);
        // Given to somebody who is gone: he has the whole time to come back again, as the machine has it.
        if (open) comeBack.run(tenant, username);
        return;
      }
      case 'ChatReleased':
        release.run(tenant, username, fact.data.chatId);
        return;
      case 'OperatorRegistered':
        register.run(tenant, username, fact.data.lhcUserId);
        return;
      case 'OperatorRemoved':
        unregister.run(tenant, username);
        releaseAll.run(tenant, username);
        return;
      case 'OperatorGone':
        go.run(tenant, username);
        return;
      default: {
        const change = availabilityIn(fact);
        if (change) be.run(tenant, username, change.to === 'offline' ? 1 : 0);
      }
    }
  };
}

const availabilityIn = ({ data }: OperatorFact): Change | null =>
  'availability' in data ? data.availability : null;
