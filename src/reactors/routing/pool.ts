/**
 * A tenant's operators with free places: read for a pass, and counted down while it gives chats away. In a pass places
 * only become fewer: what somebody frees meanwhile is for the next one, which begins again with the oldest chat.
 */
import type { TenantId, Username } from '../../actors/ids.ts';
import { load, type OperatorState } from '../../actors/operator/decisions.ts';
import { type Candidate, hasRoom, type Policy, type Sought } from '../../actors/selection.ts';
import { isActorFailure } from '../../errors.ts';
import type { Actors } from '../../runtime/ports.ts';
import type { FreePlaces } from './tables.ts';

/** How a chat is looked up here: by its department, or by the persons that it belongs with. */
type Wanted = Pick<Sought, 'department' | 'invitedBy' | 'lastOperator' | 'transferredBy'>;
type Asked = Wanted & Pick<Sought, 'offered' | 'passed'>;

export interface Pool {
  /** Who has a free place and may serve this chat: those of the department, and whom it belongs with. */
  candidates(chat: Wanted): Candidate[];
  /**
   * Whether one of them was not asked before; `later`: of a broadcast, those are asked about as many chats as they have
   * places. A quick look: most waiting chats are settled by it.
   */
  look(chat: Asked, policy: Policy): 'fresh' | 'later' | 'none';
  /** Whether those who may serve this chat have so many places left together. */
  hasPlaces(chat: Wanted, least: number): boolean;
  /** Whether somebody has a free place, and for which chats. */
  free(): FreePlaces;
  /** Looks at the operator's stream once more. @returns false when it has moved: then choose again */
  confirm(operator: Username): Promise<boolean>;
  /** Counts a chat that is about to be given, before the operator's stream has it. */
  hold(operator: Username, department: string | null, at: number): void;
  /** Counts a broadcast's chat that these are about to be asked of. */
  ask(operators: readonly Username[]): void;
  /** The stream has answered: it has the chat now, or has refused it. */
  settle(operator: Username, taken: boolean): Promise<void>;
}

export interface Pools {
  /**
   * Reads the streams of these operators, most of which are in memory; who cannot be read is left out.
   * @param asked of how many chats of broadcasts they are asked now
   */
  open(
    tenant: TenantId,
    operators: readonly Username[],
    asked: ReadonlyMap<Username, number>,
  ): Promise<Pool>;
}

/** An operator's streams are read again and again: what was made of a state is kept as long as that state is. */
const made = new WeakMap<object, Candidate>();

interface Entry {
  candidate: Candidate;
  /** The state that it was made of. */
  state: object;
}

type Read = { readonly state: object; readonly candidate: Candidate };

export function createPools(actors: Actors): Pools {
  async function read(tenant: TenantId, username: Username): Promise<Read | null> {
    try {
      const state = await actors.operator(tenant, username).state();
      if (!state) return null;
      const candidate = made.get(state) ?? candidateOf(username, state);
      made.set(state, candidate);
      return { state, candidate };
    } catch (error) {
      if (!isActorFailure(error)) throw error;
      return null;
    }
  }
  return {
    async open(tenant, operators, asked) {
      const entries = new Map<Username, Entry>();
      for (const username of operators) {
        const found = await read(tenant, username);
        if (!found || !isFree(found.candidate)) continue;
        const candidate = { ...found.candidate, asked: asked.get(username) ?? 0 };
        entries.set(username, { ...found, candidate });
      }
      return poolOf(entries, (username) => read(tenant, username));
    },
  };
}

function candidateOf(username: Username, { availability, context }: OperatorState): Candidate {
  const loadOf: Record<string, number> = Object.create(null); // by names that people chose
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
    asked: 0, // the operator's stream does not know
    lastChatAt: context.lastChatAt,
  };
}

const isFree = ({ registered, availability, load: has, capacity }: Candidate): boolean =>
  registered && availability === 'available' && has < capacity;

