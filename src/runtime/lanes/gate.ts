/**
 * The way to one tenant's place at one destination: how many lanes run at the same time, and whether any may. While the
 * place is away its lanes leave the memory: the table of pending effects knows them.
 */
import type { Breaker, Outage, PlaceFailure } from '../../kit/breaker.ts';
import type { Destination } from './destination.ts';

/** Lanes that wait in memory for their turn. What is past the bound is found in the table later. */
export const LANES_WAITING = 1_024;
/** Lanes that run at the same time at a place with a breaker, until its answers show that it can bear more. */
export const SLOW_START_LANES = 4;
/** A place that has answered nobody for so long gets no further calls than {@link SLOW_START_LANES}. */
export const SLOW_ANSWER_MS = 2_000;
/** Lanes that fail each for itself try again no more often than one in this time, all lanes of a place together. */
export const FAILING_LANES_SPACING_MS = 100;

export interface GateListener {
  /** There is room, and no lane waits. */
  onRoom(gate: Gate): void;
  /** Lanes were turned away, because too many waited or the gate was shut until now. They have to be found in the table. */
  onMissed(gate: Gate): void;
  /** The place may be tried again, by one lane. */
  onProbe(gate: Gate): void;
  onShut(gate: Gate): void;
  onOpen(gate: Gate): void;
}

export class Gate {
  readonly tenant: string;
  readonly destination: Destination;
  readonly #breaker: Breaker | undefined;
  readonly #listener: GateListener;
  readonly #monotonic: () => number;
  #waiting: ((enters: boolean) => void)[] = [];
  #running = 0;
  #window: number;
  /** When the place answered last, or got its first call after a pause; ms of the monotonic clock. */
  #answeredAt = 0;
  /** Lanes that wait for their own next try. */
  #failing = 0;

  constructor(
    tenant: string,
    destination: Destination,
    listener: GateListener,
    monotonic: () => number,
  ) {
    this.tenant = tenant;
    this.destination = destination;
    this.#listener = listener;
    this.#monotonic = monotonic;
    this.#breaker = destination.breakers?.of(tenant);
    this.#window = this.#breaker
      ? Math.min(SLOW_START_LANES, destination.concurrency)
      : destination.concurrency;
    if (!this.#breaker) return;
    this.#breaker.onChange = () => (this.isShut ? this.#shut() : this.#openAgain());
    this.#breaker.onDue = () => listener.onProbe(this);
  }

  /** No lane may run, but for one probe. */
  get isShut(): boolean {
    return this.#breaker?.isClosed === false;
  }

  get breaker(): Breaker | undefined {
    return this.#breaker;
  }

  get outage(): Outage | null {
    return this.#breaker?.outage ?? null;
  }

  get hasRoom(): boolean {
    return !this.isShut && this.#waiting.length === 0 && this.#running < this.#limit();
  }

  /** Runs a task when it has a turn. @returns null if the lane has to leave: it will be found in the table */
  async turn<T>(task: () => Promise<T>): Promise<T | null> {
    if (!(await this.#enter())) return null;
    try {
      return await task();
    } finally {
      this.#running--;
      this.#letIn();
    }
  }

  succeeded(): void {
    this.#answeredAt = this.#monotonic();
    if (!this.#breaker) return;
    const isFull = this.#running >= this.#window;
    if (isFull) this.#window = Math.min(this.destination.concurrency, this.#window + 1);
    this.#breaker.succeeded();
  }

  failed(stream: string, failure: PlaceFailure): void {
    if (!this.#breaker) return;
    if (failure.away) this.#window = Math.max(this.#least, Math.floor(this.#window / 2));
    else this.#answeredAt = this.#monotonic();
    this.#breaker.failed(stream, failure);
  }

  /** A lane waits for its own next try. @returns the least wait, in ms, for what the lanes of this place cost together */
  backsOff(): number {
    this.#failing++;
    return this.#breaker ? (this.#failing - 1) * FAILING_LANES_SPACING_MS : 0;
  }

  /** The wait that {@link backsOff} began is over. */
  backedOff(): void {
    this.#failing--;
  }

  stop(): void {
    this.#breaker?.stop();
    this.#turnAway();
  }

  get #least(): number {
    return Math.min(SLOW_START_LANES, this.destination.concurrency);
  }

  #limit(): number {
    const silentFor = this.#monotonic() - this.#answeredAt;
    const isSilent = this.#breaker && this.#running > 0 && silentFor > SLOW_ANSWER_MS;
    return isSilent ? Math.min(this.#window, this.#least) : this.#window;
  }

  async #enter(): Promise<boolean> {
    if (this.hasRoom) {
      this.#begin();
      return true;
    }
    if (this.isShut) return false; // the sweep after the outage finds the lane
    if (this.#waiting.length >= LANES_WAITING) {
      this.#listener.onMissed(this);
      return false;
    }
    return new Promise<boolean>((resolve) => this.#waiting.push(resolve));
  }

  #begin(): void {
    if (this.#running === 0) this.#answeredAt = this.#monotonic();
    this.#running++;
  }

  #letIn(): void {
    while (!this.isShut && this.#waiting.length > 0 && this.#running < this.#limit()) {
      this.#begin();
      this.#waiting.shift()?.(true);
    }
    if (this.hasRoom) this.#listener.onRoom(this);
  }

  #shut(): void {
    this.#window = this.#least;
    this.#turnAway();
    this.#listener.onShut(this);
  }

  #turnAway(): void {
    for (const leave of this.#waiting.splice(0)) leave(false);
  }

  #openAgain(): void {
    this.#listener.onOpen(this);
    this.#listener.onMissed(this); // facts that came while it was shut
    this.#letIn();
  }
}
