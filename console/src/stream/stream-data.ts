/** What the page knows of a stream: the outline of all its facts, and the steps around the place that is looked at. */
import type { ApiError } from '../api/client.ts';
import { ask } from '../api/client.ts';
import type { RecordedEvent, State, Step } from '../api/debugger.ts';
import { asApiError } from '../api/load.ts';
import { withQuery } from '../with-query.ts';
import { EMPTY, extend, lastOf, type Outline, type OutlinePage } from './outline.ts';
import { createStepPages, PAGE_STEPS, type StepPages } from './step-pages.ts';

/** How often the service is asked for further facts. */
const POLL_MS = 2_000;
/** After failures it is asked less and less often, up to this. */
const POLL_MAX_MS = 30_000;
/** Facts in one answer. */
const OUTLINE_FACTS = 10_000;
/** Facts in the outline at most: the newest. A stream of an actor is cut long before. */
export const MAX_OUTLINE_FACTS = 200_000;

/** Behind these the personal data of earlier facts is gone: as decided, and once the key is destroyed. */
const ERASING: readonly string[] = ['PersonalDataErased', 'DataKeyDestroyed'];

export type Kind = 'visitor' | 'operator' | 'tenant';

/** A fact with the state behind it. Streams that are no actor's have no states. */
export type Row = Omit<Step, 'state'> & { readonly state: State | null };

export interface StreamView {
  readonly outline: Outline;
  /** All facts of the stream are in the outline. */
  readonly isComplete: boolean;
  /** Revision of the oldest fact that the stream still has. */
  readonly first: number;
  readonly error: ApiError | null;
}

export interface StreamData {
  readonly kind: Kind | null;
  readonly pages: StepPages<Row>;
  get(): StreamView;
  subscribe(listener: () => void): () => void;
  /** Asks for the steps around a fact before anything else is known. @param revision null: the newest fact */
  warm(revision: number | null): void;
  /** Loads the outline and follows the stream. @returns how to end it */
  follow(): () => void;
  /** Reads everything anew: personal data may have been erased meanwhile. */
  reload(): void;
}

/** The kind of actor whose stream this is; null if it is no actor's. */
export function kindOf(stream: string): Kind | null {
  const category = stream.slice(0, stream.indexOf('-'));
  return category === 'visitor' || category === 'operator' || category === 'tenant'
    ? category
    : null;
}

export function openStream(stream: string): StreamData {
  const path = `/debug/streams/${encodeURIComponent(stream)}`;
  const kind = kindOf(stream);
  const pages = createStepPages((from, signal) => loadRows(path, kind !== null, from, signal));
  const listeners = new Set<() => void>();
  const initial: StreamView = { outline: EMPTY, isComplete: false, first: 0, error: null };
  let view = initial;
  let turn = new AbortController();

  function set(changes: Partial<StreamView>): void {
    view = { ...view, ...changes };
    for (const listener of listeners) listener();
  }

  async function readOn(signal: AbortSignal): Promise<void> {
    for (
      let from: number | null = view.outline.at.length > 0 ? lastOf(view.outline) + 1 : null;
      ;
    ) {
      const page: OutlinePage = await ask(
        withQuery(`${path}/outline`, { from, limit: OUTLINE_FACTS }),
        {
          signal,
        },
      );
      const { first, last } = page;
      const begin =
        first === null || last === null ? 0 : Math.max(first, last - MAX_OUTLINE_FACTS + 1);
      if (page.at.length > 0 && view.outline.at.length === 0 && page.from < begin) {
        from = begin; // too long a stream: its end is what counts
        continue;
      }
      if (page.at.length > 0) pages.grow();
      // What is on the screen of the facts before has to go from there too.
      const isErased = page.types.some((type) => ERASING.includes(type));
      if (isErased && view.outline.at.length > 0) pages.clear();
      set({
        outline: extend(view.outline, page),
        isComplete: page.next === null,
        first: first ?? 0,
        error: null,
      });
      if (page.next === null) return;
      from = page.next;
    }
  }

  function follow(): () => void {
    turn = new AbortController();
    const { signal } = turn;
    let waitMs = POLL_MS;
    let timer: number | undefined;
    const round = async (): Promise<void> => {
      try {
        if (!document.hidden || !view.isComplete) await readOn(signal);
        waitMs = POLL_MS;
      } catch (error) {
        if (signal.aborted) return;
        set({ error: asApiError(error) });
        waitMs = Math.min(waitMs * 2, POLL_MAX_MS) * (0.5 + Math.random() / 2);
      }
      if (!signal.aborted) timer = window.setTimeout(round, waitMs);
    };
    void round();
    return () => {
      turn.abort();
      window.clearTimeout(timer);
    };
  }

  let end: (() => void) | null = null;
  return {
    kind,
    pages,
    get: () => view,
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    warm(revision) {
      if (revision !== null) {
        pages.want([revision]);
        return;
      }
      ask<Answer<RecordedEvent>>(withQuery(path, { direction: 'backwards', limit: 1 })).then(
        ({ items: [last] }) => last && pages.want([last.revision]),
        () => undefined, // the outline, which is on its way, says what is wrong
      );
    },
    follow() {
      end = follow();
      return () => end?.();
    },
    reload() {
      end?.();
      pages.clear();
      set(initial);
      end = follow();
    },
  };
}

interface Answer<T> {
  readonly items: readonly T[];
  readonly next: number | string | null;
}

/** The rows of one page. An answer of the service ends early if the states in it are large. */
async function loadRows(
  path: string,
  isActor: boolean,
  from: number,
  signal: AbortSignal,
): Promise<readonly Row[]> {
  const rows: Row[] = [];
  const end = from + PAGE_STEPS;
  for (let next: number = from; next < end; ) {
    const query = { from: next, limit: end - next };
    const answer: Answer<Row> = isActor
      ? await ask<Answer<Step>>(withQuery(`${path}/steps`, query), { signal })
      : await ask<Answer<RecordedEvent>>(withQuery(path, query), { signal }).then(withoutStates);
    rows.push(...answer.items.filter(({ revision }) => revision < end));
    if (answer.next === null) break;
    next = Number(answer.next);
  }
  return rows;
}

const withoutStates = ({ items, next }: Answer<RecordedEvent>): Answer<Row> => ({
  items: items.map((event) => ({
    revision: event.revision,
    event,
    state: null,
    taken: [],
    changes: [],
    timerChanges: [],
    unfit: null,
  })),
  next,
});