function poolOf(
  entries: Map<Username, Entry>,
  read: (username: Username) => Promise<Read | null>,
): Pool {
  /** Who serves which department, and who serves all. Those who are full by now are skipped when asked for. */
  const serving = new Map<string, Entry[]>();
  const servingAll: Entry[] = [];
  for (const entry of entries.values()) {
    const { departments } = entry.candidate;
    if (departments.length === 0) servingAll.push(entry);
    for (const department of departments) {
      const list = serving.get(department);
      if (list) list.push(entry);
      else serving.set(department, [entry]);
    }
  }

  /** Each once, department first, then the persons who are not of it. */
  function* ableFor({ department, ...persons }: Wanted): Generator<Candidate> {
    const lists = department === null ? [entries.values()] : [serving.get(department), servingAll];
    for (const list of lists) {
      for (const { candidate } of list ?? []) if (isFree(candidate)) yield candidate;
    }
    if (department === null) return;
    const names = new Set([persons.transferredBy, persons.invitedBy, persons.lastOperator]);
    for (const name of names) {
      const person = name === null ? undefined : entries.get(name)?.candidate;
      if (!person || !isFree(person) || person.departments.length === 0) continue;
      if (!person.departments.includes(department)) yield person;
    }
  }

  let free: FreePlaces | null = null;
  function whoIsFree(): FreePlaces {
    const able = [...entries.values()].map((entry) => entry.candidate).filter(isFree);
    return {
      all: able.some(({ departments }) => departments.length === 0),
      departments: [...new Set(able.flatMap(({ departments }) => departments))],
      operators: able.map(({ username }) => username),
    };
  }
  function becomes(entry: Entry, candidate: Candidate): void {
    entry.candidate = candidate;
    if (!isFree(candidate)) free = null;
  }

  /** What the stream says, but no more free places than are counted here. */
  async function refresh(username: Username, least: number): Promise<void> {
    const entry = entries.get(username);
    if (!entry) return;
    const found = await read(username);
    if (!found) {
      becomes(entry, { ...entry.candidate, availability: 'offline' });
      return;
    }
    entry.state = found.state;
    const { asked } = entry.candidate;
    becomes(entry, { ...found.candidate, asked, load: Math.max(found.candidate.load, least) });
  }

  return {
    candidates: (chat) => [...ableFor(chat)],
    look(chat, policy) {
      const { offered, passed, transferredBy, invitedBy, lastOperator } = chat;
      // Whom the chat belongs with gets it, whatever else he is asked.
      const persons = offered.length > 0 ? [] : [transferredBy, invitedBy, lastOperator];
      let found: 'later' | 'none' = 'none';
      for (const candidate of ableFor(chat)) {
        const { username } = candidate;
        if (offered.includes(username) || passed.includes(username)) continue;
        const now = policy !== 'broadcast' || hasRoom(candidate) || persons.includes(username);
        if (now) return 'fresh';
        found = 'later';
      }
      return found;
    },
    hasPlaces(chat, least) {
      let places = 0;
      for (const { capacity, load: has } of ableFor(chat)) {
        places += capacity - has;
        if (places >= least) return true;
      }
      return false;
    },
    free() {
      free ??= whoIsFree();
      return free;
    },
    async confirm(username) {
      const entry = entries.get(username);
      const found = await read(username);
      if (!entry || found?.state === entry.state) return true;
      await refresh(username, entry.candidate.load);
      return false;
    },
    hold(username, department, at) {
      const entry = entries.get(username);
      if (!entry) return;
      const { load: before, loadOf } = entry.candidate;
      const counted = department === null ? loadOf : withOne(loadOf, department);
      becomes(entry, { ...entry.candidate, load: before + 1, loadOf: counted, lastChatAt: at });
    },
    ask(operators) {
      for (const username of operators) {
        const entry = entries.get(username);
        if (entry) entry.candidate = { ...entry.candidate, asked: entry.candidate.asked + 1 };
      }
    },
    async settle(username, taken) {
      const entry = entries.get(username);
      if (entry) await refresh(username, entry.candidate.load - (taken ? 0 : 1));
    },
  };
}

const withOne = (counts: Readonly<Record<string, number>>, name: string) =>
  Object.assign(Object.create(null), counts, { [name]: (counts[name] ?? 0) + 1 });
