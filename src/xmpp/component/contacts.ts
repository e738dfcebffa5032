/**
 * The visitors that operators should see, and what mod_lhc has of them. Only differences are sent: several in one IQ, the
 * latest presence of each visitor, and what has no answer goes again on the next stream.
 */
import { AppError } from '../../errors.ts';
import type { VisitorPresence } from '../port.ts';
import { contactHash, contactXml, goneXml } from './contact-stanzas.ts';

/** Contacts in one IQ at most: mod_lhc's bound. */
export const CONTACTS_PER_IQ = 100;
/** An IQ is shorter, in bytes: ejabberd's bound of a stanza in the example configuration is 524,288. */
export const CONTACTS_IQ_BYTES = 150_000;
/** IQs without an answer at most. */
export const CONTACT_IQS_AT_ONCE = 4;
/** How long a change waits for others while an IQ has no answer yet, in ms. Its answer ends the wait too. */
export const CONTACTS_DELAY_MS = 20;
/** The same while mod_lhc has nothing to do: for what comes in the same moment. */
const SAME_MOMENT_MS = 1;

export interface ContactsOptions {
  /**
   * Sends entries of an IQ. Resolves when mod_lhc has taken them all.
   * @throws {AppError} none was taken. With `details.mayBeOne`, one of them may be the cause
   */
  readonly send: (entries: readonly string[]) => Promise<void>;
  /** The hash of a visitor's picture, in hex. */
  readonly photoOf: (jid: string) => string;
  /** The visitor is shown now, and was not before. */
  readonly onShown: (jid: string) => void;
}

interface Entry {
  readonly jid: string;
  /** What operators should see; null: nothing. */
  presence: VisitorPresence | null;
  /** Of `presence`. */
  hash: string | null;
  photo: string;
  /** Nothing is to stay of the contact. */
  isForGood: boolean;
  /** The hash that mod_lhc has; null: it has no such contact; undefined: nobody knows. */
  has: string | null | undefined;
  /** It is in an IQ that has no answer yet. */
  isSending: boolean;
  /** {@link ContactsOptions.onShown} was called. */
  isTold: boolean;
  /** Until this time of `performance.now()` the visitor is kept for a hand-over. */
  releasedUntil: number | undefined;
  /** For everybody who waits until mod_lhc has what is wanted. */
  done: PromiseWithResolvers<void> | undefined;
}

