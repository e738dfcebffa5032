/** How far a lane came, and when that is written down: for several effects at once, so that a crash repeats few. */
import { messageOf } from '../../errors.ts';
import type { RecordedEvent } from '../../eventstore/port.ts';
import { backoff } from '../../kit/backoff.ts';
import type { LaneEnvironment } from './lane.ts';

/** Progress is appended for so many effects, or after so long. */
const EVERY = 32;
const WITHIN_MS = 250;
export const PROGRESS_RETRY = { firstMs: 1_000, mostMs: 10_000 };

export class LaneProgress {
  readonly #stream: string;
  readonly #destination: string;
  readonly #env: LaneEnvironment;
  readonly #settled: () => void;
  /** Done and not in the log yet. */
  #through: { readonly id: string; readonly revision: number } | null = null;
  #effects = 0;
  #timer: NodeJS.Timeout | undefined;
  /** Appends under way. */
  #saving = 0;
  /** Tries that failed, in a row. */
  #failures = 0;

  /** @param settled called when nothing may be left to write down */
  constructor(stream: string, destination: string, env: LaneEnvironment, settled: () => void) {
    this.#stream = stream;
    this.#destination = destination;
    this.#env = env;
    this.#settled = settled;
  }

  /** Something is not in the log yet, or on its way there. */
  get isPending(): boolean {
    return this.#through !== null || this.#timer !== undefined || this.#saving > 0;
  }

  /** This effect was made; waits only when so many were that they are written down. */
  async done({ id, revision }: RecordedEvent): Promise<void> {
    this.#through = { id, revision };
    this.#effects++;
    if (this.#env.stopping.aborted) return; // `save` has it, or it is repeated
    if (this.#effects >= EVERY) await this.save();
    else this.#saveWithin(WITHIN_MS);
  }

  /** This effect was given up. @throws when that cannot be appended: the lane does not go on before it is */
  async dead({ id, revision }: RecordedEvent, reason: string): Promise<void> {
    await this.#append({ id, revision }, reason);
    this.#through = null;
    this.#effects = 0;
  }

  /** Appends how far the lane came. What cannot be appended now is tried again by itself. */
  async save(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const through = this.#through;
    if (!through) return this.#settled();
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
    this.#settled();
  }

  #saveWithin(ms: number): void {
    this.#timer ??= setTimeout(() => this.#env.track(this.save()), ms);
  }

  async #append(through: { id: string; revision: number }, dead?: string): Promise<void> {
    const { log, table } = this.#env;
    this.#saving++;
    try {
      await log.advance(this.#stream, this.#destination, through, dead);
      // The fold will do the same when it comes to the fact; until then it must not be taken for pending.
      table.done(this.#stream, this.#destination, through.revision);
    } finally {
      this.#saving--;
    }
  }
}
