/** Writes the tables of routing: what each fact changes in them. */
import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import { operatorFact, visitorFact } from '../../actors/facts.ts';
import { actorOf, type TenantId, type Username, type VisitorKey } from '../../actors/ids.ts';
import type { Change, OperatorEvent } from '../../actors/operator/facts.ts';
import { type ChatEvent, chatAfter, isChatEvent } from '../../actors/visitor/chat.ts';
import type { Chat } from '../../actors/visitor/state.ts';
import type { RecordedEvent } from '../../eventstore/port.ts';
import { SAME } from './table-schema.ts';

/** Prepares its statements. @returns applies one fact */
export function applyToRouting(file: DatabaseSync): (event: RecordedEvent) => void {
  const applyChat = applyToChats(file);
  const applyOperator = applyToOperators(file);
  const compareSides = createComparison(file);
  return (event) => {
    const actor = actorOf(event.stream);
    if (!actor || actor.kind === 'tenant') return;
    const { tenant } = actor;
    if (actor.kind === 'visitor') {
      const fact = visitorFact(event);
      if (fact && isChatEvent(fact) && applyChat(tenant, actor.name, fact)) {
        compareSides(tenant, actor.name, event);
      }
      return;
    }
    const fact = operatorFact(event);
    if (!fact) return;
    for (const visitor of applyOperator(tenant, actor.name, fact)) {
      compareSides(tenant, visitor, event);
    }
  };
}

/** Notes in `unsettled` whether the two sides disagree about this visitor's chat. */
function createComparison(file: DatabaseSync) {
  const disagree = file.prepare(
    `SELECT EXISTS (SELECT 1 FROM chats_of_visitors v
         WHERE v.tenant = ?1 AND v.visitor = ?2 AND v.operator IS NOT NULL
         AND NOT EXISTS (SELECT 1 FROM chats_of_operators o WHERE o.open = 1 AND ${SAME}))
       OR EXISTS (SELECT 1 FROM chats_of_operators o INDEXED BY chats_by_visitor
         WHERE o.tenant = ?1 AND o.visitor = ?2 AND (o.open = 0 OR NOT EXISTS
         (SELECT 1 FROM chats_of_visitors v WHERE ${SAME}))) AS disagree`,
  );
  // The visitor's stream is right about the owner, so its last fact is why they disagree. One of an operator is the reason
  // where none of the visitor is: a reservation. A summary takes the place of what its stream loses, so that rows that are
  // built anew are the same.
  const add = file.prepare('INSERT OR IGNORE INTO unsettled VALUES (?, ?, ?, ?)');
  const replace = file.prepare('INSERT OR REPLACE INTO unsettled VALUES (?, ?, ?, ?)');
  const remove = file.prepare('DELETE FROM unsettled WHERE tenant = ? AND visitor = ?');
  return (tenant: TenantId, visitor: VisitorKey, event: RecordedEvent): void => {
    const { stream, revision, type } = event;
    const isDisputed = disagree.get(tenant, visitor)?.disagree === 1;
    const counts = actorOf(stream)?.kind === 'visitor' || type === 'OperatorSummarised';
    if (isDisputed) (counts ? replace : add).run(tenant, visitor, stream, revision);
    else remove.run(tenant, visitor);
  };
}

// Written as JSON of a chat by `applyToChats`.
const chatIn = (row: Record<string, unknown> | undefined): Chat | null =>
  row ? (JSON.parse(String(row.life)) as Chat) : null;

/** What queries select by, in the order of the columns. */
const columnsOf = (chat: Chat): SQLInputValue[] => [
  chat.id,
  chat.department,
  chat.invitedBy,
  chat.lastOperator,
  chat.transferredBy,
  JSON.stringify(chat.offeredTo),
  chat.startedAt,
  chat.operator,
  chat.reservation,
  chat.accepted ? 1 : 0,
  chat.left && chat.passedBy.length > 0 ? 1 : 0,
  chat.notified === null ? 0 : 1,
  chat.byLhc || chat.inLhc ? 1 : 0,
];

