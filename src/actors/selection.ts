/** Which operator gets a chat: a pure choice among candidates. */
import type { Availability } from './operator.ts';

export interface Candidate {
  readonly username: string;
  readonly registered: boolean;
  readonly availability: Availability;
  readonly departments: readonly string[];
  readonly capacity: number;
  /** Reserved and open chats. */
  readonly load: number;
  /** When it was last given or finished a chat, ms since 1970. */
  readonly lastChatAt: number;
}

export interface Pick {
  readonly username: string;
  readonly reason: 'invited' | 'least-loaded';
}

/** An operator with no department named serves all; a chat with none goes to anybody. */
const serves = (candidate: Candidate, department: string | null): boolean =>
  department === null ||
  candidate.departments.length === 0 ||
  candidate.departments.includes(department);

/**
 * The operator who invited the visitor, if free; else, among the available ones of the department with a free place,
 * the one with the fewest chats, then the one that has been idle longest. null: nobody is free.
 */
export function selectOperator(
  candidates: readonly Candidate[],
  chat: { readonly department: string | null; readonly invitedBy: string | null },
): Pick | null {
  const free = candidates.filter(
    (each) => each.registered && each.availability === 'available' && each.load < each.capacity,
  );
  const inviter = free.find((each) => each.username === chat.invitedBy);
  if (inviter) return { username: inviter.username, reason: 'invited' };
  const [best] = free
    .filter((each) => serves(each, chat.department))
    .sort(
      (a, b) =>
        a.load - b.load || a.lastChatAt - b.lastChatAt || (a.username < b.username ? -1 : 1),
    );
  return best ? { username: best.username, reason: 'least-loaded' } : null;
}
