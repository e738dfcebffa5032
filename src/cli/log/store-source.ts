/** The log of an event store, read directly. The service may run meanwhile: nothing is locked, nothing is written. */
import { AppError, hasCode } from '../../errors.ts';
import type { EventStore, RecordedEvent } from '../../eventstore/port.ts';
import { scanLog } from '../../eventstore/reading.ts';
import type { JsonObject } from '../../kit/json.ts';
import { XMPP_FILTER } from '../../reactors/conversation/xmpp-lane.ts';
import { LHC_FILTER } from '../../reactors/lhc/drafts.ts';
import { createCheckpoints } from '../../replay/checkpoints.ts';
import { viewOf } from '../../replay/event-view.ts';
import { findStream } from '../../replay/fold.ts';
import { actorAt, differenceBetween } from '../../replay/points.ts';
import { loadTrace, type TraceSource } from '../../replay/trace.ts';
import { replayLog } from '../../replay/whole-log.ts';
import { deriveSecrets } from '../../runtime/vault/secrets.ts';
import { createVault } from '../../runtime/vault/vault.ts';
import { scanFacts, scanStreams } from './scan.ts';
import { type LogEvent, type LogSource, PAGE_EVENTS } from './source.ts';

export interface StoreSourceOptions {
  readonly store: EventStore;
  /** For messages, without passwords. */
  readonly name: string;
  /** Empty: personal data stays sealed. */
  readonly serviceSecrets: readonly string[];
}

const readOnly = () => Promise.reject(new AppError('refused', 'this command only reads'));

export function openStoreSource({ store, name, serviceSecrets }: StoreSourceOptions): LogSource {
  const vault = createVault({
    store: {
      readStream: (stream, options) => store.readStream(stream, options),
      append: readOnly,
      deleteStream: readOnly,
      truncateBefore: readOnly,
    },
    wrapping: deriveSecrets(serviceSecrets).wrapping,
    now: Date.now,
    newId: () => '',
    shared: true, // the service may delete a key
  });

  const checkpoints = createCheckpoints();

  async function opened(event: RecordedEvent): Promise<LogEvent> {
    let isLocked = event.personal !== null && serviceSecrets.length === 0;
    const open = async (): Promise<JsonObject | null> => {
      if (isLocked) return null;
      try {
        return await vault.open(event);
      } catch (error) {
        if (!hasCode(error, 'unavailable') || error.details.reason !== 'secret') throw error;
        isLocked = true;
        return null;
      }
    };
    const view = await viewOf(open, event);
    return isLocked ? { ...view, erased: false, sealed: true } : view;
  }

  return {
    name,
    async readStream(stream, { from, direction = 'forwards', limit = PAGE_EVENTS } = {}) {
      const events = await store.readStream(stream, {
        direction,
        limit,
        ...(from !== undefined && { from }),
      });
      return Promise.all(events.map(opened));
    },
    streams: (filter, onProgress = () => {}, signal) =>
      scanStreams(store, filter, onProgress, signal),
    async readLog({ after, direction = 'forwards', limit = PAGE_EVENTS, tenant, types } = {}) {
      const { events, through, isAtEnd } = await scanLog(store, {
        direction,
        limit,
        ...(after !== undefined && { after: store.parsePosition(after) }),
        matches: (event) =>
          (tenant === undefined || event.metadata.tenant === tenant) &&
          (types === undefined || types.includes(event.type)),
      });
      return {
        events: await Promise.all(events.map(opened)),
        next: isAtEnd ? null : (through?.position ?? null),
        through: through && { position: through.position, at: through.metadata.at },
      };
    },
    async state(stream, point) {
      const actor = await actorAt(store, stream, point, checkpoints);
      if (!actor) return null;
      const { seen: _, ...rest } = actor;
      return rest;
    },
    async diff(stream, a, b) {
      const found = await findStream(store, stream);
      return found && differenceBetween(store, found, a, b, checkpoints);
    },
    trace(id, onProgress = () => {}, signal) {
      let looked = 0;
      const onEvent = (): void => {
        looked += 1;
        if (looked % PAGE_EVENTS === 0) onProgress(looked);
      };
      const source: TraceSource = {
        store,
        factsOf: (ids, limit) => scanFacts(store, ids, limit, onEvent, signal),
        notesOf: () => [],
        requestsOf: () => [],
        places: [XMPP_FILTER, LHC_FILTER],
        now: Date.now,
        monotonic: () => performance.now(),
        deadlineMs: Number.POSITIVE_INFINITY, // Ctrl-C ends it
      };
      return loadTrace(source, id);
    },
    async *replay({ tenant, from }, signal) {
      const position = from === undefined ? undefined : store.parsePosition(from);
      for await (const report of replayLog(store, { tenant, from: position })) {
        signal.throwIfAborted();
        yield report;
      }
    },
    hasJournal: false,
    close: () => store.close(),
  };
}
