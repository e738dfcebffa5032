/** Chooses the operators who are asked to answer a chat. A pure function (docs/adr/0016). */
import type { Username } from './ids.ts';
import type { Availability } from './operator/facts.ts';

/** How an operator is chosen among all who may have the chat. */
export const POLICIES = ['least-loaded', 'round-robin', 'random', 'broadcast'] as const;
export type Policy = (typeof POLICIES)[number];

/** Why an operator was chosen: because of their own history with this visitor, or by the policy. */
export type PickReason = 'invited' | 'last-served' | 'handed-back' | Policy;

/** The operators who could have had the chat at that moment. */
export type Considered = {
  /** Their number. */
  free: number;
  /** The first of them in the order of the policy. `chats`: reserved and open chats. */
  first: { operator: Username; chats: number; capacity: number }[];
};

/** An operator, with what the choice depends on. */
export interface Candidate {
  readonly username: Username;
  readonly registered: boolean;
  readonly availability: Availability;
  readonly departments: readonly string[];
  readonly capacity: number;
  /** Reserved and open chats. */
  readonly load: number;
  /** Reserved and open chats by the name of the department. */
  readonly loadOf: Readonly<Record<string, number>>;
  /** Broadcast offers to this operator that are open. They count in no `load`, and the operator may accept all of them. */
  readonly openOffers: number;
  /** When this operator last got or finished a chat, in ms since 1970. 0: never. */
  readonly lastChatAt: number;
}

/** The candidates for one chat. They may include operators who are not free. */
export interface Candidates {
  /** Operators who serve the department of the chat. */
  readonly serving: readonly Candidate[];
  /** Operators with a claim to the chat ({@link claimsOf}). */
  readonly claimants: readonly Candidate[];
}

/** Operators who know the visitor of a chat. */
interface Acquaintances {
  readonly invitedBy: Username | null;
  /** The operator who answered last: in this chat, or else in the visitor's previous one. */
  readonly lastOperator: Username | null;
  /** True if `lastOperator` answered in this chat. */
  readonly answered: boolean;
  /** The operator who transferred the chat to another operator. They get it back if the receiver does not accept. */
  readonly transferredBy: Username | null;
}

/** A chat that needs an operator, with what the choice depends on. */
export interface ChatCriteria extends Acquaintances {
  readonly department: string | null;
  /** Operators with an open offer from a broadcast. */
  readonly offeredTo: readonly Username[];
  /** Operators who missed or declined the chat, or transferred it to its department. */
  readonly passedBy: readonly Username[];
}

/** How a tenant or department chooses. */
export interface Rule {
  readonly policy: Policy;
  /** Chats of this department that one operator may have. null: only the operator's own capacity counts. */
  readonly departmentCapacity: number | null;
  /** The operator who was chosen last in this department. `round-robin` continues after this name. */
  readonly lastPicked: Username | null;
  /** 0 ≤ random < 1 */
  readonly random: number;
}

/** The result of a choice. */
export interface Pick {
  /** One operator, or all new receivers of a broadcast. */
  readonly operators: readonly [Username, ...Username[]];
  readonly reason: PickReason;
  readonly considered: Considered;
  /** True if all of these operators have missed or declined the chat before, and nobody else can be asked. */
  readonly again: boolean;
}

/** Operators named in `considered`, at most. */
export const CONSIDERED_MAX_OPERATORS = 20;
/** Operators with an open offer from one broadcast, at most. */
export const BROADCAST_MAX_OPERATORS = 500;

/** An operator without departments serves all departments. A chat without a department goes to any operator. */
export const serves = (candidate: Candidate, department: string | null): boolean =>
  department === null ||
  candidate.departments.length === 0 ||
  candidate.departments.includes(department);

/** True if the operator could accept one more broadcast offer and all their open ones without exceeding their capacity. */
export const hasRoom = ({ load, openOffers, capacity }: Candidate): boolean =>
  load + openOffers < capacity;

/** An operator who comes before the policy, because of their own history with this chat or visitor. */
interface Claim {
  readonly operator: Username;
  readonly reason: PickReason;
  /** False: only within the department of the chat. */
  readonly everywhere: boolean;
}

/**
 * The claims to a chat, the strongest first. Who had this chat or invited the visitor keeps the claim in every department:
 * the visitor talks with a person. Who answered another chat has one only where the visitor's new question belongs.
 */
export function claimsOf({
  transferredBy,
  invitedBy,
  lastOperator,
  answered,
}: Acquaintances): readonly Claim[] {
  const claim = (operator: Username | null, reason: PickReason, everywhere: boolean): Claim[] =>
    operator === null ? [] : [{ operator, reason, everywhere }];
  return [
    ...claim(transferredBy, 'handed-back', true),
    ...claim(invitedBy, 'invited', true),
    ...claim(lastOperator, 'last-served', answered),
  ];
}

/** The bound of open offers is for the policy alone. An operator with a claim to the chat is asked beyond it. */
const mayBeAsked = (candidate: Candidate, { policy }: Rule): boolean =>
  policy !== 'broadcast' || hasRoom(candidate);

const byName = (a: Candidate, b: Candidate): number => (a.username < b.username ? -1 : 1);

