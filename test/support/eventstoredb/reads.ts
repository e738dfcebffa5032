/** Reads of a stream and of `$all`, and subscriptions to `$all`. */
import { once } from 'node:events';
import streams from '@eventstore/db-client/generated/streams_pb.js';
import type grpc from '@grpc/grpc-js';
import type { Log, Recorded } from './log.ts';
import { checkpoint, type Failure, failures, identifierOf, nameOf, readEvent } from './messages.ts';

export type ReadCall = grpc.ServerWritableStream<streams.ReadReq, streams.ReadResp>;

const BACKWARDS = 1;
/** Events in a page of a subscription's history. */
const PAGE = 32;

type Place = { readonly commit: number; readonly prepare: number };

/** Thrown to end a call. */
class Refused extends Error {
  readonly failure: Failure;
  constructor(failure: Failure) {
    super(failure.details);
    this.failure = failure;
  }
}

/** A call in progress. Its signal is aborted at its end. */
interface Reading {
  readonly call: ReadCall;
  readonly options: streams.ReadReq.Options;
  readonly over: AbortSignal;
}

/** Waits while the client does not keep up. */
const send = async ({ call, over }: Reading, message: streams.ReadResp): Promise<void> => {
  over.throwIfAborted();
  if (!call.write(message)) await once(call, 'drain', { signal: over });
};

const matcherOf = (
  filter: streams.ReadReq.Options.FilterOptions | undefined,
): ((event: Recorded) => boolean) => {
  const expression = filter?.getStreamIdentifier() ?? filter?.getEventType();
  if (!filter || !expression) return () => true;
  const field = filter.hasStreamIdentifier() ? 'stream' : 'type';
  const prefixes = expression.getPrefixList();
  const regex = new RegExp(expression.getRegex());
  return prefixes.length > 0
    ? (event) => prefixes.some((prefix) => event[field].startsWith(prefix))
    : (event) => regex.test(event[field]);
};

const placeOf = (log: Log, options: streams.ReadReq.Options.AllOptions | undefined): Place => {
  if (!options || options.hasStart()) return { commit: 0, prepare: 0 };
  if (options.hasEnd()) return { commit: log.end, prepare: log.end };
  const position = options.getPosition();
  return {
    commit: Number(position?.getCommitPosition()),
    prepare: Number(position?.getPreparePosition()),
  };
};

const readStream = async (log: Log, reading: Reading): Promise<void> => {
  const { options } = reading;
  const from = options.getStream();
  const name = nameOf(from?.getStreamIdentifier());
  const backwards = options.getReadDirection() === BACKWARDS;
  const count = Number(options.getCount());
  if (count === 0 || (from?.hasEnd() && !backwards)) {
    throw new Refused(failures.unexpected('Unexpected ReadStreamResult: Error'));
  }
  if (log.isTombstoned(name)) throw new Refused(failures.streamDeleted(name));
  if (!log.exists(name)) {
    const missing = new streams.ReadResp.StreamNotFound().setStreamIdentifier(identifierOf(name));
    return send(reading, new streams.ReadResp().setStreamNotFound(missing));
  }
  const end = from?.hasEnd() ? Number.POSITIVE_INFINITY : Number(from?.getRevision());
  let sent = 0;
  for (const event of log.readStream(name, from?.hasStart() ? 0 : end, backwards)) {
    await send(reading, readEvent(event));
    sent += 1;
    if (sent >= count) return;
  }
};

const readAll = async (log: Log, reading: Reading): Promise<void> => {
  const { options } = reading;
  const place = placeOf(log, options.getAll());
  const backwards = options.getReadDirection() === BACKWARDS;
  const count = Number(options.getCount());
  if (!log.isPlace(place.commit) || (backwards && place.commit > log.end)) {
    throw new Refused(failures.unexpected('Unexpected ReadAllResult: Error'));
  }
  const matches = matcherOf(options.getFilter());
  const { events } = log; // as it is now: a scavenge makes another list
  const end = events.length;
  const step = backwards ? -1 : 1;
  let sent = 0;
  let index = log.indexOf(place.commit);
  if (backwards) index -= 1;
  for (; index >= 0 && index < end && sent < count; index += step) {
    const event = events[index];
    if (!event || !matches(event)) continue;
    await send(reading, readEvent(event));
    sent += 1;
  }
};

/**
 * Catches up in pages and goes live. A checkpoint comes after a number of scanned events. In history it comes at the end of
 * a page, with the position of the last match in the page, or else of its first event (with prepare position 0). Live, it
 * comes with the event that completed the number. The count continues from history to live.
 */
