/**
 * A change of the service secret, `SERVICE_SECRET=new,old` (ADR 0023). The log says which secret wraps data keys now. One
 * process at a time wraps the other data keys again, and then the log says that the older secrets are not needed any more.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { AppError, messageOf } from '../../errors.ts';
import {
  type EventStore,
  type RecordedEvent,
  WrongExpectedRevision,
} from '../../eventstore/port.ts';
import { backoff, type RetryPolicy } from '../../kit/backoff.ts';
import { type Ownership, partitionOf } from '../leases/ownership.ts';
import { createServiceFacts, type ServiceFacts } from '../service-facts.ts';
import { isErased, KEY_STREAMS, keyOfStream, tenantOf, unwrap, wrap } from './data-key.ts';
import type { WrappingKey } from './secrets.ts';
import {
  readSecretsInUse,
  SECRETS_STREAM,
  type SecretsInUse,
  secretChanged,
  secretSettled,
} from './secrets-in-use.ts';

/** How often a process with several secrets looks for data keys that have to be wrapped again. */
export const ROTATION_EVERY_MS = 5_000;
/** Waits after a failure, such as an event store that is away. */
export const ROTATION_RETRY: RetryPolicy = { firstMs: 1_000, mostMs: 30_000 };
/**
 * With several processes: another one may still append a data key that it wrapped just before it saw the new secret. So
 * older secrets count as needed for so long at least. An append takes less.
 */
export const SETTLE_AFTER_MS = 10 * 60_000;
/**
 * The pause behind each data key, as a multiple of the time that it took: a visitor's append that comes meanwhile waits for
 * the disk a few times more.
 */
export const REWRAP_PAUSE_SHARE = 3;
/** Events of data keys that are read at once. */
export const KEYS_IN_PAGE = 500;
/** How often the progress is logged. */
export const ROTATION_PROGRESS_MS = 10_000;
const PARTITION = partitionOf(SECRETS_STREAM);

export interface Rotation {
  /** Notes in the log that the first secret wraps from now on. Call it before anything is sealed. */
  begin(): Promise<void>;
  /** Wraps data keys again until the signal ends it. With one secret there is nothing to do. */
  run(signal: AbortSignal): Promise<void>;
  /**
   * Data keys that still need an older secret; 0 if only the first is needed; NaN if this process does not know, because
   * it has not counted yet or another process does the work.
   */
  pending(): number;
  /** @throws {AppError} `unavailable` with the reason if an older secret is needed, or if this process lacks one */
  check(): void;
}

interface RotationOptions {
  readonly store: EventStore;
  readonly wrapping: readonly WrappingKey[];
  readonly ownership: Ownership;
  /** Whether other processes write to the same log. */
  readonly shared: boolean;
  readonly now: () => number;
  readonly newId: () => string;
  readonly random: () => number;
  readonly logger: Logger;
  readonly everyMs?: number;
  readonly settleAfterMs?: number;
  readonly pauseShare?: number;
}

interface State extends RotationOptions {
  readonly facts: ServiceFacts;
  inUse: SecretsInUse | null;
  /** Everything before it in the log was looked at, for the secret `inUse.current`. */
  after: RecordedEvent['position'] | undefined;
  /** Data keys that none of the secrets opens. */
  readonly closed: Set<string>;
  pending: number;
}

export function createRotation(options: RotationOptions): Rotation {
  const several = options.wrapping.length > 1;
  const state: State = {
    ...options,
    facts: createServiceFacts(options),
    inUse: null,
    after: undefined,
    closed: new Set(),
    pending: several ? Number.NaN : 0,
  };
  return {
    begin: () => (several ? begin(state) : Promise.resolve()),
    run: (signal) => (several ? run(state, signal) : Promise.resolve()),
    pending: () => state.pending,
    check: () => check(state),
  };
}

const currentOf = ({ wrapping, inUse }: State): WrappingKey | undefined =>
  wrapping.find(({ id }) => id === inUse?.current);

const isSettled = ({ inUse }: State): boolean => inUse !== null && inUse.needed.length === 1;

async function begin(state: State): Promise<void> {
  const { facts, wrapping, store } = state;
  await facts.appendNext(SECRETS_STREAM, ({ data }) =>
    data.current === wrapping[0]?.id ? null : secretChanged(wrapping),
  );
  state.inUse = await readSecretsInUse(store);
}

const keys = (count: number): string => (count === 1 ? '1 data key' : `${count} data keys`);

function check(state: State): void {
  const { wrapping, inUse, pending, closed } = state;
  if (wrapping.length === 1 || !inUse) return;
  const fault = (reason: string) => new AppError('unavailable', reason);
  if (!currentOf(state)) {
    throw fault('another process uses a service secret that is not in SERVICE_SECRET here');
  }
  if (closed.size > 0) {
    throw fault(`none of the secrets in SERVICE_SECRET opens ${keys(closed.size)}`);
  }
  if (isSettled(state)) return;
  const left = Number.isNaN(pending) ? 'some data keys' : keys(pending);
  throw fault(
    pending === 0
      ? 'every data key is wrapped with the new service secret. Keep the older one in SERVICE_SECRET until this message is gone'
      : `an older service secret still wraps ${left}: keep it in SERVICE_SECRET`,
  );
}

