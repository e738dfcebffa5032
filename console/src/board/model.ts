/** What the live board of one tenant knows: rows of the API by their keys, and how events change them. Pure. */

export interface Visitor {
  readonly key: string;
  readonly presence: 'online' | 'timedOut' | 'cleanedUp';
  readonly conversation: 'none' | 'invited' | 'waiting' | 'chatting';
  readonly chatId: string | null;
  readonly operator: string | null;
  readonly inLhc: { readonly name: string | null } | null;
  readonly department: string | null;
  readonly nick: string | null;
  readonly page: string | null;
  readonly title: string | null;
  readonly country: string | null;
  readonly arrivedAt: number;
  readonly lastSeen: number;
  readonly revision: number;
}

export interface Chat {
  readonly chatId: string;
  readonly visitor: string;
  readonly state: 'waiting' | 'offered' | 'active' | 'closed';
  readonly operator: string | null;
  readonly department: string | null;
  readonly startedAt: number;
  readonly waitingSince: number | null;
  readonly acceptedAt: number | null;
  readonly offered: readonly string[];
  readonly revision: number;
}

export interface Operator {
  readonly username: string;
  readonly name: string | null;
  readonly availability: 'offline' | 'available' | 'away' | 'busy';
  readonly away: boolean;
  readonly unresponsive: boolean;
  readonly capacity: number;
  readonly onlineSince: number | null;
  readonly chats: readonly {
    readonly chatId: string;
    readonly visitor: string;
    readonly state: 'reserved' | 'open';
  }[];
  readonly revision: number;
}

export interface Board {
  readonly visitors: ReadonlyMap<string, Visitor>;
  /** Open chats by their visitor: a visitor has one at a time. */
  readonly chats: ReadonlyMap<string, Chat>;
  readonly operators: ReadonlyMap<string, Operator>;
}

export const EMPTY: Board = { visitors: new Map(), chats: new Map(), operators: new Map() };

/** Visitors that a board holds at most. Past it those in conversations stay. */
export const MAX_VISITORS = 5_000;

/** A row that an event of the live stream brings. */
export type Change =
  | { readonly type: 'visitor'; readonly row: Visitor }
  | { readonly type: 'chat'; readonly row: Chat }
  | { readonly type: 'operator'; readonly username: string; readonly row: Operator | null };

/** Whether operators care about them now. */
export const isPresent = ({ presence, conversation }: Visitor): boolean =>
  presence === 'online' || conversation === 'waiting' || conversation === 'chatting';

/** An event may come twice, and a query may know more than the event that comes after it: the newer row stays. */
const isNewer = (
  row: { readonly revision: number },
  known: { readonly revision: number } | undefined,
): boolean => known === undefined || row.revision >= known.revision;

/** The board after these changes; the same one if they change nothing. */
export function changed(board: Board, changes: readonly Change[]): Board {
  if (changes.length === 0) return board;
  const visitors = new Map(board.visitors);
  const chats = new Map(board.chats);
  const operators = new Map(board.operators);
  for (const change of changes) {
    if (change.type === 'visitor') {
      const { row } = change;
      if (!isNewer(row, visitors.get(row.key))) continue;
      if (isPresent(row)) visitors.set(row.key, row);
      else visitors.delete(row.key);
      if (row.conversation !== 'waiting' && row.conversation !== 'chatting') {
        const chat = chats.get(row.key);
        if (chat && chat.revision <= row.revision) chats.delete(row.key);
      }
    } else if (change.type === 'chat') {
      const { row } = change;
      if (!isNewer(row, chats.get(row.visitor))) continue;
      if (row.state !== 'closed') chats.set(row.visitor, row);
      else if (chats.get(row.visitor)?.chatId === row.chatId) chats.delete(row.visitor);
    } else if (change.row === null) {
      operators.delete(change.username);
    } else if (isNewer(change.row, operators.get(change.username))) {
      operators.set(change.username, change.row);
    }
  }
  if (visitors.size > MAX_VISITORS) leaveOut(visitors);
  return { visitors, chats, operators };
}

