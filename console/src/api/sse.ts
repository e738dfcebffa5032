/** Server-sent events (WHATWG HTML) out of pieces of text. EventSource sends no header, so the console reads them itself. */

export interface ServerEvent {
  /** `message` if the server names none. */
  readonly type: string;
  readonly data: string;
}

export interface SseParser {
  /** The id for Last-Event-ID; empty if there was none. */
  readonly lastEventId: string;
  /** The events that this piece completes. */
  feed(text: string): ServerEvent[];
}

/** @param lastEventId of the connection before */
export function createSseParser(lastEventId = ''): SseParser {
  let rest = '';
  let type = '';
  let data: string[] = [];
  let id = lastEventId;
  let lastId = lastEventId;

  function take(line: string): ServerEvent | null {
    if (line === '') {
      lastId = id;
      const event = data.length > 0 ? { type: type || 'message', data: data.join('\n') } : null;
      type = '';
      data = [];
      return event;
    }
    const colon = line.indexOf(':');
    if (colon === 0) return null; // a comment keeps the connection alive
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') type = value;
    else if (field === 'data') data.push(value);
    else if (field === 'id' && !value.includes('\0')) id = value;
    return null;
  }

  return {
    get lastEventId() {
      return lastId;
    },
    feed(text) {
      // A \r at the end may be the first half of \r\n: it waits for the next piece.
      const whole = rest + text;
      const end = whole.endsWith('\r') ? whole.length - 1 : whole.length;
      const lines = whole.slice(0, end).split(/\r\n|\r|\n/);
      rest = (lines.pop() ?? '') + whole.slice(end);
      return lines.flatMap((line) => take(line) ?? []);
    },
  };
}