const subscribe = async (log: Log, reading: Reading, again: number): Promise<void> => {
  const { options } = reading;
  const place = placeOf(log, options.getAll());
  if (!log.isPlace(place.commit)) {
    throw new Refused(failures.unexpected('Exception was thrown by handler.'));
  }
  const filter = options.getFilter();
  const matches = matcherOf(filter);
  const window = filter?.hasMax() ? filter.getMax() : PAGE;
  const interval = filter ? window * filter.getCheckpointintervalmultiplier() : Number.NaN;
  const confirmed = new streams.ReadResp.SubscriptionConfirmation();
  confirmed.setSubscriptionId(crypto.randomUUID());
  await send(reading, new streams.ReadResp().setConfirmation(confirmed));

  let { events } = log;
  let index = log.indexOf(place.commit);
  // 23.10 begins behind the first event that it finds there, whatever the prepare position. If a scavenge has removed the
  // event of the position, it finds a later one, and that one is left out.
  if (place.commit > 0 && events[index]) index += 1;
  index = Math.max(0, index - again);
  let passed = -1;
  /** The next event. After a scavenge it has another index. */
  const following = (): Recorded | undefined => {
    if (events !== log.events) {
      events = log.events;
      index = log.indexOf(Math.max(passed + 1, place.commit));
    }
    const event = events[index];
    if (event) {
      index += 1;
      passed = event.position;
    }
    return event;
  };
  let scanned = 0;
  /** Sends the next page of history. @returns false at the end of the log */
  const page = async (began: Place): Promise<boolean> => {
    let looked = 0;
    let sent = 0;
    let reached = began;
    while (looked < window && sent < PAGE) {
      const event = following();
      if (!event) break;
      looked += 1;
      if (!matches(event)) continue;
      sent += 1;
      reached = { commit: event.position, prepare: event.position };
      await send(reading, readEvent(event));
    }
    scanned += looked;
    if (looked < window && sent < PAGE) return false;
    if (scanned >= interval) {
      scanned %= interval;
      await send(reading, checkpoint(reached.commit, reached.prepare));
    }
    return true;
  };
  const here = (): Place => ({ commit: events[index]?.position ?? log.end, prepare: 0 });
  while (await page(index === 0 ? { commit: 0, prepare: 0 } : here()));
  await send(reading, new streams.ReadResp().setCaughtUp(new streams.ReadResp.CaughtUp()));
  const over = new Promise<void>((resolve) => {
    reading.over.addEventListener('abort', () => resolve());
  });
  while (!reading.over.aborted) {
    const event = following();
    if (!event) {
      await Promise.race([log.grown(), over]);
      continue;
    }
    if (matches(event)) await send(reading, readEvent(event));
    scanned += 1;
    if (scanned >= interval) {
      scanned = 0;
      await send(reading, checkpoint(event.position, event.position));
    }
  }
};

export interface Reader {
  read(call: ReadCall): Promise<void>;
  dropSubscriptions(): void;
}

interface ReadFaults {
  denied(): boolean;
  /** The number of events that a subscription begins too early. */
  again(): number;
}

export const createReader = (log: Log, faults: ReadFaults): Reader => {
  const subscriptions = new Map<ReadCall, AbortController>();
  const answer = (reading: Reading): Promise<void> => {
    if (faults.denied()) throw new Refused(failures.accessDenied());
    const { options } = reading;
    if (!options.hasSubscription()) {
      return options.hasAll() ? readAll(log, reading) : readStream(log, reading);
    }
    if (options.hasAll()) return subscribe(log, reading, faults.again());
    throw new Refused(failures.unimplemented('Subscriptions to a stream are left out here'));
  };
  return {
    read: async (call) => {
      const over = new AbortController();
      call.once('cancelled', () => over.abort());
      const options = call.request.getOptions() ?? new streams.ReadReq.Options();
      if (options.hasSubscription()) subscriptions.set(call, over);
      try {
        await answer({ call, options, over: over.signal });
        if (!over.signal.aborted) call.end();
      } catch (error) {
        if (over.signal.aborted) return;
        if (error instanceof Refused) call.emit('error', error.failure);
        else throw error;
      } finally {
        subscriptions.delete(call);
      }
    },
    dropSubscriptions: () => {
      for (const [call, over] of subscriptions) {
        over.abort();
        call.emit('error', failures.timedOut());
      }
    },
  };
};
