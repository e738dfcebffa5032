/** The steps of a stream, loaded in pages around the place that somebody looks at. */
/** Steps in a page. A state is some kilobytes. */
export const PAGE_STEPS = 50;
/** Pages that are kept. The one that was used longest ago goes first. */
export const MAX_PAGES = 40;
/** Pages that are asked for at once. A browser has six connections for one address. */
const MAX_ASKED = 3;

/** What a page is made of. */
interface Numbered {
  readonly revision: number;
}

type Page<T> =
  | { readonly kind: 'here'; readonly steps: readonly T[] }
  | { readonly kind: 'failed'; readonly error: unknown };

export interface StepPages<T> {
  /** @returns undefined if it is not here; {@link StepPages.want} asks for it */
  get(revision: number): T | undefined;
  /** Why the page with this revision could not be loaded; null if it is here, or on its way. */
  failureAt(revision: number): unknown;
  /** Asks for the pages with these revisions, the first first. Earlier wishes that have not begun are dropped. */
  want(revisions: readonly number[]): void;
  /** The stream has further facts: a page that ended with the old last one is loaded again when it is wanted. */
  grow(): void;
  /** Forgets everything. */
  clear(): void;
  /** @returns how to end it */
  subscribe(listener: () => void): () => void;
  /** Changes with every page. */
  version(): number;
}

/** @param load reads {@link PAGE_STEPS} steps from a revision on, or all that there are */
export function createStepPages<T extends Numbered>(
  load: (from: number, signal: AbortSignal) => Promise<readonly T[]>,
): StepPages<T> {
  const pages = new Map<number, Page<T>>();
  const asked = new Map<number, AbortController>();
  const listeners = new Set<() => void>();
  let wanted: number[] = [];
  let version = 0;

  const pageOf = (revision: number) => Math.floor(revision / PAGE_STEPS);

  function changed(): void {
    version += 1;
    for (const listener of listeners) listener();
  }

  function keep(page: number, content: Page<T>): void {
    pages.delete(page);
    pages.set(page, content);
    for (const oldest of pages.keys()) {
      if (pages.size <= MAX_PAGES) return;
      pages.delete(oldest);
    }
  }

  function go(): void {
    for (const page of wanted) {
      if (asked.size >= MAX_ASKED) return;
      if (asked.has(page)) continue;
      const controller = new AbortController();
      asked.set(page, controller);
      const finish = (content: Page<T>) => {
        if (controller.signal.aborted) return;
        asked.delete(page);
        wanted = wanted.filter((each) => each !== page);
        keep(page, content);
        changed();
        go();
      };
      load(page * PAGE_STEPS, controller.signal).then(
        (steps) => finish({ kind: 'here', steps }),
        (error: unknown) => finish({ kind: 'failed', error }),
      );
    }
  }

  function find(revision: number): T | undefined {
    const page = pages.get(pageOf(revision));
    if (page?.kind !== 'here') return undefined;
    // Pages begin at their own revision, unless the stream was cut within.
    const step = page.steps[revision - pageOf(revision) * PAGE_STEPS];
    return step?.revision === revision
      ? step
      : page.steps.find((each) => each.revision === revision);
  }

  return {
    get: find,
    failureAt(revision) {
      const page = pages.get(pageOf(revision));
      return page?.kind === 'failed' ? page.error : null;
    },
    want(revisions) {
      const places = [...new Set(revisions.filter((revision) => revision >= 0).map(pageOf))];
      for (const place of places) {
        const page = pages.get(place);
        if (page) keep(place, page); // used just now
      }
      // A page that is here and lacks the fact is not asked for again, nor is one that failed.
      wanted = places.filter((place) => !pages.has(place));
      go();
    },
    grow() {
      for (const [page, content] of pages) {
        if (content.kind === 'failed' || content.steps.length < PAGE_STEPS) pages.delete(page);
      }
    },
    clear() {
      for (const controller of asked.values()) controller.abort();
      asked.clear();
      pages.clear();
      wanted = [];
      changed();
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    version: () => version,
  };
}
