/** The log of an event store, read directly. The service may run meanwhile: nothing is locked, nothing is written. */
import { AppError, hasCode } from '../../errors.ts';
import type { EventStore, RecordedEvent } from '../../eventstore/port.ts';
import { scanLog } from '../../eventstore/reading.ts';
import { stateAt } from '../../http/debug/state.ts';
import type { JsonObject } from '../../kit/json.ts';
import { changesBetween, timerChangesBetween } from '../../replay/changes.ts';
import { createCheckpoints } from '../../replay/checkpoints.ts';
import { viewOf } from '../../replay/event-view.ts';
import { findStream, foldTo } from '../../replay/fold.ts';
import { stateView } from '../../replay/steps.ts';
import { deriveSecrets } from '../../runtime/vault/secrets.ts';
import { createVault } from '../../runtime/vault/vault.ts';
import { replayStore } from './replay-store.ts';
import { scanStreams } from './scan-streams.ts';
import { scanTrace } from './scan-trace.ts';
import { type ActorAt, type LogEvent, type LogSource, PAGE_EVENTS } from './source.ts';

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
    async state(stream, { revision, at }) {
      const state = await stateAt(store, stream, { revision, at }, checkpoints);
      if (!state) return null;
      const { seen: _, ...rest } = state;
      return rest as unknown as ActorAt; // what stateAt returns, as the service answers it
    },
    async diff(stream, a, b) {
      const found = await findStream(store, stream);
      if (!found) return null;
      const before = await foldTo(store, found, { revision: a }, checkpoints);
      const after = await foldTo(store, found, { revision: b }, checkpoints);
      const [old, young] = [stateView(before.state), stateView(after.state)];
      return {
        a: { revision: before.through, value: old.value },
        b: { revision: after.through, value: young.value },
        changes: changesBetween(old.context, young.context),
        timerChanges: timerChangesBetween(before.state.core.timers, after.state.core.timers),
      };
    },
    trace: (id, onProgress = () => {}, signal) => scanTrace(store, id, onProgress, signal),
    replay: (options, signal) => replayStore(store, options, signal, () => performance.now()),
    hasJournal: false,
    close: () => store.close(),
  };
}
