/** One live connection: server-sent events (WHATWG HTML, "Server-sent events") into a bounded buffer. */
import type { StreamEvent, StreamType } from '../../projections/changes.ts';

export interface ConnectionOptions {
  readonly types: ReadonlySet<StreamType>;
  /** Bytes that may wait for the reader. */
  readonly maxBufferBytes: number;
  /** How long the reader may take to read half of the buffer. After that the connection is cut. */
  readonly drainWithinMs: number;
  /** Closes the socket, whatever waits in it. @returns false if there is no socket */
  hangUp(): boolean;
  /** Called once, when the connection sends no more. */
  onEnd(how: ConnectionEnd): void;
}

/** `gone`: the reader hung up. `ended`: the server ended the stream. `cut`: the reader was too slow. */
export type ConnectionEnd = 'gone' | 'ended' | 'cut';

export interface Connection {
  readonly stream: ReadableStream<Uint8Array>;
  readonly open: boolean;
  /**
   * Sends the events of one fact, or none of them. Only the last event has the position as its id, so a reader who got
   * some of the events gets all of them again.
   * @returns how many events were sent; null if the buffer has no room for them
   */
  send(events: readonly StreamEvent[], position: string): number | null;
  /**
   * Sends the events of one fact one by one, and waits for room between them: the events of one missed fact may be more
   * than the buffer holds.
   * @returns how many events were sent
   */
  sendWithRoom(events: readonly StreamEvent[], position: string): Promise<number>;
  /** Sends an event of the stream itself. */
  control(event: string, data: object, options?: { id?: string | null; retryMs?: number }): void;
  /** Keeps the connection alive, and moves the reader's last event id to the position without an event. */
  heartbeat(position: string | null): void;
  /** Ends the stream. The reader reconnects. */
  end(): void;
}

const encoder = new TextEncoder();

/** Makes a connection. Its stream is the body of an answer. */
export function createConnection(options: ConnectionOptions): Connection {
  const { types, maxBufferBytes, drainWithinMs } = options;
  let controller: ReadableStreamDefaultController<Uint8Array> | null = null;
  let room = Promise.withResolvers<void>();

  const finish = (how: ConnectionEnd): void => {
    if (!controller) return;
    controller = null;
    room.resolve();
    options.onEnd(how);
  };

  const stream = new ReadableStream<Uint8Array>(
    {
      start: (own) => {
        controller = own;
      },
      // Called whenever the buffer has room and the reader wants more.
      pull: () => {
        room.resolve();
        room = Promise.withResolvers<void>();
      },
      cancel: () => finish('gone'),
    },
    new ByteLengthQueuingStrategy({ highWaterMark: maxBufferBytes }),
  );

  const freeBytes = (): number => controller?.desiredSize ?? 0;

  /** Hangs up on a reader who is too slow. */
  const cut = (): void => {
    const own = controller;
    if (!own) return;
    finish('cut');
    // The server does not see an error of the stream while it waits for the socket to drain. When the socket closes, the
    // server cancels the stream and drops what waits in it.
    if (!options.hangUp()) own.error(new Error('the reader is too slow'));
  };

  /** @returns false if the buffer has no room for the text */
  const write = (text: string): boolean => {
    if (!controller) return true;
    const bytes = encoder.encode(text);
    if (freeBytes() < bytes.length) return false;
    controller.enqueue(bytes);
    return true;
  };

  const writeOrCut = (text: string): void => {
    if (!write(text)) cut();
  };

  const hasRoom = (): boolean =>
    controller === null || maxBufferBytes - freeBytes() <= maxBufferBytes / 2;

  /** Waits until the reader has read half of the buffer, or is gone. Cuts a reader who takes too long. */
  const drained = async (): Promise<void> => {
    const late = setTimeout(cut, drainWithinMs);
    while (!hasRoom()) await room.promise;
    clearTimeout(late);
  };

  return {
    stream,
    get open() {
      return controller !== null;
    },
    send: (events, position) => {
      // UTF-8 is never shorter. Events that are much too long (a thousand messages at once) are not even joined.
      const length = events.reduce(
        (sum, { type, data }) => sum + (types.has(type) ? data.length : 0),
        0,
      );
      if (controller && length > freeBytes()) return null;
      const blocks = blocksOf(events, types, position);
      return blocks.length === 0 || write(blocks.join('')) ? blocks.length : null;
    },
    sendWithRoom: async (events, position) => {
      const blocks = blocksOf(events, types, position);
      for (const block of blocks) {
        if (!hasRoom()) await drained();
        writeOrCut(block);
      }
      return blocks.length;
    },
    control: (event, data, { id, retryMs } = {}) => {
      const lines = [
        `event: ${event}`,
        ...(id ? [`id: ${id}`] : []),
        ...(retryMs === undefined ? [] : [`retry: ${retryMs}`]),
        `data: ${JSON.stringify(data)}`,
      ];
      writeOrCut(`${lines.join('\n')}\n\n`);
    },
    // A block without data is not an event, but its id counts.
    heartbeat: (position) =>
      writeOrCut(position === null ? ': alive\n\n' : `: alive\nid: ${position}\n\n`),
    end: () => {
      const own = controller;
      if (!own) return;
      finish('ended');
      own.close();
    },
  };
}

/** The events of these types as text. The last one has the id. */
function blocksOf(
  events: readonly StreamEvent[],
  types: ReadonlySet<StreamType>,
  position: string,
): readonly string[] {
  const own = events.filter(({ type }) => types.has(type));
  const last = own.length - 1;
  return own.map(({ type, data }, i) => {
    const id = i === last ? `id: ${position}\n` : '';
    return `event: ${type}\n${id}data: ${data}\n\n`;
  });
}
