/** Times, as the reader's zone has them and as "3 min ago", which moves on by itself. */
import { useSyncExternalStore } from 'react';
import { serviceNow } from '../clock.ts';
import { absolute, duration, moment, relative } from '../times.ts';

/** How often "3 min ago" is worked out anew. One timer for the whole page. */
const TICK_MS = 1_000;

let now = serviceNow();
let timer: number | undefined;
const listeners = new Set<() => void>();

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  now = serviceNow();
  timer ??= window.setInterval(() => {
    if (document.hidden) return;
    now = serviceNow();
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
  return (
    <time dateTime={isoOf(at)} title={exact}>
      {long ? `${exact} (${text})` : text}
    </time>
  );
}

/** The time of day with ms, beside others of the same day. @param props.at, props.begin ms since 1970 */
export function Moment({ at, begin }: { readonly at: number; readonly begin: number }) {
  return (
    <time className="moment" dateTime={isoOf(at)} title={absolute(at, { millis: true })}>
      {moment(at, begin)}
    </time>
  );
}

const isoOf = (at: number): string =>
  Number.isFinite(at) && Math.abs(at) <= 8.64e15 ? new Date(at).toISOString() : '';

/** How long something lasts since then, growing. @param props.since ms since 1970 */
export function Since({ since }: { readonly since: number }) {
  const text = useSyncExternalStore(subscribe, () => duration(Math.max(1_000, now - since)));
  return <span title={`since ${absolute(since)}`}>{text}</span>;
}
