/** Chooses the operators who are asked to answer a chat. A pure function (docs/adr/0016, 0059). */
import type { Username } from './ids.ts';
import { isSameLanguage } from './language.ts';
import { isWithin } from './machine/timers.ts';
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
  /** The visitor's language, if operators are registered with languages. */
  language?: string;
  /**
   * The first of them, by tier, then by language, then by the policy. `chats`: reserved and open chats. `tier`: left out for
   * the first. `speaks`: the visitor's language.
   */
  first: {
    operator: Username;
    chats: number;
    capacity: number;
    tier?: number;
    speaks?: true;
  }[];
};

/** The first tier is asked first. */
export const FIRST_TIER = 1;
export const LAST_TIER = 9;

/** An operator, with what the choice depends on. */
export interface Candidate {
  readonly username: Username;
  readonly registered: boolean;
  readonly availability: Availability;
  readonly departments: readonly string[];
  /** {@link FIRST_TIER} is asked first. */
  readonly tier: number;
  /** By department, in place of `tier`. */
  readonly tiers: Readonly<Record<string, number>>;
  /** BCP 47. */
  readonly languages: readonly string[];
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
  /** The visitor's, BCP 47; null if it is not known. */
  readonly language: string | null;
  /** Since when the visitor waits for an answer in this department, ms since 1970. */
  readonly waitsSince: number;
  /** Operators with an open offer from a broadcast. */
  readonly offeredTo: readonly Username[];
  /** Operators who missed or declined the chat, or transferred it to its department. */
  readonly passedBy: readonly Username[];
}

/** Who may be asked, and in which order. */
export interface Terms {
  readonly policy: Policy;
  /** Chats of this department that one operator may have. null: only the operator's own capacity counts. */
  readonly departmentCapacity: number | null;
  /** While operators of a tier are there and full, the next one is asked after so many ms. */
  readonly tierWaitMs: number;
  /** For so many ms only operators who speak the visitor's language are asked. */
  readonly languageWaitMs: number;
  /** ms since 1970 */
  readonly now: number;
}