/** @returns true if the two sides may disagree after the fact */
function applyToChats(file: DatabaseSync) {
  const read = file.prepare('SELECT life FROM chats_of_visitors WHERE tenant = ? AND visitor = ?');
  const write = file.prepare(
    `INSERT OR REPLACE INTO chats_of_visitors
     (tenant, visitor, life, chat, department, invited_by, last_operator, transferred_by, offered, since, operator,
       reservation, accepted, rests, told, left_alone) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const remove = file.prepare('DELETE FROM chats_of_visitors WHERE tenant = ? AND visitor = ?');
  // The queries find orphaned chats by the operators' rows, so an unregistered operator needs a row as well.
  const addOperator = file.prepare(
    'INSERT OR IGNORE INTO operators (tenant, username, offline, gone) VALUES (?, ?, 1, 0)',
  );
  const recordPick = file.prepare('INSERT OR REPLACE INTO rounds VALUES (?, ?, ?)');

  return (tenant: TenantId, visitor: VisitorKey, event: ChatEvent): boolean => {
    const before = chatIn(read.get(tenant, visitor));
    const after = chatAfter(before, event);
    if (after === before) return false; // most arrivals
    if (after) write.run(tenant, visitor, JSON.stringify(after), ...columnsOf(after));
    else remove.run(tenant, visitor);
    if (after && after.operator !== null) addOperator.run(tenant, after.operator);
    if (event.type === 'ChatAssigned' && event.data.reason === 'round-robin') {
      recordPick.run(tenant, after?.department ?? '', event.data.operator);
    }
    return (
      before?.id !== after?.id ||
      before?.operator !== after?.operator ||
      before?.reservation !== after?.reservation
    );
  };
}

/** @returns the visitors whose chats the fact is about */
function applyToOperators(file: DatabaseSync) {
  const writeChat = file.prepare(
    'INSERT OR REPLACE INTO chats_of_operators VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
  );
  const removeChat = file.prepare(
    'DELETE FROM chats_of_operators WHERE tenant = ? AND operator = ? AND chat = ?',
  );
  const visitors = file.prepare(
    'SELECT visitor FROM chats_of_operators WHERE tenant = ? AND operator = ?',
  );
  const visitorsOf = (tenant: string, username: string): VisitorKey[] =>
    // The column of the statement above.
    visitors.all(tenant, username).map(({ visitor }) => visitor as VisitorKey);
  const removeChats = file.prepare(
    'DELETE FROM chats_of_operators WHERE tenant = ? AND operator = ?',
  );
  // An operator can have sessions before they are registered, so each statement may add the row.
  const upsert = (columns: string) =>
    file.prepare(
      `INSERT INTO operators (tenant, username, offline, gone) VALUES (?1, ?2, 1, 0)
       ON CONFLICT DO UPDATE SET ${columns}`,
    );
  const setOffline = file.prepare(
    `INSERT INTO operators (tenant, username, offline, gone) VALUES (?1, ?2, ?3, 0)
     ON CONFLICT DO UPDATE SET offline = excluded.offline, gone = excluded.offline AND gone`,
  );
  const register = file.prepare(
    `INSERT INTO operators (tenant, username, registered, offline, gone) VALUES (?, ?, 1, 1, 0)
     ON CONFLICT DO UPDATE SET registered = 1`,
  );
  const unregister = upsert('registered = 0, gone_by = ?3');
  const setGone = upsert('gone = 1, gone_by = ?3');
  const clearGone = upsert('gone = 0 WHERE gone <> 0');
  const setLost = upsert('lost = ?3');
  const setCame = upsert('came = ?3');
  const restore = file.prepare('INSERT OR REPLACE INTO operators VALUES (?, ?, ?, ?, ?, ?, ?, ?)');

  return (tenant: TenantId, username: Username, fact: OperatorEvent): VisitorKey[] => {
    const { at } = fact;
    switch (fact.type) {
      case 'ChatReserved':
      case 'ChatConfirmed': {
        const { chatId, visitor, reservation, department = null } = fact.data;
        const open = fact.type === 'ChatConfirmed';
        writeChat.run(tenant, username, chatId, visitor, reservation, department, open ? 1 : 0, at);
        // A new chat starts a new grace period, as in the operator's machine.
        if (open) clearGone.run(tenant, username);
        return [visitor];
      }
      case 'ChatReleased':
        removeChat.run(tenant, username, fact.data.chatId);
        return [fact.data.visitor];
      case 'OperatorRegistered':
        register.run(tenant, username);
        return [];
      case 'OperatorRemoved': {
        const left = visitorsOf(tenant, username);
        unregister.run(tenant, username, fact.revision);
        removeChats.run(tenant, username);
        return left;
      }
      case 'OperatorGone':
        setGone.run(tenant, username, fact.revision);
        return [];
      case 'OperatorSummarised': {
        // The stream may begin with this fact: it replaces everything.
        const { state, kept } = fact.data;
        const before = visitorsOf(tenant, username);
        const offline = state === 'offline' ? 1 : 0;
        const { registered, gone, lostAt, cameOnlineAt, chats } = kept;
        const flags = [registered ? 1 : 0, offline, gone ? 1 : 0];
        restore.run(tenant, username, ...flags, lostAt, cameOnlineAt, fact.revision);
        removeChats.run(tenant, username);
        for (const [chat, { visitor, reservation, department, open, at: since }] of Object.entries(
          chats,
        )) {
          const row = [chat, visitor, reservation, department, open ? 1 : 0, since];
          writeChat.run(tenant, username, ...row);
        }
        const now = Object.values(chats).map(({ visitor }) => visitor);
        return [...new Set([...before, ...now])];
      }
      default: {
        const change = availabilityIn(fact);
        if (change) setOffline.run(tenant, username, change.to === 'offline' ? 1 : 0);
        const [was, is] = [change?.from !== 'offline', change?.to !== 'offline'];
        if ((was && !is) || fact.type === 'OperatorLoggedOut') setLost.run(tenant, username, at);
        if (!was && is) setCame.run(tenant, username, at);
        return [];
      }
    }
  };
}

const availabilityIn = ({ data }: OperatorEvent): Change | null =>
  'availability' in data ? data.availability : null;
