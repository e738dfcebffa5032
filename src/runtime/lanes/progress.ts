/** How far a lane came, and when the log learns of it: once for several effects. A crash repeats only those. */
import { messageOf } from '../../errors.ts';
import type { RecordedEvent } from '../../eventstore/port.ts';
import { backoff, type RetryPolicy } from '../../kit/backoff.ts';
import type { LaneEnvironment } from './lane.ts';
import type { DoneThrough } from './log.ts';

/** Progress is appended after so many effects … */
export const PROGRESS_EFFECTS = 32;
/** … or after so long. */
export const PROGRESS_MS = 250;
/** Waits between the tries to append progress. */
export const PROGRESS_RETRY: RetryPolicy = { firstMs: 1_000, mostMs: 10_000 };

export class LaneProgress {
  readonly #stream: string;
  readonly #destination: string;
  readonly #env: LaneEnvironment;
  readonly #onSave: () => void;
  /** The last effect that is done and not in the log. */
  #through: DoneThrough | null = null;
  /** Effects that are done and not in the log. */
  #effects = 0;
  #timer: NodeJS.Timeout | undefined;
  /** Appends that are running. */
  #saving = 0;
  /** Appends that failed in a row. */
  #failures = 0;

  /** @param onSave called after each try to save: there may be nothing left to write */
  constructor(stream: string, destination: string, env: LaneEnvironment, onSave: () => void) {
    this.#stream = stream;
    this.#destination = destination;
    this.#env = env;
    this.#onSave = onSave;
  }

  /** The log does not have everything yet. */
  get isPending(): boolean {
    return this.#through !== null || this.#timer !== undefined || this.#saving > 0;
  }

  /**
   * The effect of this fact is done. Waits only if the progress has to be appended now.
   * @param atOnce append it now, whatever the number of effects
   */
  async advance(event: RecordedEvent, atOnce: boolean): Promise<void> {
    this.#through = event;
    this.#effects++;
    if (this.#env.stopping.aborted) return; // the stop saves, or the effect is repeated
    if (atOnce || this.#effects >= PROGRESS_EFFECTS) await this.save();
    else this.#saveWithin(PROGRESS_MS);
  }

  /** The effect of this fact was given up. @throws when the append fails: the lane must not go on then */
  async bury(event: RecordedEvent, reason: string): Promise<void> {
    await this.#append(event, reason);
    this.#through = null;
    this.#effects = 0;
  }

  /** Appends the progress. If that fails, it tries again by itself later. */
  async save(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const through = this.#through;
    if (!through) return this.#onSave();
    this.#through = null;
    this.#effects = 0;
    try {
      await this.#append(through);
      this.#failures = 0;
    } catch (error) {
      this.#through ??= through;
      const { logger, stopping, random } = this.#env;
      this.#failures++;
      const level = this.#failures === 1 ? 'warn' : 'debug';
      logger[level]({ lane: this.#stream, reason: messageOf(error) }, 'lane progress not appended');
      if (!stopping.aborted) this.#saveWithin(backoff(this.#failures, PROGRESS_RETRY, random));
    }
    this.#onSave();
  }

  #saveWithin(ms: number): void {
    this.#timer ??= setTimeout(() => this.#env.track(this.save()), ms);
  }

  async #append(through: DoneThrough, dead?: string): Promise<void> {
    const { log, table } = this.#env;
    this.#saving++;
    try {
      await log.advance(this.#stream, this.#destination, through, dead);
      table.remove(this.#stream, this.#destination, through.revision);
    } finally {
      this.#saving--;
    }
  }
}
