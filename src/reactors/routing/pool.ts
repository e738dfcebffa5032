/**
 * The operators of a tenant who have free places. A pass reads them once and counts down while it gives chats to them.
 * Within a pass the number of places only falls: a place that becomes free is for the next pass, which begins with the
 * oldest chat again.
 */
import type { TenantId, Username } from '../../actors/ids.ts';
import { load, type OperatorState } from '../../actors/operator/decisions.ts';
import {
  type Candidate,
  type Candidates,
  type ChatCriteria,
  claimsOf,
  isFree,
  isThere,
  isUnderstood,
  serves,
  type Terms,
} from '../../actors/operator-selection.ts';
import { isActorFailure } from '../../errors.ts';
import type { Actors } from '../../runtime/ports.ts';
import type { FreePlaces } from './table-queries.ts';

/** A chat by its department and by the operators who have a claim to it. */
type ChatTarget = Pick<
  ChatCriteria,
  'department' | 'invitedBy' | 'lastOperator' | 'answered' | 'transferredBy'
>;

export interface Pool {
  /** Operators who may serve this chat. What this pass counts later changes them. */
  candidates(chat: ChatTarget): Candidates;
  /** True if the operators who may be asked about this chat have at least so many free places together. */
  hasPlaces(chat: ChatCriteria, terms: Terms, least: number): boolean;
  /** Chats of this department that operators have, whoever they are. */
  chatsOf(department: string | null): number;
  /** The operators who have a free place, and the chats that they may serve. */
  free(): FreePlaces;
  /** Reads the operator's stream again. @returns false if the stream has moved, so that the pick is out of date */
  isCurrent(operator: Username): Promise<boolean>;
  /** Counts a chat that the operator's stream does not have yet. @param at ms since 1970 */
  addChat(operator: Username, department: string | null, at: number): void;
  /** Counts a broadcast offer for each of these operators. */
  addOffer(operators: readonly Username[]): void;
  /** Reads the operator's stream after its answer to a reservation. @param reserved false if the stream refused */
  afterReservation(operator: Username, reserved: boolean): Promise<void>;
}

export interface Pools {
  /**
   * Reads the streams of these operators, most of which are in memory. It leaves out operators whose stream cannot be
   * read.
   * @param offers how many broadcast offers each operator has now
   * @param withFull also those who are available and have no free place: they hold up those of the next tier
   */
  open(
    tenant: TenantId,
    operators: readonly Username[],
    offers: ReadonlyMap<Username, number>,
    withFull?: boolean,
  ): Promise<Pool>;
}

/** An operator's state as it was read. */
interface Snapshot {
  readonly state: object;
  readonly candidate: Candidate;
}
type ReadOperator = (username: Username) => Promise<Snapshot | null>;

/** A candidate of one pass, which counts what it gave to the operator. */
type Counted = { -readonly [K in keyof Candidate]: Candidate[K] };

/** An operator with the state that was read last. */
interface Operator {
  state: object;
  readonly candidate: Counted;
}

/** What the functions of one pool share. */
interface Operators {
  readonly read: ReadOperator;
  /** Operators with a free place when the pass began, and those who are full if they count. */
  readonly all: ReadonlyMap<Username, Operator>;
  /** The chats of all others, by department. */
  readonly elsewhere: readonly Candidate['loadOf'][];
  lists: Lists;
  /** The answer of `free`; null after a change. */
  free: FreePlaces | null;
}

/** The candidates of a pass by what they serve. Those of every department are in each list. */
interface Lists {
  readonly everybody: readonly Candidate[];
  readonly ofEveryDepartment: readonly Candidate[];
  readonly byDepartment: ReadonlyMap<string, readonly Candidate[]>;
}

/** A candidate for each state. Passes read the same states again and again. */
const candidateCache = new WeakMap<object, Candidate>();

function candidateOf(username: Username, { availability, context }: OperatorState): Candidate {
  const loadOf: Record<string, number> = Object.create(null); // keys are names that people chose
  for (const { department } of Object.values(context.chats)) {
    if (department !== null) loadOf[department] = (loadOf[department] ?? 0) + 1;
  }
  return {
    username,
    availability,
    loadOf,
    load: load(context),
    registered: context.registered,
    departments: context.departments,
    tier: context.tier,
    tiers: context.tiers,
    languages: context.languages,
    capacity: context.capacity,
    openOffers: 0, // the operator's stream does not know
    lastChatAt: context.lastChatAt,
  };
}

const withOneMore = (counts: Readonly<Record<string, number>>, name: string) =>
  Object.assign(Object.create(null), counts, { [name]: (counts[name] ?? 0) + 1 });

async function readOperator(
  actors: Actors,
  tenant: TenantId,
  username: Username,
): Promise<Snapshot | null> {
  try {
    const state = await actors.operator(tenant, username).state();
    if (!state) return null;
    const candidate = candidateCache.get(state) ?? candidateOf(username, state);
    candidateCache.set(state, candidate);
    return { state, candidate };
  } catch (error) {
    if (!isActorFailure(error)) throw error;
    return null;
  }
}

