/** Remembers which commands an actor has carried out, so that a repeat has no effect, also after a restart. */

/** A webhook event of mod_lhc, by its queue and its number in that queue (docs/contracts.md). */
export interface Hook {
  readonly queueId: string;
  readonly seq: number;
}

/** The memory of an actor as JSON. */
export type SeenSummary = {
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

/** Prefix of command ids that the service makes for requests without an id. Nobody can repeat them. */
export const AUTOMATIC = 'auto:';

/** The memory of one actor. It is mutable, because it grows with each fact. Only stored facts are added. */
export class Seen {
  #commands = new Map<string, number>();
  #hooks = new Map<string, number>();

  hasCommand(id: string): boolean {
    return this.#commands.has(id);
  }

  /** Events of one queue reach an actor in order. So all events up to the highest number have been carried out. */
  hasHook(hook: Hook): boolean {
    return hook.seq <= (this.#hooks.get(hook.queueId) ?? -1);
  }

  /**
   * Adds the command of a stored fact.
   * @param at time of the fact, in ms since 1970
   */
  remember(commandId: string, at: number, hook?: Hook): void {
    if (hook) this.#raise(hook.queueId, hook.seq);
    if (commandId.startsWith(AUTOMATIC)) return;
    this.#commands.set(commandId, at);
    if (this.#commands.size > COMMAND_MEMORY_MIN_COMMANDS) this.#forget(at);
  }

  /** Adds a summary. Its entries count as older than those that are here already. */
  merge(summary: SeenSummary): void {
    const commands = this.#commands;
    const hooks = this.#hooks;
    this.#commands = new Map(summary.commands);
    this.#hooks = new Map(Object.entries(summary.hooks));
    for (const [id, at] of commands) this.#commands.set(id, at);
    for (const [queueId, seq] of hooks) this.#raise(queueId, seq);
  }

  summary(): SeenSummary {
    return { commands: [...this.#commands], hooks: Object.fromEntries(this.#hooks) };
  }

  #raise(queueId: string, seq: number): void {
    const known = this.#hooks.get(queueId) ?? -1;
    this.#hooks.delete(queueId); // moves to the end: the queue at the front is dropped first
    this.#hooks.set(queueId, Math.max(known, seq));
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
