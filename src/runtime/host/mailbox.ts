/**
 * One work at a time for each name, in the order in which they came, with a bound on how many wait. Works of callers who
 * are bounded themselves may come on top of that bound.
 */
import { AppError } from '../../errors.ts';

interface Mailbox {
  /** Settles when the last work of the mailbox is done. */
  tail: Promise<unknown>;
  /** Works that wait or run. */
  waiting: number;
  /** Those of them that count against the bound. */
  bounded: number;
}

export class Mailboxes {
  readonly #boxes = new Map<string, Mailbox>();
  readonly #most: number;
  #waiting = 0;

  /** @param most bounded works that may wait for one name, the running one included */
  constructor(most: number) {
    this.#most = most;
  }

  /** Works that wait or run, over all names. */
  get waiting(): number {
    return this.#waiting;
  }

  /**
   * @param bounded false: the work neither counts against the bound nor is it refused
   * @throws {AppError} `overloaded` when the mailbox of this name is full
   */
  run<T>(name: string, work: () => Promise<T>, bounded = true): Promise<T> {
    const box = this.#boxes.get(name) ?? { tail: Promise.resolve(), waiting: 0, bounded: 0 };
    if (bounded && box.bounded >= this.#most) {
      return Promise.reject(
        new AppError('overloaded', `${this.#most} commands wait for ${name}; try again later`),
      );
    }
    this.#boxes.set(name, box);
    box.waiting++;
    if (bounded) box.bounded++;
    this.#waiting++;
    const result = box.waiting === 1 ? work() : box.tail.then(work);
    const done = result.then(
      () => this.#leave(name, box, bounded),
      () => this.#leave(name, box, bounded),
    );
    box.tail = done;
    return result;
  }

  /** Resolves when no work waits or runs. */
  async drain(): Promise<void> {
    while (this.#boxes.size > 0) {
      await Promise.all([...this.#boxes.values()].map((box) => box.tail));
    }
  }

  #leave(name: string, box: Mailbox, bounded: boolean): void {
    box.waiting--;
    if (bounded) box.bounded--;
    this.#waiting--;
    if (box.waiting === 0) this.#boxes.delete(name);
  }
}
