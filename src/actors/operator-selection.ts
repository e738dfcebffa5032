/** Which operators are asked to answer a chat: a pure choice among candidates. */
import type { Username } from './ids.ts';
import type { Availability } from './operator/facts.ts';

export const POLICIES = ['least-loaded', 'round-robin', 'random', 'broadcast'] as const;
export type Policy = (typeof POLICIES)[number];

/** Why an operator was picked: the chat belongs with a person, or a policy of the tenant or department. */
export type PickReason = 'invited' | 'last-served' | 'handed-back' | Policy;

/** Operators who could have had the chat at that moment. */
export type Considered = {
  /** How many there were. */
  free: number;
  /** The first of them in the order of the policy, with their chats and their capacity. */
  first: { operator: Username; chats: number; capacity: number }[];
};

export interface Candidate {
  readonly username: Username;
  readonly registered: boolean;
  readonly availability: Availability;
  readonly departments: readonly string[];
  readonly capacity: number;
  /** Reserved and open chats. */
  readonly load: number;
  /** Those of them that are of a department, by its name. */
  readonly loadOf: Readonly<Record<string, number>>;
  /** Chats of broadcasts that it is asked to answer: they take no places, and it may get as many of them as it answers. */
  readonly asked: number;
  /** When it last was given or finished a chat, ms since 1970. */
  readonly lastChatAt: number;
}

/** The chat that somebody is looked for. */
export interface Sought {
  readonly department: string | null;
  readonly invitedBy: Username | null;
  /** Who answered the visitor's chat before this one. */
  readonly lastOperator: Username | null;
  /** Who handed it to an operator: he gets it back when that one does not take it. */
  readonly transferredBy: Username | null;
  /** Asked now, in a broadcast that goes on. */
  readonly offered: readonly Username[];
  /** Missed or declined it, or handed it to a department. */
  readonly passed: readonly Username[];
}

export interface Rule {
  readonly policy: Policy;
  /** Chats of the department that one operator has at most; null: no bound but its own. */
  readonly departmentCapacity: number | null;
  /** Who was picked last in this department: the round goes on behind him. */
  readonly lastPicked: Username | null;
  /** 0 ≤ random < 1 */
  readonly random: number;
}

export interface Pick {
  /** One; of a broadcast all who are asked now. */
  readonly operators: readonly [Username, ...Username[]];
  readonly reason: PickReason;
  readonly considered: Considered;
  /** All of them missed or declined it before: nobody else is free. */
  readonly again: boolean;
}

/** How many of those considered are named in the fact. */
const NAMED = 20;
/** How many a broadcast asks. */
const MOST_ASKED = 500;

/** An operator with no department named serves all; a chat with none goes to anybody. */
const serves = (candidate: Candidate, department: string | null): boolean =>
  department === null ||
  candidate.departments.length === 0 ||
  candidate.departments.includes(department);

/** Who is asked in a broadcast has a place for it, should he answer all that he is asked. */
export const hasRoom = ({ load, asked, capacity }: Candidate): boolean => load + asked < capacity;

const byName = (a: Candidate, b: Candidate): number => (a.username < b.username ? -1 : 1);

/** The fewest chats first, then the longest idle. */
const byLoad = (a: Candidate, b: Candidate): number =>
  a.load - b.load || a.lastChatAt - b.lastChatAt || byName(a, b);

function ordered(free: readonly Candidate[], { policy, lastPicked, random }: Rule): Candidate[] {
  if (policy === 'least-loaded') return free.toSorted(byLoad);
  const named = free.toSorted(byName);
  const first =
    policy === 'round-robin'
      ? named.findIndex(({ username }) => lastPicked !== null && username > lastPicked)
      : policy === 'random'
        ? Math.floor(random * named.length)
        : 0;
  return first <= 0 ? named : [...named.slice(first), ...named.slice(0, first)];
}

/**
 * Whom to ask: who the chat belongs with (handed it to another who did not take it, invited the visitor, served it
 * last), whatever his department; else by policy among those of the department. Only who is available and has a free
 * place; who missed or declined it only when nobody else is there. null: nobody is free.
 */
export function selectOperators(
  candidates: readonly Candidate[],
  chat: Sought,
  rule: Rule,
): Pick | null {
  const { department, passed, offered } = chat;
  const bound = rule.departmentCapacity ?? Number.POSITIVE_INFINITY;
  const able = candidates.filter(
    (each) =>
      each.registered &&
      each.availability === 'available' &&
      each.load < each.capacity &&
      (department === null || (each.loadOf[department] ?? 0) < bound) &&
      !offered.includes(each.username),
  );
  const fresh = able.filter(({ username }) => !passed.includes(username));
  const free = fresh.filter((each) => serves(each, department));
  // A broadcast that goes on is not taken from those who are asked.
  const persons: readonly (readonly [string | null, PickReason])[] =
    offered.length > 0
      ? []
      : [
          [chat.transferredBy, 'handed-back'],
          [chat.invitedBy, 'invited'],
          [chat.lastOperator, 'last-served'],
        ];
  const considered = (order: readonly Candidate[]): Considered => ({
    free: order.length,
    first: order.slice(0, NAMED).map(({ username, load, capacity }) => ({
      operator: username,
      chats: load,
      capacity,
    })),
  });
  for (const [name, reason] of persons) {
    const person = fresh.find(({ username }) => username === name);
    if (!person) continue;
    const others = free.filter((each) => each !== person).toSorted(byLoad);
    return {
      operators: [person.username],
      reason,
      again: false,
      considered: considered([person, ...others]),
    };
  }
  const again = free.length === 0;
  const rest = again ? able.filter((each) => serves(each, department)) : free;
  const order = ordered(rule.policy === 'broadcast' ? rest.filter(hasRoom) : rest, rule);
  const most = rule.policy === 'broadcast' ? MOST_ASKED - offered.length : 1;
  const [first, ...others] = order.slice(0, Math.max(0, most)).map(({ username }) => username);
  // In a broadcast that goes on only who was not asked before is news.
  if (first === undefined || (again && offered.length > 0)) return null;
  return {
    operators: [first, ...others],
    reason: rule.policy,
    again,
    considered: considered(order),
  };
}
