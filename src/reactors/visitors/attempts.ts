/**
 * Attempts to make a visitor in ejabberd what they should be, for the journal. They follow the state and not one fact, so
 * an attempt is written down for the facts that it serves: those that came since the last success. An attempt that serves
 * none (a comparison, a session that was lost) is written down for the page view that shows the visitor.
 */
import { streamOf, visitorRef } from '../../actors/ids.ts';
import { PRESENCE } from '../../effects/presence.ts';
import { messageOf } from '../../errors.ts';
import { Lru } from '../../kit/lru.ts';
import type { FactPlace } from '../../runtime/cause.ts';
import type { JournalWriter } from '../../runtime/journal/entries.ts';
import type { Actors } from '../../runtime/ports.ts';
import type { Visitor } from './desired.ts';
import { idOf } from './schedule.ts';

/** Facts that one attempt is written down for, the first ones. */
export const MAX_FACTS_SERVED = 4;
/**
 * A failure that goes on for the same reason is written down at its 1st, 2nd, 4th, 8th … try, and after this time. In an
 * outage of ejabberd the visitors of a tenant would fill the journal with it.
 */
export const FAILURE_TOLD_EVERY_MS = 600_000;
/** Visitors whose last failure is remembered. One more is written down once more. */
const FAILURES_REMEMBERED = 10_000;

/** The steps of one attempt. */
export interface Attempt {
  /** The first fact that it serves; null if there is none. */
  readonly fact: FactPlace | null;
  /** Carries out a step in ejabberd. `idle` tells of its result that nothing had to be done. */
  step<T>(name: string, work: () => Promise<T>, idle?: (result: T) => boolean): Promise<T>;
}

export interface Attempts {
  /** A fact of the visitor calls for an attempt. @param isPageView it serves a page view alone only if nothing else waits */
  serves(visitor: Visitor, revision: number, isPageView: boolean): void;
  /** Begins an attempt for the facts that wait. */
  begin(visitor: Visitor): Running;
  /** Forgets everything about these visitors. */
  forget(isForgotten: (id: string) => boolean): void;
}

export interface Running extends Attempt {
  /** Writes it down if something was done. Does not throw. */
  succeeded(): Promise<void>;
  /** Writes it down. What it served waits for the next one. Does not throw. @param tries in a row that have failed */
  failed(error: unknown, tries: number): Promise<void>;
}

export interface AttemptsOptions {
  readonly actors: Pick<Actors, 'visitor'>;
  readonly journal: JournalWriter;
  /** ms since 1970 */
  readonly wallClock: () => number;
  /** ms, only for intervals */
  readonly now: () => number;
}

const isPowerOfTwo = (n: number): boolean => (n & (n - 1)) === 0;
const rounded = (ms: number): number => Math.round(ms * 10) / 10;

export function createAttempts(options: AttemptsOptions): Attempts {
  const { actors, journal, wallClock, now } = options;
  /** By visitor: revisions of facts that wait for an attempt. */
  const waiting = new Map<string, readonly number[]>();
  const told = new Lru<{ readonly reason: string; readonly at: number }>(FAILURES_REMEMBERED);

  function isTold(id: string, reason: string, tries: number): boolean {
    const last = told.get(id);
    const isOld = last === undefined || now() - last.at >= FAILURE_TOLD_EVERY_MS;
    if (last?.reason === reason && !isOld && !isPowerOfTwo(tries)) return true;
    told.set(id, { reason, at: now() });
    return false;
  }

  /** The page view that shows the visitor; none if the log cannot say so now. */
  async function shownBy({ tenant, key }: Visitor): Promise<readonly number[]> {
    try {
      const state = await actors.visitor(tenant, key).state();
      const revision = state?.context.profileRevision ?? -1;
      return revision < 0 ? [] : [revision];
    } catch {
      return [];
    }
  }

  return {
    serves(visitor, revision, isPageView) {
      const id = idOf(visitor);
      const facts = waiting.get(id) ?? [];
      if (facts.length >= (isPageView ? 1 : MAX_FACTS_SERVED)) return;
      waiting.set(id, [...facts, revision]);
    },
    begin(visitor) {
      const id = idOf(visitor);
      const stream = streamOf(visitorRef(visitor.tenant, visitor.key));
      const facts = waiting.get(id) ?? [];
      waiting.delete(id);
      const [first] = facts;
      const at = wallClock();
      const startedAt = performance.now();
      const steps: string[] = [];

      async function record(outcome: 'done' | 'retry', reason: string | null): Promise<void> {
        const ms = rounded(performance.now() - startedAt);
        const detail = steps.join(', ') || null;
        for (const revision of facts.length > 0 ? facts : await shownBy(visitor)) {
          const place = { stream, revision, destination: PRESENCE.name };
          journal.record({ kind: 'attempt', at, ms, ...place, outcome, reason, detail });
        }
      }

      return {
        fact: first === undefined ? null : { stream, revision: first },
        async step(name, work, idle = () => false) {
          const begun = performance.now();
          const note = (end: string): void => {
            steps.push(`${name}${end} ${rounded(performance.now() - begun)} ms`);
          };
          try {
            const result = await work();
            if (!idle(result)) note('');
            return result;
          } catch (error) {
            note(' failed after');
            throw error;
          }
        },
        async succeeded() {
          told.delete(id);
          if (steps.length > 0) await record('done', null);
        },
        async failed(error, tries) {
          const later = waiting.get(id) ?? [];
          const served = [...facts, ...later].slice(0, MAX_FACTS_SERVED);
          if (served.length > 0) waiting.set(id, served);
          const reason = messageOf(error);
          if (!isTold(id, reason, tries)) await record('retry', reason);
        },
      };
    },
    forget(isForgotten) {
      for (const id of waiting.keys()) if (isForgotten(id)) waiting.delete(id);
    },
  };
}