export class Contacts {
  readonly #options: ContactsOptions;
  readonly #entries = new Map<string, Entry>();
  /** Entries that have to be sent, oldest first. */
  readonly #dirty = new Set<Entry>();
  /** Entries whose `isSending` is true. */
  readonly #inIqs = new Set<Entry>();
  /** Entries that were released. */
  readonly #released = new Set<Entry>();
  #isUp = false;
  /** Counts streams: answers of an older one are not heard. */
  #epoch = 0;
  #sending = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ContactsOptions) {
    this.#options = options;
  }

  /** Resolves when mod_lhc has this presence, or a newer one. @returns false if it has it already */
  async show(jid: string, presence: VisitorPresence): Promise<boolean> {
    const entry = this.#entryOf(jid);
    this.#unrelease(entry);
    entry.presence = presence;
    entry.isForGood = false;
    entry.photo ||= this.#options.photoOf(jid);
    entry.hash = contactHash({ jid, presence, photo: entry.photo });
    return this.#want(entry);
  }

  /**
   * Resolves when mod_lhc has no such contact any more.
   * @param isForGood nothing is to stay of the contact, in operators' rosters either
   */
  async hide(jid: string, isForGood = false): Promise<void> {
    const entry = isForGood ? this.#entryOf(jid) : this.#entries.get(jid);
    if (!entry) return;
    this.#unrelease(entry);
    // mod_lhc has to be told, whether it has the contact or not.
    if (isForGood && !entry.isForGood) entry.has = undefined;
    entry.isForGood ||= isForGood;
    entry.presence = null;
    entry.hash = null;
    entry.isTold = false;
    await this.#want(entry);
  }

  /** As `ComponentTransport.found` (src/xmpp/port.ts) has it. */
  found(jid: string, hash: string | null): void {
    const known = this.#entries.get(jid);
    if (!known && hash === null) return;
    const entry = known ?? this.#entryOf(jid);
    if (entry.isSending) return; // that answer is newer
    if (entry.isForGood) return; // it has to be sent, whatever there is
    entry.has = hash;
    const isNeeded = entry.presence !== null && entry.releasedUntil === undefined;
    if (isNeeded && entry.hash !== hash) this.#mark(entry);
    this.#settle(entry);
  }

  /** The contact stays. The visitor is forgotten after this time, unless somebody shows or hides them before. */
  release(jid: string, withinMs: number, now: number): void {
    const entry = this.#entries.get(jid);
    if (!entry) return;
    entry.releasedUntil = Math.min(entry.releasedUntil ?? Number.POSITIVE_INFINITY, now + withinMs);
    entry.isTold = false;
    // The next owner may change it.
    entry.has = undefined;
    this.#dirty.delete(entry);
    this.#released.add(entry);
    this.#fail(entry, new AppError('unavailable', `another process owns ${jid} now`));
  }

  /** Forgets whom another process has taken over. To be called from time to time. */
  sweep(now: number): void {
    for (const entry of this.#released) {
      if ((entry.releasedUntil ?? 0) > now || entry.isSending) continue;
      this.#released.delete(entry);
      this.#entries.delete(entry.jid);
    }
  }

  /** True if operators see the visitor, as far as this process knows. */
  isShown(jid: string): boolean {
    const entry = this.#entries.get(jid);
    return entry !== undefined && isShown(entry);
  }

  /** True if something of the visitor is wanted, or has still to be said. */
  isKnown(jid: string): boolean {
    return this.#entries.has(jid);
  }

  /** True if the visitor is to be shown, and mod_lhc has not taken them yet. */
  isOnTheWay(jid: string): boolean {
    const entry = this.#entries.get(jid);
    return entry !== undefined && entry.presence !== null && !isShown(entry);
  }

  /** What a visitor looks like who should be seen. */
  presenceOf(jid: string): { presence: VisitorPresence; photo: string } | null {
    const entry = this.#entries.get(jid);
    return entry?.presence ? { presence: entry.presence, photo: entry.photo } : null;
  }

  /** Visitors who should be seen, without those that were released. */
  jids(): string[] {
    return [...this.#entries.values()]
      .filter(({ presence, releasedUntil }) => presence !== null && releasedUntil === undefined)
      .map(({ jid }) => jid);
  }

  /** There is a stream: what is not taken is sent. */
  attach(): void {
    this.#isUp = true;
    this.#epoch += 1;
    this.#sending = 0;
    this.flush();
  }

  /** There is no stream: everybody who waits gets this error. */
  detach(error: AppError): void {
    this.#isUp = false;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const entry of this.#inIqs) {
      entry.isSending = false;
      entry.has = undefined;
      entry.isTold = false;
      if (entry.releasedUntil === undefined) this.#dirty.add(entry);
    }
    this.#inIqs.clear();
    for (const entry of this.#dirty) this.#fail(entry, error);
  }

  /** True if mod_lhc has everything. */
  get isSettled(): boolean {
    return this.#dirty.size === 0 && this.#sending === 0;
  }

  #entryOf(jid: string): Entry {
    let entry = this.#entries.get(jid);
    if (!entry) {
      entry = {
        jid,
        presence: null,
        hash: null,
        photo: '',
        isForGood: false,
        has: undefined,
        isSending: false,
        isTold: false,
        releasedUntil: undefined,
        done: undefined,
      };
      this.#entries.set(jid, entry);
    }
    return entry;
  }

  #unrelease(entry: Entry): void {
    entry.releasedUntil = undefined;
    this.#released.delete(entry);
  }

  async #want(entry: Entry): Promise<boolean> {
    if (entry.has === entry.hash && !entry.isSending) {
      this.#settle(entry);
      return false;
    }
    this.#tell(entry); // mod_lhc has another presence of them
    entry.done ??= withoutWarning(Promise.withResolvers<void>());
    const { promise } = entry.done;
    if (!entry.isSending) this.#mark(entry);
    await promise;
    return true;
  }

  /** It has to be sent. */
  #mark(entry: Entry): void {
    this.#dirty.add(entry);
    if (!this.#isUp) return;
    if (this.#dirty.size >= CONTACTS_PER_IQ) this.flush();
    else {
      const waitMs = this.#sending > 0 ? CONTACTS_DELAY_MS : SAME_MOMENT_MS;
      this.#timer ??= setTimeout(() => this.flush(), waitMs);
    }
  }

  /** Sends what waits, as far as IQs are free. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    while (this.#isUp && this.#dirty.size > 0 && this.#sending < CONTACT_IQS_AT_ONCE) {
      void this.#send(this.#nextBatch());
    }
  }

  /** Takes entries for one IQ. Who leaves goes first: there is a bound for those who are there. */
  #nextBatch(): Batch {
    const chosen: Entry[] = [];
    for (const entry of this.#dirty) {
      if (chosen.push(entry) === CONTACTS_PER_IQ) break;
    }
    chosen.sort((one, other) => Number(one.hash !== null) - Number(other.hash !== null));
    const batch: Batch = [];
    let bytes = 0;
    for (const entry of chosen) {
      const part = {
        entry,
        hash: entry.hash,
        isForGood: entry.isForGood,
        xml: xmlOf(entry),
      };
      bytes += Buffer.byteLength(part.xml);
      if (batch.length > 0 && bytes > CONTACTS_IQ_BYTES) break;
      batch.push(part);
      this.#dirty.delete(entry);
      entry.isSending = true;
      this.#inIqs.add(entry);
    }
    return batch;
  }

  async #send(batch: Batch): Promise<void> {
    const epoch = this.#epoch;
    this.#sending += 1;
    try {
      await this.#sendAll(batch, epoch);
    } finally {
      if (epoch === this.#epoch) {
        this.#sending -= 1;
        this.flush();
      }
    }
  }

  /** mod_lhc takes all of an IQ or nothing. To find the one that it does not take, the halves are sent. */
  async #sendAll(batch: Batch, epoch: number): Promise<void> {
    try {
      await this.#options.send(batch.map(({ xml }) => xml));
      if (epoch === this.#epoch && this.#isUp) for (const part of batch) this.#taken(part);
    } catch (error) {
      if (epoch !== this.#epoch || !this.#isUp) return; // detach has marked them
      if (!(error instanceof AppError)) throw error;
      if (error.details.mayBeOne !== true || batch.length === 1) {
        for (const part of batch) this.#refused(part, error);
        return;
      }
      const half = Math.ceil(batch.length / 2);
      await this.#sendAll(batch.slice(0, half), epoch);
      await this.#sendAll(batch.slice(half), epoch);
    }
  }

  #taken({ entry, hash, isForGood }: Batch[number]): void {
    this.#isBack(entry);
    const isKnown = entry.releasedUntil === undefined && (isForGood || !entry.isForGood);
    entry.has = isKnown ? hash : undefined;
    if (entry.releasedUntil === undefined && entry.has !== entry.hash) this.#mark(entry);
    this.#settle(entry);
  }

  #isBack(entry: Entry): void {
    entry.isSending = false;
    this.#inIqs.delete(entry);
  }

  #refused({ entry, hash }: Batch[number], error: AppError): void {
    this.#isBack(entry);
    if (error.code === 'unavailable' && error.details.returned !== true) {
      entry.has = undefined;
      entry.isTold = false;
    }
    if (entry.releasedUntil === undefined && entry.hash !== hash) this.#mark(entry);
    else this.#fail(entry, error);
  }

  /** Tells everybody who waits, if mod_lhc has what is wanted. */
  #settle(entry: Entry): void {
    this.#tell(entry);
    if (entry.isSending || entry.has !== entry.hash) return;
    this.#dirty.delete(entry);
    entry.done?.resolve();
    entry.done = undefined;
    if (entry.hash === null) this.#entries.delete(entry.jid);
  }

  /** In the moment in which a visitor is shown: what waits must not be sent before what may be lost. */
  #tell(entry: Entry): void {
    const wasTold = entry.isTold;
    entry.isTold = isShown(entry);
    if (entry.isTold && !wasTold) this.#options.onShown(entry.jid);
  }

  #fail(entry: Entry, error: AppError): void {
    entry.done?.reject(error);
    entry.done = undefined;
  }
}

type Batch = {
  readonly entry: Entry;
  readonly hash: string | null;
  readonly isForGood: boolean;
  readonly xml: string;
}[];

const isShown = ({ presence, has, releasedUntil }: Entry): boolean =>
  presence !== null && releasedUntil === undefined && has !== undefined && has !== null;

const xmlOf = ({ jid, presence, hash, photo, isForGood }: Entry): string =>
  presence === null || hash === null
    ? goneXml(jid, isForGood)
    : contactXml({ jid, presence, photo }, hash);

/** A caller need not wait. */
function withoutWarning<T>(resolvers: PromiseWithResolvers<T>): PromiseWithResolvers<T> {
  resolvers.promise.catch(() => undefined);
  return resolvers;
}
