/** Remembers which commands an actor has carried out, so that a repeat has no effect, also after a restart. */
import { shortHash } from '../../kit/hash.ts';

/** A webhook event of mod_lhc, by its queue and its number in that queue (docs/contracts.md). */
export interface Hook {
  readonly queueId: string;
  readonly seq: number;
}

/**
 * What a person said by a client that may send it again on another stream (docs/adr/0030). It is part of a fact's
 * metadata.
 */
export interface Said {
  /** Stands for who said which words to whom, with which id. */
  readonly key: string;
  /** When, in ms since 1970. */
  readonly at: number;
  /** The client's session. A resumption keeps it (XEP-0198). Absent if it is unknown. */
  readonly session?: string;
  /** How often the session had been resumed. */
  readonly resumptions?: number;
  /** True if nobody makes an id like this one twice. */
  readonly unique?: boolean;
}

/** The memory of an actor as JSON. Ids are hashes, the oldest first. */
export type SeenSummary = {
  /** The third part is the fingerprint of the request, where the caller chose the id. */
  commandHashes: ([hash: string, at: number] | [hash: string, at: number, request: string])[];
  queueHashes: [hash: string, seq: number][];
  /** Absent if there is nothing. A session that is unknown is ''. */
  said?: [hash: string, at: number, sessionHash: string, resumptions: number][];
};

/** The memory as release 0.1.0 stored it in `CleanedUp`, with ids in full. */
type SummaryOfFullIds = {
  commands: [id: string, at: number][];
  hooks: { [queueId: string]: number };
};

/** Where a stored fact came from, beside its command. */
export interface Source {
  readonly hook?: Hook | undefined;
  readonly said?: Said | undefined;
  /** A keyed fingerprint of what the caller asked for, if the caller chose the command's id. */
  readonly request?: string | undefined;
}

/** Commands are remembered for this long. */
export const COMMAND_MEMORY_MS = 24 * 3600 * 1000;
/** The last commands are remembered beyond {@link COMMAND_MEMORY_MS}, up to this many. */
export const COMMAND_MEMORY_MIN_COMMANDS = 256;
/** No more commands than this are remembered, however many a caller sends. */
export const COMMAND_MEMORY_MAX_COMMANDS = 4096;
/** Queues are remembered up to this many. mod_lhc has a new queue when its spool is wiped, which is rare. */
export const QUEUE_MEMORY_MAX_QUEUES = 32;
/**
 * What is said again on another stream within this time is a repeat. A client sends it when it has resumed its session or
 * logged in anew. ejabberd keeps a session for 5 minutes by default (`resume_timeout`).
 */
export const REPEAT_WINDOW_MS = 10 * 60 * 1000;
/** What was said is remembered up to so many messages. That is more than a client may send at once. */
export const SAID_MEMORY_MAX_MESSAGES = 256;
/** A summary as JSON is never larger, however long the ids of commands are. Full, it has 214,000 bytes. */
export const MEMORY_MAX_BYTES = 220_000;

/** Prefix of the command ids of messages: the id of a message follows. */
export const OF_MESSAGE = 'msg:';
/** Prefix of command ids that callers choose: an Idempotency-Key follows. */
export const OF_KEY = 'key:';
/** Prefix of command ids that the service makes for requests without an id. Nobody can repeat them. */
export const AUTOMATIC = 'auto:';

/** The first characters of a fingerprint name its key. */
export const FINGERPRINT_KEY_CHARACTERS = 2;

/** True if two fingerprints are of different texts. Of two keys (the service secret was changed) nobody knows. */
export const saysOther = (known: string, given: string): boolean =>
  known !== given &&
  known.slice(0, FINGERPRINT_KEY_CHARACTERS) === given.slice(0, FINGERPRINT_KEY_CHARACTERS);

/** The memory of one actor. It is mutable, because it grows with each fact. Only stored facts are added. */
export class Seen {
  /** By the hash of the command's id. */
  #commands = new Map<string, number>();
  /** What the requests said whose commands are remembered, as a fingerprint, by the hash of the command's id. */
  #requests = new Map<string, string>();
  /** By the hash of the queue's id. */
  #hooks = new Map<string, number>();
  /** The last time that something was said, by the hash of its key. */
  #said = new Map<string, { at: number; session: string; resumptions: number }>();

  hasCommand(id: string): boolean {
    return !id.startsWith(AUTOMATIC) && this.#commands.has(shortHash(id));
  }

