/**
 * The operators of a tenant who have free places. A pass reads them once and counts down while it gives chats to them.
 * Within a pass the number of places only falls: a place that becomes free is for the next pass, which begins with the
 * oldest chat again.
 */
import type { TenantId, Username } from '../../actors/ids.ts';
import { load, type OperatorState } from '../../actors/operator/decisions.ts';
import {
  type Candidate,
  type ChatCriteria,
  hasRoom,
  type Policy,
} from '../../actors/operator-selection.ts';
import { isActorFailure } from '../../errors.ts';
import type { Actors } from '../../runtime/ports.ts';
import type { FreePlaces } from './table-queries.ts';

/** A chat by its department and by the operators who have a claim to it. */
type ChatTarget = Pick<ChatCriteria, 'department' | 'invitedBy' | 'lastOperator' | 'transferredBy'>;
type ChatHistory = ChatTarget & Pick<ChatCriteria, 'offeredTo' | 'passedBy'>;

/** Who can be asked about a chat. `fresh`: somebody who has not passed it. `again`: only operators who have. `none`: nobody. */
type Prospect = 'fresh' | 'again' | 'none';

export interface Pool {
  /** Operators who have a free place and may serve this chat: those of its department, and those with a claim to it. */
  candidates(chat: ChatTarget): Candidate[];
  /** A quick look, which settles most waiting chats. */
  prospect(chat: ChatHistory, policy: Policy): Prospect;
  /** True if the operators who may serve this chat have at least so many free places together. */
  hasPlaces(chat: ChatTarget, least: number): boolean;
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
   */
  open(
    tenant: TenantId,
    operators: readonly Username[],
    offers: ReadonlyMap<Username, number>,
  ): Promise<Pool>;
}

/** An operator's state as it was read, and the candidate with what this pass counted since. */
interface Snapshot {
  state: object;
  candidate: Candidate;
}
type ReadOperator = (username: Username) => Promise<Snapshot | null>;

/** What the functions of one pool share. */
interface Operators {
  readonly read: ReadOperator;
  /** Operators with a free place when the pass began. */
  readonly all: ReadonlyMap<Username, Snapshot>;
  readonly byDepartment: ReadonlyMap<string, readonly Snapshot[]>;
  readonly ofEveryDepartment: readonly Snapshot[];
  /** The answer of `free`; null after a change. */
  free: FreePlaces | null;
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
    capacity: context.capacity,
    openOffers: 0, // the operator's stream does not know
    lastChatAt: context.lastChatAt,
  };
}

const isFree = ({ registered, availability, load: chats, capacity }: Candidate): boolean =>
  registered && availability === 'available' && chats < capacity;

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

function indexOf(all: ReadonlyMap<Username, Snapshot>, read: ReadOperator): Operators {
  const byDepartment = new Map<string, Snapshot[]>();
  const ofEveryDepartment: Snapshot[] = [];
  for (const operator of all.values()) {
    const { departments } = operator.candidate;
    if (departments.length === 0) ofEveryDepartment.push(operator);
    for (const department of departments) {
      const operators = byDepartment.get(department);
      if (operators) operators.push(operator);
      else byDepartment.set(department, [operator]);
    }
  }
  return { read, all, byDepartment, ofEveryDepartment, free: null };
}

/** Operators who may serve the chat and have a free place, each once: first by department, then by a claim to the chat. */
function* candidatesFor(
  { all, byDepartment, ofEveryDepartment }: Operators,
  { department, transferredBy, invitedBy, lastOperator }: ChatTarget,
): Generator<Candidate> {
  const lists =
    department === null ? [all.values()] : [byDepartment.get(department) ?? [], ofEveryDepartment];
  for (const list of lists) {
    for (const { candidate } of list) if (isFree(candidate)) yield candidate;
  }
  if (department === null) return;
  for (const username of new Set([transferredBy, invitedBy, lastOperator])) {
    const candidate = username === null ? undefined : all.get(username)?.candidate;
    if (!candidate || !isFree(candidate) || candidate.departments.length === 0) continue;
    if (!candidate.departments.includes(department)) yield candidate;
  }
}

function prospectOf(operators: Operators, chat: ChatHistory, policy: Policy): Prospect {
  const { offeredTo, passedBy, transferredBy, invitedBy, lastOperator } = chat;
  // Broadcast offers do not count for an operator with a claim to the chat.
  const claimants = offeredTo.length > 0 ? [] : [transferredBy, invitedBy, lastOperator];
  let prospect: Prospect = 'none';
  for (const candidate of candidatesFor(operators, chat)) {
    const { username } = candidate;
    if (offeredTo.includes(username)) continue;
    const mayBeAsked = policy !== 'broadcast' || hasRoom(candidate);
    if (passedBy.includes(username)) prospect = mayBeAsked ? 'again' : prospect;
    else if (mayBeAsked || claimants.includes(username)) return 'fresh';
  }
  return prospect;
}

function hasPlaces(operators: Operators, chat: ChatTarget, least: number): boolean {
  let places = 0;
  for (const { capacity, load: chats } of candidatesFor(operators, chat)) {
    places += capacity - chats;
    if (places >= least) return true;
  }
  return false;
}

function freePlacesOf({ all }: Operators): FreePlaces {
  const free = [...all.values()].map(({ candidate }) => candidate).filter(isFree);
  return {
    all: free.some(({ departments }) => departments.length === 0),
    departments: [...new Set(free.flatMap(({ departments }) => departments))],
    operators: free.map(({ username }) => username),
  };
}

function update(operators: Operators, operator: Snapshot, candidate: Candidate): void {
  operator.candidate = candidate;
  if (!isFree(candidate)) operators.free = null;
}

/** Reads the operator's stream, and keeps the load at `leastLoad` or above: the places of a pass only fall. */
async function refresh(operators: Operators, username: Username, leastLoad: number): Promise<void> {
  const operator = operators.all.get(username);
  if (!operator) return;
  const fresh = await operators.read(username);
  if (!fresh) {
    update(operators, operator, { ...operator.candidate, availability: 'offline' });
    return;
  }
  operator.state = fresh.state;
  const { openOffers } = operator.candidate;
  const chats = Math.max(fresh.candidate.load, leastLoad);
  update(operators, operator, { ...fresh.candidate, openOffers, load: chats });
}

function poolOf(operators: Operators): Pool {
  const { all } = operators;
  return {
    candidates: (chat) => [...candidatesFor(operators, chat)],
    prospect: (chat, policy) => prospectOf(operators, chat, policy),
    hasPlaces: (chat, least) => hasPlaces(operators, chat, least),
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
      const { candidate } = operator;
      const { loadOf } = candidate;
      const counted = department === null ? loadOf : withOneMore(loadOf, department);
      const changes = { load: candidate.load + 1, loadOf: counted, lastChatAt: at };
      update(operators, operator, { ...candidate, ...changes });
    },
    addOffer(usernames) {
      for (const username of usernames) {
        const operator = all.get(username);
        if (!operator) continue;
        operator.candidate = {
          ...operator.candidate,
          openOffers: operator.candidate.openOffers + 1,
        };
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
    async open(tenant, usernames, offers) {
      const read: ReadOperator = (username) => readOperator(actors, tenant, username);
      const all = new Map<Username, Snapshot>();
      for (const username of usernames) {
        const snapshot = await read(username);
        if (!snapshot || !isFree(snapshot.candidate)) continue;
        const candidate: Candidate = {
          ...snapshot.candidate,
          openOffers: offers.get(username) ?? 0,
        };
        all.set(username, { state: snapshot.state, candidate });
      }
      return poolOf(indexOf(all, read));
    },
  };
}
