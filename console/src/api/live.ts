/** A live connection that comes back by itself. */
import { pause, retryDelay } from './backoff.ts';
import { ApiError, request } from './client.ts';
import { createSseParser, type ServerEvent } from './sse.ts';

/** The server sends something every 15 s. After three silences the connection counts as lost. */
const SILENCE_MS = 45_000;

export type LiveState = 'connecting' | 'live' | 'waiting' | 'ended';

export interface LiveOptions {
  /** Of the stream, from `/`. */
  readonly path: string;
  onEvents(events: readonly ServerEvent[]): void;
  /** @param detail why it does not live */
  onState(state: LiveState, detail: string): void;
  readonly signal: AbortSignal;
}

/** Follows a stream until the signal ends it, or the service says that it makes no sense (4xx but 429). */
export async function follow({ path, onEvents, onState, signal }: LiveOptions): Promise<void> {
  let lastEventId = '';
  for (let attempt = 0; !signal.aborted; attempt += 1) {
    onState('connecting', '');
    try {
      await connect(path, lastEventId, signal, (events, id) => {
        lastEventId = id;
        attempt = -1; // the next loss begins with the shortest wait
        onState('live', '');
        if (events.length > 0) onEvents(events);
      });
      onState('waiting', 'the service has ended the connection');
    } catch (error) {
      if (signal.aborted) return;
      const refusal = error instanceof ApiError ? error : null;
      const detail = refusal?.message ?? 'the connection was lost';
      const isFinal =
        refusal !== null && refusal.status >= 400 && refusal.status < 500 && refusal.status !== 429;
      onState(isFinal ? 'ended' : 'waiting', detail);
      if (isFinal) return;
    }
    await pause(retryDelay(Math.max(0, attempt), Math.random()), signal);
  }
}

async function connect(
  path: string,
  lastEventId: string,
  signal: AbortSignal,
  onPiece: (events: readonly ServerEvent[], lastEventId: string) => void,
): Promise<void> {
  const silence = new AbortController();
  let timer = setTimeout(() => silence.abort(), SILENCE_MS);
  try {
    const response = await request(path, {
      signal: AbortSignal.any([signal, silence.signal]),
      headers: lastEventId === '' ? {} : { 'last-event-id': lastEventId },
    });
    if (!response.body) throw new ApiError(0, 'no-answer', 'the answer has no body');
    const parser = createSseParser(lastEventId);
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(), SILENCE_MS);
      onPiece(parser.feed(value), parser.lastEventId);
    }
  } finally {
    clearTimeout(timer);
  }
}
