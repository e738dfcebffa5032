/**
 * Visitors who may have something to send again when the stream is back: their messages were taken, and may be lost with
 * ejabberd, or could not be sent. All others cost nothing at a reconnection.
 */
import { Lru } from '../../kit/lru.ts';

/** Visitors that are remembered. Of the others, who wrote longer ago, mod_lhc reports the deliveries long before. */
export const MAX_REMEMBERED_WRITERS = 10_000;
/** They are named in pieces, because each may make its owner read a state. 5,000 a second. */
const PIECE = 100;
const PIECE_MS = 20;

export interface Starts {
  /** This visitor has sent something, or tried to. */
  remember(jid: string): void;
  /** Names the remembered visitors, some at a time, and forgets them. */
  begin(): void;
  /** This visitor is going to be named. Until then nothing newer may be sent before what may be lost. */
  isWaiting(jid: string): boolean;
  /** The stream is lost: the others wait for the next one. */
  end(): void;
}

export function createStarts(started: (jid: string) => void): Starts {
  let writers = new Lru<true>(MAX_REMEMBERED_WRITERS);
  let timer: NodeJS.Timeout | undefined;
  const waiting = new Set<string>();

  function next(): void {
    const piece = [...waiting].slice(0, PIECE);
    for (const jid of piece) waiting.delete(jid);
    timer = waiting.size > 0 ? setTimeout(next, PIECE_MS) : undefined;
    for (const jid of piece) started(jid);
  }

  return {
    remember: (jid) => writers.set(jid, true),
    isWaiting: (jid) => waiting.has(jid),
    begin() {
      clearTimeout(timer);
      for (const [jid] of writers.entries()) waiting.add(jid);
      writers = new Lru(MAX_REMEMBERED_WRITERS);
      next();
    },
    end() {
      clearTimeout(timer);
      for (const jid of waiting) writers.set(jid, true);
      waiting.clear();
    },
  };
}
