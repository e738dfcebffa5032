/** Sessions that wait for another process to take them over, each for a limited time. */
import type { Session } from './session.ts';

export interface HandOvers {
  readonly size: number;
  /** @param withinMs after this time the wait is over, and `onExpired` gets the session */
  add(jid: string, session: Session, withinMs: number): void;
  /** Shortens a wait: the earlier of both ends counts. False if this session does not wait. */
  shorten(jid: string, withinMs: number): boolean;
  get(jid: string): Session | undefined;
  /** Ends the wait. @returns the session, which may still be connected */
  remove(jid: string): Session | undefined;
  jids(): readonly string[];
  /** Resolves when every session that waits now waits no longer. */
  settled(): Promise<void>;
}

interface HandOver {
  readonly session: Session;
  /** Milliseconds of `performance.now()`. */
  endsAt: number;
  timer: NodeJS.Timeout;
  readonly end: PromiseWithResolvers<void>;
}

export function createHandOvers(onExpired: (jid: string, session: Session) => void): HandOvers {
  const handOvers = new Map<string, HandOver>();

  function remove(jid: string): Session | undefined {
    const handOver = handOvers.get(jid);
    if (!handOver) return undefined;
    handOvers.delete(jid);
    clearTimeout(handOver.timer);
    handOver.end.resolve();
    return handOver.session;
  }

  const expireIn = (jid: string, ms: number): NodeJS.Timeout =>
    setTimeout(() => {
      const session = remove(jid);
      if (session) onExpired(jid, session);
    }, ms).unref();

  return {
    get size() {
      return handOvers.size;
    },
    add(jid, session, withinMs) {
      handOvers.set(jid, {
        session,
        endsAt: performance.now() + withinMs,
        timer: expireIn(jid, withinMs),
        end: Promise.withResolvers(),
      });
    },
    shorten(jid, withinMs) {
      const handOver = handOvers.get(jid);
      if (!handOver) return false;
      const endsAt = performance.now() + withinMs;
      if (endsAt < handOver.endsAt) {
        clearTimeout(handOver.timer);
        handOver.endsAt = endsAt;
        handOver.timer = expireIn(jid, withinMs);
      }
      return true;
    },
    get: (jid) => handOvers.get(jid)?.session,
    remove,
    jids: () => [...handOvers.keys()],
    async settled() {
      await Promise.all([...handOvers.values()].map(({ end }) => end.promise));
    },
  };
}