/** Fewest chats first, then longest without a new chat. */
const byLoad = (a: Candidate, b: Candidate): number =>
  a.load - b.load || a.lastChatAt - b.lastChatAt || byName(a, b);

type Compare = (a: Candidate, b: Candidate) => number;

/** By name, and the names after the last pick first. */
const afterLastPick =
  (lastPicked: Username | null): Compare =>
  (a, b) => {
    if (lastPicked === null) return byName(a, b);
    const [isAfter, other] = [a.username > lastPicked, b.username > lastPicked];
    return isAfter === other ? byName(a, b) : isAfter ? -1 : 1;
  };

/**
 * The first candidates in an order, `most` at most. Sorting all of 1,000 candidates for each chat took more time than
 * everything else.
 */
function firstOf(candidates: readonly Candidate[], compare: Compare, most: number): Candidate[] {
  if (candidates.length <= most) return candidates.toSorted(compare);
  const first = candidates.slice(0, most).sort(compare);
  for (let next = most; next < candidates.length; next++) {
    const [candidate, last] = [candidates[next], first[most - 1]];
    if (!candidate || !last || compare(candidate, last) >= 0) continue;
    let place = first.length - 1;
    for (let before = first[place - 1]; before && compare(candidate, before) < 0; ) {
      first[place] = before;
      place -= 1;
      before = first[place - 1];
    }
    first[place] = candidate;
  }
  return first;
}

/** The first candidates in the order of the policy, `most` at most. */
function ordered(
  free: readonly Candidate[],
  { policy, lastPicked, random }: Rule,
  most: number,
): Candidate[] {
  if (policy === 'least-loaded') return firstOf(free, byLoad, most);
  if (policy === 'round-robin') return firstOf(free, afterLastPick(lastPicked), most);
  if (policy === 'broadcast') return firstOf(free, byName, most);
  const named = free.toSorted(byName);
  const first = Math.floor(random * named.length);
  return [...named.slice(first), ...named.slice(0, first)].slice(0, most);
}

/** True if the operator has a free place. */
export const isFree = ({ registered, availability, load, capacity }: Candidate): boolean =>
  registered && availability === 'available' && load < capacity;

/** True if the operator could get the chat. */
function isAble(
  candidate: Candidate,
  { department, offeredTo }: ChatCriteria,
  { departmentCapacity }: Rule,
): boolean {
  if (!isFree(candidate) || offeredTo.includes(candidate.username)) return false;
  if (department === null || departmentCapacity === null) return true;
  return (candidate.loadOf[department] ?? 0) < departmentCapacity;
}

/** One loop over the candidates: there are 1,000 of them for each chat of a large department. */
function whoCanBeAsked(serving: readonly Candidate[], chat: ChatCriteria, rule: Rule) {
  const fresh: Candidate[] = [];
  const passed: Candidate[] = [];
  for (const each of serving) {
    if (!isAble(each, chat, rule) || !mayBeAsked(each, rule)) continue;
    (chat.passedBy.includes(each.username) ? passed : fresh).push(each);
  }
  return { fresh, passed };
}

/**
 * Chooses whom to ask. First come operators with a claim ({@link claimsOf}): the one who transferred the chat, the one who
 * invited the visitor, the one who answered last. Otherwise the policy chooses among the operators of the department. An
 * operator must be available and have a free place, and for a broadcast room for one more offer. Operators
 * who missed or declined the chat are chosen only if nobody else can be.
 * @returns null if nobody is free
 */
export function selectOperators(
  { serving, claimants }: Candidates,
  chat: ChatCriteria,
  rule: Rule,
): Pick | null {
  const { offeredTo, passedBy } = chat;
  const { fresh, passed } = whoCanBeAsked(serving, chat, rule);
  // While a broadcast is open, only the policy chooses: operators with open offers keep them.
  const claims = offeredTo.length > 0 ? [] : claimsOf(chat);
  const considered = (number: number, order: readonly Candidate[]): Considered => ({
    free: number,
    first: order.slice(0, CONSIDERED_MAX_OPERATORS).map(({ username, load, capacity }) => ({
      operator: username,
      chats: load,
      capacity,
    })),
  });
  for (const { operator, reason, everywhere } of claims) {
    const candidate = claimants.find(({ username }) => username === operator);
    if (!candidate || passedBy.includes(operator) || !isAble(candidate, chat, rule)) continue;
    if (!everywhere && !serves(candidate, chat.department)) continue;
    const others = fresh.filter((each) => each !== candidate);
    const next = firstOf(others, byLoad, CONSIDERED_MAX_OPERATORS);
    return {
      operators: [candidate.username],
      reason,
      again: false,
      considered: considered(1 + others.length, [candidate, ...next]),
    };
  }
  const again = fresh.length === 0;
  const asked = again ? passed : fresh;
  const most = rule.policy === 'broadcast' ? BROADCAST_MAX_OPERATORS - offeredTo.length : 1;
  const order = ordered(asked, rule, Math.max(most, CONSIDERED_MAX_OPERATORS));
  const [first, ...others] = order.slice(0, Math.max(0, most)).map(({ username }) => username);
  // Open broadcast: operators who have passed are not asked again while others may still answer.
  if (first === undefined || (again && offeredTo.length > 0)) return null;
  return {
    operators: [first, ...others],
    reason: rule.policy,
    again,
    considered: considered(asked.length, order),
  };
}
