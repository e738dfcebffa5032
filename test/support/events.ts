/** A reader of server-sent events, by the HTML standard ("Interpreting an event stream"). */
import { WAIT_DEADLINE_MS, waitFor } from './wait.ts';

export interface LiveEvent {
  readonly event: string;
  /** The last event id at the time of this event. */
  readonly id: string;
  // biome-ignore lint/suspicious/noExplicitAny: JSON from outside; a wrong shape fails the assertion that reads it
  readonly data: any;
}

export interface LiveReader {
  readonly status: number;
  readonly headers: Headers;
  /** All events so far. The list grows. */
  readonly events: readonly LiveEvent[];
  /** The id to send at the next connection. */
  readonly lastEventId: string;
  /** The reconnection time from the server, in ms. */
  readonly retry: number | null;
  /** The number of comments so far. */
  readonly comments: number;
  /** The end of the stream; null while it is open. */
  readonly ended: 'by the server' | 'broken' | null;
  /** The events of this type. */
  of(event: string): readonly LiveEvent[];
  until(condition: () => boolean, what?: string, deadlineMs?: number): Promise<void>;
  /** Stops reading and closes the connection. */
  close(): Promise<void>;
}

/** Reads from this address until either side closes the connection. */
export async function readEvents(
  url: string,
  { key, lastEventId }: { readonly key: string; readonly lastEventId?: string },
): Promise<LiveReader> {
  const ending = new AbortController();
  const response = await fetch(url, {
    headers: {
      authorization: `Bearer ${key}`,
      accept: 'text/event-stream',
      ...(lastEventId !== undefined && { 'last-event-id': lastEventId }),
    },
    signal: ending.signal,
  });
  const events: LiveEvent[] = [];
  let id = lastEventId ?? '';
  let retry: number | null = null;
  let comments = 0;
  let ended: LiveReader['ended'] = null;
  let event = '';
  let data: string[] = [];
  let idBuffer = id;

  const line = (text: string): void => {
    if (text === '') {
      id = idBuffer;
      if (data.length > 0) events.push({ event, id, data: JSON.parse(data.join('\n')) });
      [event, data] = ['', []];
      return;
    }
    if (text.startsWith(':')) {
      comments += 1;
      return;
    }
    const [, field = '', value = ''] = /^([^:]*)(?:: ?(.*))?$/s.exec(text) ?? [];
    if (field === 'event') event = value;
    else if (field === 'data') data.push(value);
    else if (field === 'id') idBuffer = value;
    else if (field === 'retry') retry = Number(value);
  };

  const read = async (): Promise<void> => {
    if (!response.ok || !response.body) return;
    const decoder = new TextDecoder();
    let rest = '';
    for await (const chunk of response.body) {
      rest += decoder.decode(chunk, { stream: true });
      const lines = rest.split('\n');
      rest = lines.pop() ?? '';
      for (const one of lines) line(one);
    }
  };
  const done = read().then(
    () => {
      ended = 'by the server';
    },
    () => {
      ended = 'broken';
    },
  );

  const reader: LiveReader = {
    status: response.status,
    headers: response.headers,
    events,
    get lastEventId() {
      return id;
    },
    get retry() {
      return retry;
    },
    get comments() {
      return comments;
    },
    get ended() {
      return ended;
    },
    of: (name) => events.filter((each) => each.event === name),
    until: async (condition, what = 'the events', deadlineMs = WAIT_DEADLINE_MS) => {
      await waitFor(condition, {
        deadlineMs,
        what: () => `${what}; there were ${events.map((each) => each.event).join(' ')}`,
      });
    },
    close: async () => {
      ending.abort();
      await done;
    },
  };
  return reader;
}