/** How a tenant or department chooses. */
export interface Rule extends Terms {
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
const hasRoom = ({ load, openOffers, capacity }: Candidate): boolean =>
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
const mayBeAsked = (candidate: Candidate, { policy }: Terms): boolean =>
  policy !== 'broadcast' || hasRoom(candidate);

/** The operator's tier in the department of a chat. */
const tierOf = ({ tier, tiers }: Candidate, department: string | null): number =>
  (department !== null && Object.hasOwn(tiers, department) ? tiers[department] : undefined) ?? tier;

/** True if the operator speaks the language. Regions and scripts do not count. */
const speaks = ({ languages }: Candidate, language: string | null): boolean =>
  language !== null && languages.some((each) => isSameLanguage(each, language));

/** Operators of a lower rank are asked first: by their tier, and in a tier those who speak the visitor's language. */
const rankOf = (candidate: Candidate, { department, language }: ChatCriteria): number =>
  2 * tierOf(candidate, department) + (speaks(candidate, language) ? 0 : 1);

/** False while only operators who speak the visitor's language may be asked, and this one does not. */
export const isUnderstood = (
  candidate: Candidate,
  { language, waitsSince }: ChatCriteria,
  { languageWaitMs, now }: Terms,
): boolean =>
  language === null || !isWithin(languageWaitMs, waitsSince, now) || speaks(candidate, language);

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

/** The first candidates of one rank in the order of the policy, `most` at most. */
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

/** The first candidates by rank and then by the policy, `most` at most. `ofFirstRank`: how many of them have the first rank. */
function inOrder(asked: readonly Candidate[], chat: ChatCriteria, rule: Rule, most: number) {
  const ranks = new Map<number, Candidate[]>();
  for (const each of asked) {
    const rank = rankOf(each, chat);
    const same = ranks.get(rank);
    if (same) same.push(each);
    else ranks.set(rank, [each]);
  }
  const order: Candidate[] = [];
  let ofFirstRank = 0;
  for (const [, candidates] of [...ranks].sort(([a], [b]) => a - b)) {
    if (order.length >= most) break;
    order.push(...ordered(candidates, rule, most - order.length));
    if (ofFirstRank === 0) ofFirstRank = order.length;
  }
  return { order, ofFirstRank };
}

/** True if the operator is there. */
export const isThere = ({ registered, availability }: Candidate): boolean =>
  registered && availability === 'available';

/** True if the operator has a free place. */
export const isFree = (candidate: Candidate): boolean =>
  isThere(candidate) && candidate.load < candidate.capacity;

/** True if a free operator has a place in the department of the chat. */
const isWithinDepartment = (
  { loadOf }: Candidate,
  { department }: ChatCriteria,
  { departmentCapacity }: Terms,
): boolean =>
  department === null ||
  departmentCapacity === null ||
  (loadOf[department] ?? 0) < departmentCapacity;

/** True if the operator could get the chat. */
const isAble = (candidate: Candidate, chat: ChatCriteria, terms: Terms): boolean =>
  isFree(candidate) &&
  !chat.offeredTo.includes(candidate.username) &&
  isWithinDepartment(candidate, chat, terms);

/**
 * One loop over the candidates: there are 1,000 of them for each chat of a large department.
 * @param isOneEnough whether to end it with the first who has not passed the chat
 */
function whoIsAble(
  serving: readonly Candidate[],
  chat: ChatCriteria,
  terms: Terms,
  isOneEnough: boolean,
) {
  const fresh: Candidate[] = [];
  const passed: Candidate[] = [];
  /** Tiers of operators who are there and full, and have not passed the chat. */
  const fullTiers = new Set<number>();
  /** The first rank of those who are asked now and have a free place. */
  let askedRank = Number.POSITIVE_INFINITY;
  for (const each of serving) {
    if (isOneEnough && fresh.length > 0) break;
    if (!isThere(each) || !isUnderstood(each, chat, terms)) continue;
    if (chat.offeredTo.includes(each.username)) {
      if (isFree(each)) askedRank = Math.min(askedRank, rankOf(each, chat));
      continue;
    }
    const hasPassed = chat.passedBy.includes(each.username);
    if (isAble(each, chat, terms) && mayBeAsked(each, terms))
      (hasPassed ? passed : fresh).push(each);
    else if (!hasPassed && terms.tierWaitMs > 0) fullTiers.add(tierOf(each, chat.department));
  }
  return { fresh, passed, fullTiers, askedRank };
}

/**
 * Who can be asked now: those who have not passed the chat, or else (`again`) those who have. Operators of a later tier wait
 * until the time of each earlier one is over that has somebody who is there and full. While a broadcast is open, nobody
 * of a later rank is asked beside those who are asked already, and nobody again.
 */
function whoCanBeAsked(
  serving: readonly Candidate[],
  chat: ChatCriteria,
  terms: Terms,
  isOneEnough = false,
) {
  const isOpen = chat.offeredTo.length > 0;
  // Otherwise whether it is somebody's turn depends on the others.
  const endsEarly = isOneEnough && !isOpen && terms.tierWaitMs === 0;
  const able = whoIsAble(serving, chat, terms, endsEarly);
  const { fresh, passed, fullTiers, askedRank } = able;
  if (fresh.length === 0) return { asked: isOpen ? [] : passed, again: true };
  const hasTurn = (candidate: Candidate): boolean => {
    if (isOpen && rankOf(candidate, chat) > askedRank) return false;
    if (fullTiers.size === 0) return true;
    const tier = tierOf(candidate, chat.department);
    const before = [...fullTiers].filter((each) => each < tier).length;
    return !isWithin(before * terms.tierWaitMs, chat.waitsSince, terms.now);
  };
  return { asked: isOpen || fullTiers.size > 0 ? fresh.filter(hasTurn) : fresh, again: false };
}

/** The operator with the strongest claim to the chat who could have it; null if there is none. */
function claimantOf(
  claimants: readonly Candidate[],
  chat: ChatCriteria,
  terms: Terms,
): { readonly candidate: Candidate; readonly reason: PickReason } | null {
  // While a broadcast is open, only the policy chooses: operators with open offers keep them.
  if (chat.offeredTo.length > 0) return null;
  for (const { operator, reason, everywhere } of claimsOf(chat)) {
    const candidate = claimants.find(({ username }) => username === operator);
    if (!candidate || chat.passedBy.includes(operator) || !isAble(candidate, chat, terms)) continue;
    if (everywhere || serves(candidate, chat.department)) return { candidate, reason };
  }
  return null;
}

/** Who can be asked about a chat. `fresh`: somebody who has not passed it. `again`: only operators who have. `none`: nobody. */
export type Prospect = 'fresh' | 'again' | 'none';

/** Whether {@link selectOperators} would find somebody. */
export function prospectOf(
  { serving, claimants }: Candidates,
  chat: ChatCriteria,
  terms: Terms,
): Prospect {
  if (claimantOf(claimants, chat, terms)) return 'fresh';
  const { asked, again } = whoCanBeAsked(serving, chat, terms, true);
  if (asked.length === 0) return 'none';
  return again ? 'again' : 'fresh';
}

/** What a pick records. */
function consideredOf(
  free: number,
  order: readonly Candidate[],
  { department, language }: ChatCriteria,
): Considered {
  const first = order.slice(0, CONSIDERED_MAX_OPERATORS);
  return {
    free,
    ...(language !== null && first.some(({ languages }) => languages.length > 0) && { language }),
    first: first.map((candidate) => {
      const tier = tierOf(candidate, department);
      return {
        operator: candidate.username,
        chats: candidate.load,
        capacity: candidate.capacity,
        ...(tier !== FIRST_TIER && { tier }),
        ...(speaks(candidate, language) && { speaks: true as const }),
      };
    }),
  };
}

/**
 * Chooses whom to ask. First come operators with a claim ({@link claimsOf}): the one who transferred the chat, the one who
 * invited the visitor, the one who answered last. Otherwise the first tier of the operators of the department, in it those
 * who speak the visitor's language, and among them the policy. An operator must be available and have a free place, and
 * for a broadcast room for one more offer. Operators who missed or declined the chat are chosen only if nobody else can be.
 * @returns null if nobody can be asked now
 */
export function selectOperators(
  { serving, claimants }: Candidates,
  chat: ChatCriteria,
  rule: Rule,
): Pick | null {
  const claim = claimantOf(claimants, chat, rule);
  const { asked, again } = whoCanBeAsked(serving, chat, rule);
  if (claim) {
    const { candidate, reason } = claim;
    const others = again ? [] : asked.filter((each) => each !== candidate);
    const next = firstOf(others, byLoad, CONSIDERED_MAX_OPERATORS);
    return {
      operators: [candidate.username],
      reason,
      again: false,
      considered: consideredOf(1 + others.length, [candidate, ...next], chat),
    };
  }
  const isBroadcast = rule.policy === 'broadcast';
  const most = isBroadcast ? BROADCAST_MAX_OPERATORS - chat.offeredTo.length : 1;
  const { order, ofFirstRank } = inOrder(
    asked,
    chat,
    rule,
    Math.max(most, CONSIDERED_MAX_OPERATORS),
  );
  // A broadcast asks those of one rank together.
  const receivers = order.slice(0, Math.max(0, Math.min(most, ofFirstRank)));
  const [first, ...others] = receivers.map(({ username }) => username);
  if (first === undefined) return null;
  return {
    operators: [first, ...others],
    reason: rule.policy,
    again,
    considered: consideredOf(asked.length, order, chat),
  };
}