function listsOf(all: ReadonlyMap<Username, Operator>): Lists {
  const everybody = [...all.values()].map(({ candidate }) => candidate);
  const byDepartment = new Map<string, Candidate[]>();
  for (const candidate of everybody) {
    for (const department of candidate.departments) {
      const operators = byDepartment.get(department);
      if (operators) operators.push(candidate);
      else byDepartment.set(department, [candidate]);
    }
  }
  const ofEveryDepartment = everybody.filter(({ departments }) => departments.length === 0);
  for (const operators of byDepartment.values()) operators.push(...ofEveryDepartment);
  return { everybody, ofEveryDepartment, byDepartment };
}

/** Operators who may serve the chat, by department and by a claim to the chat. Not all of them are free. */
function candidatesFor({ all, lists }: Operators, chat: ChatTarget): Candidates {
  const { department } = chat;
  const { everybody, byDepartment, ofEveryDepartment } = lists;
  const serving =
    department === null ? everybody : (byDepartment.get(department) ?? ofEveryDepartment);
  const claimants: Candidate[] = [];
  for (const { operator, everywhere } of claimsOf(chat)) {
    const candidate = all.get(operator)?.candidate;
    if (candidate && (everywhere || serves(candidate, department))) claimants.push(candidate);
  }
  return { serving, claimants };
}

function hasPlaces(operators: Operators, chat: ChatCriteria, terms: Terms, least: number): boolean {
  const { serving, claimants } = candidatesFor(operators, chat);
  let places = 0;
  const isEnough = (candidate: Candidate): boolean => {
    if (isFree(candidate) && isUnderstood(candidate, chat, terms))
      places += candidate.capacity - candidate.load;
    return places >= least;
  };
  const others = () => new Set(claimants.filter((each) => !serves(each, chat.department)));
  return serving.some(isEnough) || [...others()].some(isEnough);
}

function freePlacesOf({ all }: Operators): FreePlaces {
  const free = [...all.values()].map(({ candidate }) => candidate).filter(isFree);
  return {
    all: free.some(({ departments }) => departments.length === 0),
    departments: [...new Set(free.flatMap(({ departments }) => departments))],
    operators: free.map(({ username }) => username),
  };
}

function change(operators: Operators, { candidate }: Operator, changes: Partial<Candidate>): void {
  const { departments } = candidate;
  Object.assign(candidate, changes);
  if (!isFree(candidate)) operators.free = null;
  if (candidate.departments !== departments) operators.lists = listsOf(operators.all);
}

/** Reads the operator's stream, and keeps the load at `leastLoad` or above: the places of a pass only fall. */
async function refresh(operators: Operators, username: Username, leastLoad: number): Promise<void> {
  const operator = operators.all.get(username);
  if (!operator) return;
  const fresh = await operators.read(username);
  if (!fresh) {
    change(operators, operator, { availability: 'offline' });
    return;
  }
  operator.state = fresh.state;
  const { openOffers } = operator.candidate;
  const chats = Math.max(fresh.candidate.load, leastLoad);
  change(operators, operator, { ...fresh.candidate, openOffers, load: chats });
}

function poolOf(operators: Operators): Pool {
  const { all, elsewhere } = operators;
  return {
    candidates: (chat) => candidatesFor(operators, chat),
    hasPlaces: (chat, terms, least) => hasPlaces(operators, chat, terms, least),
    chatsOf: (department) => {
      const loads = [...[...all.values()].map(({ candidate }) => candidate.loadOf), ...elsewhere];
      return loads.reduce((sum, loadOf) => sum + (loadOf[department ?? ''] ?? 0), 0);
    },
    free() {
      operators.free ??= freePlacesOf(operators);
      return operators.free;
    },
    async isCurrent(username) {
      const operator = all.get(username);
      const fresh = await operators.read(username);
      if (!operator || fresh?.state === operator.state) return true;
      await refresh(operators, username, operator.candidate.load);
      return false;
    },
    addChat(username, department, at) {
      const operator = all.get(username);
      if (!operator) return;
      const { load: chats, loadOf } = operator.candidate;
      const counted = department === null ? loadOf : withOneMore(loadOf, department);
      change(operators, operator, { load: chats + 1, loadOf: counted, lastChatAt: at });
    },
    addOffer(usernames) {
      for (const username of usernames) {
        const candidate = all.get(username)?.candidate;
        if (candidate) candidate.openOffers += 1;
      }
    },
    async afterReservation(username, reserved) {
      const operator = all.get(username);
      if (operator) {
        await refresh(operators, username, operator.candidate.load - (reserved ? 0 : 1));
      }
    },
  };
}

export function createPools(actors: Actors): Pools {
  return {
    async open(tenant, usernames, offers, withFull = false) {
      const read: ReadOperator = (username) => readOperator(actors, tenant, username);
      const all = new Map<Username, Operator>();
      const elsewhere: Candidate['loadOf'][] = [];
      for (const username of usernames) {
        const snapshot = await read(username);
        if (!snapshot) continue;
        if (!isFree(snapshot.candidate) && !(withFull && isThere(snapshot.candidate))) {
          elsewhere.push(snapshot.candidate.loadOf);
          continue;
        }
        const candidate = { ...snapshot.candidate, openOffers: offers.get(username) ?? 0 };
        all.set(username, { state: snapshot.state, candidate });
      }
      return poolOf({ read, all, elsewhere, lists: listsOf(all), free: null });
    },
  };
}
