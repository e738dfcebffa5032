/** Remembers which commands an actor has carried out, so that a repeat has no effect, also after a restart. */
import { shortHash } from '../../kit/hash.ts';

/** A webhook event of mod_lhc, by its queue and its number in that queue (docs/contracts.md). */
export interface Hook {
  readonly queueId: string;
  readonly seq: number;
}

/** The memory of an actor as JSON. Ids are hashes, the oldest first. */
export type SeenSummary = {
  commandHashes: [hash: string, at: number][];
  queueHashes: [hash: string, seq: number][];
};

/** The memory as release 0.1.0 stored it in `CleanedUp`, with ids in full. */
type SummaryOfFullIds = {
  commands: [id: string, at: number][];
  hooks: { [queueId: string]: number };
};

/** Commands are remembered for this long. */
export const COMMAND_MEMORY_MS = 24 * 3600 * 1000;
/** The last commands are remembered beyond {@link COMMAND_MEMORY_MS}, up to this many. */
export const COMMAND_MEMORY_MIN_COMMANDS = 256;
/** No more commands than this are remembered, however many a caller sends. */
export const COMMAND_MEMORY_MAX_COMMANDS = 4096;
/** Queues are remembered up to this many. mod_lhc has a new queue when its spool is wiped, which is rare. */
export const QUEUE_MEMORY_MAX_QUEUES = 32;
/** A summary as JSON is never larger, however long the ids of commands are. Full, it has 145,000 bytes. */
export const MEMORY_MAX_BYTES = 150_000;

/** Prefix of command ids that the service makes for requests without an id. Nobody can repeat them. */
export const AUTOMATIC = 'auto:';

/** The memory of one actor. It is mutable, because it grows with each fact. Only stored facts are added. */
export class Seen {
  /** By the hash of the command's id. */
  #commands = new Map<string, number>();
  /** By the hash of the queue's id. */
  #hooks = new Map<string, number>();

  hasCommand(id: string): boolean {
    return !id.startsWith(AUTOMATIC) && this.#commands.has(shortHash(id));
  }

  /** Events of one queue reach an actor in order. So all events up to the highest number have been carried out. */
  hasHook(hook: Hook): boolean {
    return hook.seq <= (this.#hooks.get(shortHash(hook.queueId)) ?? -1);
  }

  /**
   * Adds the command of a stored fact.
   * @param at time of the fact, in ms since 1970
   */
  remember(commandId: string, at: number, hook?: Hook): void {
    if (hook) this.#raise(shortHash(hook.queueId), hook.seq);
    if (commandId.startsWith(AUTOMATIC)) return;
    this.#commands.set(shortHash(commandId), at);
    if (this.#commands.size > COMMAND_MEMORY_MIN_COMMANDS) this.#forget(at);
  }

  /** Adds a summary. Its entries count as older than those that are here already. */
  merge(summary: SeenSummary | SummaryOfFullIds): void {
    const commands = this.#commands;
    const hooks = this.#hooks;
    const { commandHashes, queueHashes } = 'commands' in summary ? hashed(summary) : summary;
    this.#commands = new Map(commandHashes);
    this.#hooks = new Map(queueHashes);
    for (const [hash, at] of commands) this.#commands.set(hash, at);
    for (const [hash, seq] of hooks) this.#raise(hash, seq);
    let latest = 0;
    for (const at of this.#commands.values()) latest = at; // as the last call of `remember`
    this.#forget(latest);
  }

  summary(): SeenSummary {
    return { commandHashes: [...this.#commands], queueHashes: [...this.#hooks] };
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
    }
  }
}

const hashed = ({ commands, hooks }: SummaryOfFullIds): SeenSummary => ({
  commandHashes: commands.map(([id, at]) => [shortHash(id), at]),
  queueHashes: Object.entries(hooks).map(([queueId, seq]) => [shortHash(queueId), seq]),
});
