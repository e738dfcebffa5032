/** Times, as the reader's zone has them and as "3 min ago", which moves on by itself. */
import { useSyncExternalStore } from 'react';
import { absolute, relative } from '../times.ts';

/** How often "3 min ago" is worked out anew. One timer for the whole page. */
const TICK_MS = 1_000;

let now = Date.now();
let timer: number | undefined;
const listeners = new Set<() => void>();

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= window.setInterval(() => {
    if (document.hidden) return;
    now = Date.now();
    for (const each of listeners) each();
  }, TICK_MS);
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    window.clearInterval(timer);
    timer = undefined;
  };
}

/** @param props.at ms since 1970 */
export function Time({
  at,
  long = false,
  millis = false,
}: {
  readonly at: number;
  readonly long?: boolean;
  readonly millis?: boolean;
}) {
  const text = useSyncExternalStore(subscribe, () => relative(at, now));
  const exact = absolute(at, { millis });
  const iso = Number.isFinite(at) && Math.abs(at) <= 8.64e15 ? new Date(at).toISOString() : '';
  return (
    <time dateTime={iso} title={exact}>
      {long ? `${exact} (${text})` : text}
    </time>
  );
}