/** Those go whom nobody talks with and who were seen longest ago. */
function leaveOut(visitors: Map<string, Visitor>): void {
  const idle = [...visitors.values()]
    .filter(({ conversation }) => conversation === 'none')
    .toSorted((a, b) => a.lastSeen - b.lastSeen);
  for (const { key } of idle.slice(0, visitors.size - MAX_VISITORS)) visitors.delete(key);
}

/** What an event of the stream says; null if it is not for the board. */
export function changeOf(type: string, data: string): Change | null {
  let content: { visitor?: Visitor; chat?: Chat; username?: string; operator?: Operator | null };
  try {
    content = JSON.parse(data); // as the API's document says of the stream
  } catch {
    return null;
  }
  if (type === 'visitor' && content.visitor) return { type, row: content.visitor };
  if (type === 'chat' && content.chat) return { type, row: content.chat };
  if (type === 'operator' && content.username !== undefined) {
    return { type, username: content.username, row: content.operator ?? null };
  }
  return null;
}

export interface VisitorLine {
  readonly visitor: Visitor;
  readonly chat: Chat | null;
  /** How the visitor is listed. */
  readonly state: 'waiting' | 'chatting' | 'invited' | 'online';
  /** Since when they are that. */
  readonly since: number;
}

const ORDER: Readonly<Record<VisitorLine['state'], number>> = {
  waiting: 0,
  chatting: 1,
  invited: 2,
  online: 3,
};

function lineOf(visitor: Visitor, chat: Chat | null): VisitorLine {
  const { conversation, arrivedAt, lastSeen } = visitor;
  if (conversation === 'waiting') {
    return {
      visitor,
      chat,
      state: 'waiting',
      since: chat?.waitingSince ?? chat?.startedAt ?? lastSeen,
    };
  }
  if (conversation === 'chatting') {
    return {
      visitor,
      chat,
      state: 'chatting',
      since: chat?.acceptedAt ?? chat?.startedAt ?? lastSeen,
    };
  }
  return {
    visitor,
    chat,
    state: conversation === 'invited' ? 'invited' : 'online',
    since: arrivedAt,
  };
}

/** Those who wait first and the longest wait on top, then the conversations, then who came last. */
export function linesOf({ visitors, chats }: Board): VisitorLine[] {
  return [...visitors.values()]
    .map((visitor) => lineOf(visitor, chats.get(visitor.key) ?? null))
    .toSorted((a, b) =>
      a.state === b.state
        ? a.state === 'waiting'
          ? a.since - b.since || (a.visitor.key < b.visitor.key ? -1 : 1)
          : b.since - a.since || (a.visitor.key < b.visitor.key ? -1 : 1)
        : ORDER[a.state] - ORDER[b.state],
    );
}

const AVAILABILITY: Readonly<Record<Operator['availability'], number>> = {
  available: 0,
  busy: 1,
  away: 2,
  offline: 3,
};

/** Those who take chats first, then by name. */
export const operatorsOf = ({ operators }: Board): Operator[] =>
  [...operators.values()].toSorted(
    (a, b) =>
      AVAILABILITY[a.availability] - AVAILABILITY[b.availability] ||
      (a.username < b.username ? -1 : 1),
  );

export interface Counts {
  readonly online: number;
  readonly waiting: number;
  /** Since when the one who waits longest waits. */
  readonly longestSince: number | null;
  readonly chatting: number;
  readonly operatorsOnline: number;
  readonly operatorsAvailable: number;
  /** Chats that operators have, and how many they could have, of those who are not offline. */
  readonly placesUsed: number;
  readonly places: number;
}

export function countsOf(board: Board, lines: readonly VisitorLine[]): Counts {
  const waiting = lines.filter(({ state }) => state === 'waiting');
  const there = [...board.operators.values()].filter(
    ({ availability }) => availability !== 'offline',
  );
  return {
    online: lines.filter(({ visitor }) => visitor.presence === 'online').length,
    waiting: waiting.length,
    longestSince: waiting[0]?.since ?? null,
    chatting: lines.filter(({ state }) => state === 'chatting').length,
    operatorsOnline: there.length,
    operatorsAvailable: there.filter(({ availability }) => availability === 'available').length,
    placesUsed: there.reduce((sum, { chats }) => sum + chats.length, 0),
    places: there.reduce((sum, { capacity }) => sum + capacity, 0),
  };
}