async function run(state: State, signal: AbortSignal): Promise<void> {
  const { ownership, logger, random, everyMs = ROTATION_EVERY_MS } = state;
  for (let failures = 0; !signal.aborted; ) {
    let waitMs = everyMs;
    try {
      await follow(state);
      if (!ownership.owns(PARTITION)) state.pending = isSettled(state) ? 0 : Number.NaN;
      else if (currentOf(state)) await pass(state, signal);
      failures = 0;
    } catch (error) {
      if (signal.aborted) return;
      failures += 1;
      waitMs = backoff(failures, ROTATION_RETRY, random);
      logger.warn({ reason: messageOf(error) }, 'data keys not wrapped again; trying again');
    }
    await delay(waitMs, undefined, { signal, ref: false }).catch(() => undefined);
  }
}

/** Reads which secret wraps now. Another process may have changed it. */
async function follow(state: State): Promise<void> {
  const before = state.inUse?.current;
  state.inUse = await readSecretsInUse(state.store);
  if (state.inUse?.current === before) return;
  state.after = undefined;
  state.closed.clear();
}

/** Looks at the data keys that came since the last pass, and wraps again what needs it. */
async function pass(state: State, signal: AbortSignal): Promise<void> {
  const { inUse, shared, now, store, facts, closed, settleAfterMs = SETTLE_AFTER_MS } = state;
  const began = now();
  const head = await store.head();
  state.pending = await count(state, signal);
  await rewrapAll(state, signal);
  // Without new data keys, too, the next pass begins here. What rewrapAll saw past the head is harmless to see again.
  if (head !== null) state.after = head;
  for (const stream of [...closed]) await rewrap(state, stream);
  if (closed.size > 0 || !inUse || isSettled(state)) return;
  if (shared && began - inUse.since < settleAfterMs) return;
  // Not if the secret has changed again meanwhile.
  await facts.append(SECRETS_STREAM, [secretSettled(inUse.current)], inUse.revision);
  state.inUse = await readSecretsInUse(state.store);
  state.logger.info(
    'every data key is wrapped with the first secret of SERVICE_SECRET: the others can be removed',
  );
}

/** The events of data keys that were not looked at yet, in pages. */
async function* unseenKeys(
  { store, after }: State,
  signal: AbortSignal,
): AsyncGenerator<readonly RecordedEvent[]> {
  for (let from = after; ; ) {
    signal.throwIfAborted();
    const page = await store.readAll({
      prefixes: [KEY_STREAMS],
      limit: KEYS_IN_PAGE,
      ...(from !== undefined && { after: from }),
    });
    if (page.length > 0) yield page;
    if (page.length < KEYS_IN_PAGE) return;
    from = page.at(-1)?.position;
  }
}

/** True if the event holds a data key that another secret wrapped. */
function isOlder(state: State, event: RecordedEvent): boolean {
  const { stream, data } = event;
  const current = currentOf(state);
  if (!current || isErased(event)) return false;
  if (data.secret !== undefined) return data.secret !== current.id;
  return unwrap([current], keyOfStream(stream), data) === null;
}

/** EventStoreDB counts keys that were erased, too, until a scavenge. */
async function count(state: State, signal: AbortSignal): Promise<number> {
  let older = 0;
  for await (const page of unseenKeys(state, signal)) {
    older += page.filter((event) => isOlder(state, event)).length;
  }
  return older + state.closed.size;
}

async function rewrapAll(state: State, signal: AbortSignal): Promise<void> {
  const { pauseShare = REWRAP_PAUSE_SHARE } = state;
  let loggedAt = performance.now();
  for await (const page of unseenKeys(state, signal)) {
    const older = page.filter((event) => isOlder(state, event));
    for (const { stream } of older) {
      const from = performance.now();
      await rewrap(state, stream);
      state.pending = Math.max(state.closed.size, state.pending - 1);
      await delay(pauseShare * (performance.now() - from), undefined, { signal });
      if (performance.now() - loggedAt < ROTATION_PROGRESS_MS) continue;
      loggedAt = performance.now();
      state.logger.info({ left: state.pending }, 'wrapping data keys with the new service secret');
    }
    state.after = page.at(-1)?.position;
  }
}

/** Wraps one data key with the current secret and removes what the older one wrapped. Repeating it is harmless. */
async function rewrap(state: State, stream: string): Promise<void> {
  const { store, facts, wrapping, closed } = state;
  const current = currentOf(state);
  const events = await store.readStream(stream);
  const last = events.at(-1);
  closed.delete(stream);
  if (!last || !current || isErased(last)) return;
  const key = keyOfStream(stream);
  const opened = unwrap(wrapping, key, last.data);
  if (!opened) {
    closed.add(stream);
    return;
  }
  if (opened.by === current) {
    if (events.length > 1) await store.truncateBefore(stream, last.revision);
    return;
  }
  const data = wrap(current, key, opened.dataKey);
  const fact = { type: 'DataKeyRewrapped', data, tenant: tenantOf(key) };
  try {
    const { revision } = await facts.append(stream, [fact], last.revision);
    await store.truncateBefore(stream, revision);
  } catch (error) {
    if (!(error instanceof WrongExpectedRevision)) throw error;
    // Another process was first, or the person was erased.
  }
}