  /** Events of one queue reach an actor in order. So all events up to the highest number have been carried out. */
  hasHook(hook: Hook): boolean {
    return hook.seq <= (this.#hooks.get(shortHash(hook.queueId)) ?? -1);
  }

  /** True if another request had this command id. False for an id that is not remembered. */
  wasOtherRequest(id: string, request: string): boolean {
    const known = this.#requests.get(shortHash(id));
    return known !== undefined && saysOther(known, request);
  }

  /**
   * True if this repeats what was said on another stream, a short time ago: on an earlier stream of the same session, or,
   * with an id that nobody makes twice, by another login. On one stream nothing is repeated: who says the same there twice
   * means it twice.
   */
  wasSaid({ key, at, session, resumptions = 0, unique = false }: Said): boolean {
    const before = this.#said.get(shortHash(key));
    if (!before || Math.abs(at - before.at) > REPEAT_WINDOW_MS) return false;
    const isSameSession = session !== undefined && shortHash(session) === before.session;
    return isSameSession ? before.resumptions < resumptions : unique;
  }

  /**
   * Adds the command of a stored fact.
   * @param at time of the fact, in ms since 1970
   */
  remember(commandId: string, at: number, { hook, said, request }: Source = {}): void {
    if (hook) this.#raise(shortHash(hook.queueId), hook.seq);
    if (said) this.#say(said);
    if (commandId.startsWith(AUTOMATIC)) return;
    const hash = shortHash(commandId);
    this.#commands.set(hash, at);
    if (request !== undefined) this.#requests.set(hash, request);
    if (this.#commands.size > COMMAND_MEMORY_MIN_COMMANDS) this.#forget(at);
  }

  /** Adds a summary. Its entries count as older than those that are here already. */
  merge(summary: SeenSummary | SummaryOfFullIds): void {
    const commands = this.#commands;
    const requests = this.#requests;
    const hooks = this.#hooks;
    const said = this.#said;
    const older = 'commands' in summary ? hashed(summary) : summary;
    this.#commands = new Map();
    this.#requests = new Map();
    for (const [hash, at, request] of older.commandHashes) {
      this.#commands.set(hash, at);
      if (request !== undefined) this.#requests.set(hash, request);
    }
    for (const [hash, request] of requests) this.#requests.set(hash, request);
    this.#hooks = new Map(older.queueHashes);
    this.#said = new Map();
    for (const [hash, at, session, resumptions] of older.said ?? []) {
      this.#said.set(hash, { at, session, resumptions });
    }
    for (const [hash, last] of said) this.#sayHashed(hash, last);
    for (const [hash, at] of commands) this.#commands.set(hash, at);
    for (const [hash, seq] of hooks) this.#raise(hash, seq);
    let latest = 0;
    for (const at of this.#commands.values()) latest = at; // as the last call of `remember`
    this.#forget(latest);
  }

  summary(): SeenSummary {
    const said = [...this.#said].map(
      ([hash, { at, session, resumptions }]): [string, number, string, number] => [
        hash,
        at,
        session,
        resumptions,
      ],
    );
    return {
      commandHashes: [...this.#commands].map(([hash, at]) => {
        const request = this.#requests.get(hash);
        return request === undefined ? [hash, at] : [hash, at, request];
      }),
      queueHashes: [...this.#hooks],
      ...(said.length > 0 && { said }),
    };
  }

  #say({ key, at, session, resumptions = 0 }: Said): void {
    const hash = session === undefined ? '' : shortHash(session);
    this.#sayHashed(shortHash(key), { at, session: hash, resumptions });
  }

  #sayHashed(key: string, last: { at: number; session: string; resumptions: number }): void {
    this.#said.delete(key); // moves to the end: the oldest is at the front
    this.#said.set(key, last);
    for (const [oldest, { at }] of this.#said) {
      const isFull = this.#said.size > SAID_MEMORY_MAX_MESSAGES;
      if (!isFull && last.at - at <= REPEAT_WINDOW_MS) return;
      this.#said.delete(oldest);
    }
  }

  #raise(queue: string, seq: number): void {
    const known = this.#hooks.get(queue) ?? -1;
    this.#hooks.delete(queue); // moves to the end: the queue at the front is dropped first
    this.#hooks.set(queue, Math.max(known, seq));
    if (this.#hooks.size > QUEUE_MEMORY_MAX_QUEUES) {
      const oldest = this.#hooks.keys().next();
      if (!oldest.done) this.#hooks.delete(oldest.value);
    }
  }

  #forget(now: number): void {
    for (const [id, at] of this.#commands) {
      if (this.#commands.size <= COMMAND_MEMORY_MIN_COMMANDS) return;
      if (this.#commands.size <= COMMAND_MEMORY_MAX_COMMANDS && now - at < COMMAND_MEMORY_MS)
        return;
      this.#commands.delete(id);
      this.#requests.delete(id);
    }
  }
}

const hashed = ({ commands, hooks }: SummaryOfFullIds): SeenSummary => ({
  commandHashes: commands.map(([id, at]) => [shortHash(id), at]),
  queueHashes: Object.entries(hooks).map(([queueId, seq]) => [shortHash(queueId), seq]),
});
