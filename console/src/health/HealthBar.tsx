/** Whether the service is well, on every page: parts that do not answer, actors that do not fit, letters that nobody took. */
import { useEffect, useRef, useState } from 'react';
import { ask } from '../api/client.ts';
import { asApiError } from '../api/load.ts';
import type { DeadLetter, Readiness } from '../api/types.ts';
import { to } from '../route.ts';
import { Link } from '../router.tsx';

const REFRESH_MS = 10_000;
/** Letters that are counted; more are "200+". */
const LETTERS = 200;

interface Health {
  readonly readiness: Readiness | null;
  /** Why there is none. */
  readonly fault: string;
  readonly letters: number | null;
  readonly moreLetters: boolean;
}

async function healthOf(signal: AbortSignal): Promise<Health> {
  const [readiness, letters] = await Promise.allSettled([
    // A service that is not ready says so with 503.
    ask<Readiness>('/readyz', { signal, alsoOk: [503] }),
    ask<{ items: readonly DeadLetter[]; next: string | null }>(
      `/debug/dead-letters?limit=${LETTERS}`,
      { signal },
    ),
  ]);
  return {
    readiness: readiness.status === 'fulfilled' ? readiness.value : null,
    fault: readiness.status === 'rejected' ? asApiError(readiness.reason).message : '',
    letters: letters.status === 'fulfilled' ? letters.value.items.length : null,
    moreLetters: letters.status === 'fulfilled' && letters.value.next !== null,
  };
}

/** Asks now, and again and again while somebody looks. */
function useHealth(): Health | null {
  const [health, setHealth] = useState<Health | null>(null);
  const asked = useRef(Number.NEGATIVE_INFINITY);
  useEffect(() => {
    const controller = new AbortController();
    const { signal } = controller;
    function look(): void {
      if (document.hidden || performance.now() - asked.current < REFRESH_MS / 2) return;
      asked.current = performance.now();
      healthOf(signal).then((next) => {
        if (!signal.aborted) setHealth(next);
      });
    }
    look();
    const timer = setInterval(look, REFRESH_MS);
    document.addEventListener('visibilitychange', look);
    return () => {
      controller.abort();
      asked.current = Number.NEGATIVE_INFINITY;
      clearInterval(timer);
      document.removeEventListener('visibilitychange', look);
    };
  }, []);
  return health;
}

export function HealthBar() {
  const health = useHealth();
  if (health === null) return null;
  const { readiness, fault, letters, moreLetters } = health;
  const bad = Object.entries(readiness?.checks ?? {}).filter(([, { ok }]) => !ok);
  const unfit = readiness?.unfit.count ?? 0;
  const isWell = readiness?.status === 'ready' && bad.length === 0 && unfit === 0;
  return (
    <div className="health">
      <div role="status">
        {readiness === null && <span className="chip bad">no answer: {fault}</span>}
        {isWell && <span className="chip good">ready</span>}
        {readiness?.status === 'not-ready' && <span className="chip bad">not ready</span>}
        {readiness?.status === 'ready' && !isWell && <span className="chip warn">ready, but</span>}
      </div>
      {(bad.length > 0 || unfit > 0) && (
        <details>
          <summary>
            {bad.map(([name]) => name).join(', ')}
            {bad.length > 0 && unfit > 0 && ', '}
            {unfit > 0 && `${unfit} unfit`}
          </summary>
          <div className="health-details">
            <dl>
              {bad.map(([name, { reason }]) => (
                <div key={name}>
                  <dt>{name}</dt>
                  <dd>
                    <bdi>{reason ?? 'does not answer'}</bdi>
                  </dd>
                </div>
              ))}
              {unfit > 0 && (
                <div>
                  <dt>Actors whose facts do not fit this version</dt>
                  <dd>
                    {(readiness?.unfit.actors ?? []).map((stream) => (
                      <Link key={stream} href={to.stream(stream)} className="mono">
                        {stream}
                      </Link>
                    ))}
                  </dd>
                </div>
              )}
            </dl>
          </div>
        </details>
      )}
      {letters !== null && letters > 0 && (
        <Link href={to.deadLetters()} className="chip warn">
          {letters}
          {moreLetters && '+'} dead {letters === 1 ? 'letter' : 'letters'}
        </Link>
      )}
    </div>
  );
}
