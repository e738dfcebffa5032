/** What an actor has carried out already, so that a command twice yields its facts once, across restarts. */

/** A webhook event by its queue and number (docs/contracts.md). */
export interface Hook {
  readonly queueId: string;
  readonly seq: number;
}

export type SeenSummary = {
  commands: [id: string, at: number][];
  hooks: { [queueId: string]: number };
};

/** Commands are remembered for this long, in ms … */
const KEEP_FOR = 24 * 3600 * 1000;
/** … and at least this many of the last … */
const KEEP_AT_LEAST = 256;
/** … but never more than this many, whatever a caller sends. */
const KEEP_AT_MOST = 4096;
/** Queues are made anew when a spool is wiped: a handful in the life of an actor. */
const QUEUES_AT_MOST = 32;

/** Ids that the service made for a request that carried none: nobody can repeat them. */
export const AUTOMATIC = 'auto:';

/**
 * The memory of one actor. Mutable, because it grows with every fact; only facts that are stored are added to it.
 */
export class Seen {
  #commands = new Map<string, number>();
  #hooks = new Map<string, number>();

  hasCommand(id: string): boolean {
    return this.#commands.has(id);
  }

  /** Numbers of one queue reach an actor in order, so all up to the highest were carried out. */
  hasHook(hook: Hook): boolean {
    return hook.seq <= (this.#hooks.get(hook.queueId) ?? -1);
  }

  remember(commandId: string, at: number, hook?: Hook): void {
    if (hook) this.#raise(hook.queueId, hook.seq);
    if (commandId.startsWith(AUTOMATIC)) return;
    this.#commands.set(commandId, at);
    if (this.#commands.size > KEEP_AT_LEAST) this.#forget(at);
  }

  /** Adds what a summary says: it comes before what is remembered already, since the oldest go first. */
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
    this.#hooks.delete(queueId); // to the end: the oldest queue is the first to go
    this.#hooks.set(queueId, Math.max(known, seq));
    if (this.#hooks.size > QUEUES_AT_MOST) {
      const oldest = this.#hooks.keys().next();
      if (!oldest.done) this.#hooks.delete(oldest.value);
    }
  }

  #forget(now: number): void {
    for (const [id, at] of this.#commands) {
      if (this.#commands.size <= KEEP_AT_LEAST) return;
      if (this.#commands.size <= KEEP_AT_MOST && now - at < KEEP_FOR) return;
      this.#commands.delete(id);
    }
  }
}
