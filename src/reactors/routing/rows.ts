/** What each fact does to the tables of routing. */
import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import { operatorFact, visitorFact } from '../../actors/facts.ts';
import { actorOf, type TenantId, type Username, type VisitorKey } from '../../actors/ids.ts';
import type { Change, OperatorEvent } from '../../actors/operator/facts.ts';
import { type ChatEvent, chatAfter, isChatEvent } from '../../actors/visitor/chat.ts';
import type { Chat } from '../../actors/visitor/facts.ts';
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
    if (actor.kind === 'visitor') {
      const fact = visitorFact(event);
      if (!fact || !isChatEvent(fact)) return;
      if (ofVisitor(actor.tenant, actor.name, fact)) compare(actor.tenant, actor.name);
      return;
    }
    const fact = operatorFact(event);
    if (!fact) return;
    for (const visitor of ofOperator(actor.tenant, actor.name, fact)) {
      compare(actor.tenant, visitor);
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
  return (tenant: TenantId, visitor: VisitorKey): void => {
    const found = disagree.get(tenant, visitor)?.found === 1;
    (found ? note : drop).run(tenant, visitor);
  };
}

/** The result says whether the two sides may disagree now. */
function applyToChats(file: DatabaseSync) {
  const read = file.prepare('SELECT life FROM chats_of_visitors WHERE tenant = ? AND visitor = ?');
  const write = file.prepare(
    `INSERT OR REPLACE INTO chats_of_visitors
     (tenant, visitor, life, chat, department, invited_by, last_operator, transferred_by, offered, since, operator,
       reservation, accepted) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const remove = file.prepare('DELETE FROM chats_of_visitors WHERE tenant = ? AND visitor = ?');
  // An operator who is asked has a row, registered or not: a chat that nobody can answer is found by way of it.
  const meet = file.prepare(
    'INSERT OR IGNORE INTO operators (tenant, username, offline, gone) VALUES (?, ?, 1, 0)',
  );
  const round = file.prepare('INSERT OR REPLACE INTO rounds VALUES (?, ?, ?)');

  return (tenant: TenantId, visitor: VisitorKey, event: ChatEvent): boolean => {
    const before = lifeIn(read.get(tenant, visitor));
    const after = chatAfter(before, event);
    if (after) write.run(tenant, visitor, JSON.stringify(after), ...columnsOf(after));
    else remove.run(tenant, visitor);
    if (after && after.operator !== null) meet.run(tenant, after.operator);
    if (event.type === 'ChatAssigned' && event.data.reason === 'round-robin') {
      round.run(tenant, after?.department ?? '', event.data.operator);
    }
    return (
      before?.id !== after?.id ||
      before?.operator !== after?.operator ||
      before?.reservation !== after?.reservation
    );
  };
}

// Written as JSON of a chat, above.
const lifeIn = (row: Record<string, unknown> | undefined): Chat | null =>
  row ? (JSON.parse(String(row.life)) as Chat) : null;

/** What queries look at, in the order of the columns. */
const columnsOf = (chat: Chat): SQLInputValue[] => [
  chat.id,
  chat.department,
  chat.invitedBy,
  chat.lastOperator,
  chat.transferredBy,
  JSON.stringify(chat.offered),
  chat.startedAt,
  chat.operator,
  chat.reservation,
  chat.accepted ? 1 : 0,
];

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

  return (tenant: TenantId, username: Username, fact: OperatorEvent): VisitorKey[] => {
    const { at } = fact;
    switch (fact.type) {
      case 'ChatReserved':
      case 'ChatConfirmed': {
        const { chatId, visitor, reservation, department = null } = fact.data;
        const open = fact.type === 'ChatConfirmed';
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
        // The column of the statement above.
        const rows = visitorsOf.all(tenant, username) as unknown as { visitor: VisitorKey }[];
        unregister.run(tenant, username);
        releaseAll.run(tenant, username);
        return rows.map(({ visitor }) => visitor);
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

const availabilityIn = ({ data }: OperatorEvent): Change | null =>
  'availability' in data ? data.availability : null;
