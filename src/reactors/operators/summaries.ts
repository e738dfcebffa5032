/**
 * Keeps operators' streams short. After so many facts it has the actor write a summary, and cuts the stream before the
 * summary that came before. So a stream holds the facts since the last but one, for the debugger and dead letters.
 */
import type { Logger } from 'pino';
import { actorOf, streamOf, type TenantId, type Username } from '../../actors/ids.ts';
import type { OperatorState } from '../../actors/operator/decisions.ts';
import { messageOf } from '../../errors.ts';
import type { EventStore, RecordedEvent } from '../../eventstore/port.ts';
import { eventAt } from '../../eventstore/reading.ts';
import { Lru } from '../../kit/lru.ts';
import { type Ownership, ownsStream } from '../../runtime/leases/ownership.ts';
import type { CommitListener } from '../../runtime/pending-work.ts';
import type { Actors, ActorView } from '../../runtime/ports.ts';
import type { CutStream } from '../../runtime/stream-cut.ts';
import type { PersonalData } from '../personal-data.ts';

/** Facts of an operator between two summaries. A stream holds twice as many at most, and what comes in between. */
export const SUMMARY_EVERY_FACTS = 1_000;
/** After so many facts more a summary is tried again that could not be written. */
export const SUMMARY_RETRY_FACTS = 20;
/** Operators of whom it is remembered when the next summary is due. */
const DUE_REMEMBERED = 10_000;

interface SummariesOptions {
  readonly actors: Pick<Actors, 'operator'>;
  readonly store: Pick<EventStore, 'readStream'>;
  readonly personal: PersonalData;
  readonly cutStream: CutStream;
  readonly ownership: Ownership;
  readonly logger: Logger;
  /** Default {@link SUMMARY_EVERY_FACTS}. */
  readonly every?: number;
}

export interface OperatorSummaries extends CommitListener {
  /** Resolves when no summary is being written. */
  idle(): Promise<void>;
}

type Operator = { readonly kind: 'operator'; readonly tenant: TenantId; readonly name: Username };

async function textAt(
  { store, personal }: SummariesOptions,
  stream: string,
  revision: number,
  read: (opened: Record<string, unknown>) => unknown,
): Promise<string | null> {
  const event = await eventAt(store, stream, revision);
  const text = event && read((await personal.of(event)) ?? {});
  return typeof text === 'string' ? text : null;
}

/** The personal data that the state refers to, to be sealed again in the summary. */
async function personalOf(
  options: SummariesOptions,
  stream: string,
  { context }: OperatorState,
): Promise<{ name: string | null; statuses: Record<string, string> }> {
  const name = await textAt(options, stream, context.nameRevision, (opened) => opened.name);
  const statuses: Record<string, string> = {};
  for (const [session, revision] of Object.entries(context.statusRevisions)) {
    const status = await textAt(options, stream, revision, (opened) =>
      // A summary has the statuses of all sessions.
      typeof opened.statuses === 'object' && opened.statuses !== null
        ? (opened.statuses as Record<string, unknown>)[session]
        : opened.status,
    );
    if (status !== null) statuses[session] = status;
  }
  return { name, statuses };
}

/** @returns the revision from which on the next summary is due */
async function summarise(options: SummariesOptions, operator: Operator): Promise<number> {
  const { actors, cutStream, every = SUMMARY_EVERY_FACTS } = options;
  const stream = streamOf(operator);
  const actor = actors.operator(operator.tenant, operator.name);
  const state: ActorView<OperatorState> | null = await actor.latest();
  if (!state) return every;
  const { summaryRevision } = state.context;
  if (state.revision - summaryRevision < every) return summaryRevision + every;
  const { facts, revision } = await actor.send({
    type: 'Summarise',
    seenRevision: state.revision,
    ...(await personalOf(options, stream, state)),
  });
  if (facts === 0) return revision + Math.min(every, SUMMARY_RETRY_FACTS);
  // The fold may have pending effects of these facts still. Then the next summary cuts them off.
  if (summaryRevision > 0) await cutStream(stream, summaryRevision);
  return revision + every;
}

export function createOperatorSummaries(options: SummariesOptions): OperatorSummaries {
  const { ownership, logger, every = SUMMARY_EVERY_FACTS } = options;
  /** By stream. */
  const due = new Lru<number>(DUE_REMEMBERED);
  const running = new Map<string, Promise<void>>();

  async function run(stream: string, revision: number, operator: Operator): Promise<void> {
    try {
      due.set(stream, await summarise(options, operator));
    } catch (error) {
      logger.warn({ stream, reason: messageOf(error) }, 'operator not summarised; trying again');
      due.set(stream, revision + Math.min(every, SUMMARY_RETRY_FACTS));
    } finally {
      running.delete(stream);
    }
  }

  return {
    onCommit(events: readonly RecordedEvent[]) {
      for (const { stream, revision } of events) {
        if (!stream.startsWith('operator-') || revision < (due.get(stream) ?? every)) continue;
        if (running.has(stream) || !ownsStream(ownership, stream)) continue;
        const actor = actorOf(stream);
        if (actor?.kind === 'operator') running.set(stream, run(stream, revision, actor));
      }
    },
    async idle() {
      while (running.size > 0) await Promise.all(running.values());
    },
  };
}
