/** The status text of a desk: what the queue looks like. */

export interface DeskCounts {
  /** Chats that nobody has accepted yet. */
  readonly waiting: number;
  readonly chatting: number;
  /** Visitors who are on the site or in a conversation. */
  readonly visitors: number;
}

/** Facts that can change the counts. */
const CHANGES: ReadonlySet<string> = new Set([
  'VisitorArrived',
  'TimedOut',
  'CleanedUp',
  'ChatStarted',
  'ChatAccepted',
  'ChatTakenInLhc',
  'ChatUnassigned',
  'ChatTransferred',
  'ChatAssigned',
  'ChatClosed',
]);

export const changesStatus = (type: string): boolean => CHANGES.has(type);

/** `2 waiting, 5 in chats, 31 on the site`. What waits comes first, because contact lists cut the end. */
export const deskStatus = ({ waiting, chatting, visitors }: DeskCounts): string =>
  [
    ...(waiting > 0 ? [`${waiting} waiting`] : []),
    ...(chatting > 0 ? [`${chatting} in ${chatting === 1 ? 'a chat' : 'chats'}`] : []),
    `${visitors} on the site`,
  ].join(', ');
