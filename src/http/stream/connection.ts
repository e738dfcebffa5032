/** One live connection: server-sent events (WHATWG HTML, Server-sent events) into a bounded buffer. */
import type { StreamType, Told } from './events.ts';

export interface ConnectionOptions {
  readonly types: ReadonlySet<StreamType>;
  /** Bytes that may wait for the reader. */
  readonly maxBuffer: number;
  /** How long it may take to take half of them before it is cut, in ms. */
  readonly drainWithinMs: number;
  /** Closes the socket, whatever waits in it. @returns false where there is none */
  hangUp(): boolean;
  /** Told once, when nothing more will be sent. */
  ended(how: 'gone' | 'ended' | 'cut'): void;
}

export interface Connection {
  readonly stream: ReadableStream<Uint8Array>;
  readonly open: boolean;
  /**
   * What one fact changed; `position` names the last of them, so that a reader who got some of them gets all again.
   * @returns how many were told; null when there is no room for them: nothing was
   */
  tell(told: readonly Told[], position: string): number | null;
  /** The same, each part when there is room for it: what was missed, even one fact of it, may be more than may wait. */
  tellByAndBy(told: readonly Told[], position: string): Promise<number>;
  /** An event of the stream's own. */
  say(event: string, data: object, options?: { id?: string | null; retry?: number }): void;
  /** Moves the reader's last event id without an event, and keeps the connection from being taken for dead. */
  beat(position: string | null): void;
  /** The stream ends; the reader comes again. */
  end(): void;
}

const encoder = new TextEncoder();

/** Makes a connection; its stream is the body of an answer. */
export function createConnection(options: ConnectionOptions): Connection {
  const { types, maxBuffer, drainWithinMs } = options;
  let controller: ReadableStreamDefaultController<Uint8Array> | null = null;
  let room = Promise.withResolvers<void>();

  const finish = (how: 'gone' | 'ended' | 'cut'): void => {
    if (!controller) return;
    controller = null;
    room.resolve();
    options.ended(how);
  };

  const stream = new ReadableStream<Uint8Array>(
    {
      start: (given) => {
        controller = given;
      },
      // Asked whenever the buffer is not full and the reader wants more.
      pull: () => {
        room.resolve();
        room = Promise.withResolvers<void>();
      },
      cancel: () => finish('gone'),
    },
    new ByteLengthQueuingStrategy({ highWaterMark: maxBuffer }),
  );

  /** Hangs up on a reader who is too slow. */
  const cut = (): void => {
    const given = controller;
    if (!given) return;
    finish('cut');
    // An error in the stream is not seen while the server waits for the socket to drain; when that is closed, the server
    // cancels the stream, and what waits in it is let go of.
    if (!options.hangUp()) given.error(new Error('the reader is too slow'));
  };

  /** @returns false when there is no room for it */
  const put = (text: string): boolean => {
    if (!controller) return true;
    const bytes = encoder.encode(text);
    if ((controller.desiredSize ?? 0) < bytes.length) return false;
    controller.enqueue(bytes);
    return true;
  };

  const send = (text: string): void => {
    if (!put(text)) cut();
  };

  const hasRoom = (): boolean =>
    controller === null || maxBuffer - (controller.desiredSize ?? 0) <= maxBuffer / 2;

  /** Waits until the reader has taken most of what waits, or there is no reader any more; not longer than for a slow one. */
  const drained = async (): Promise<void> => {
    const late = setTimeout(cut, drainWithinMs);
    while (!hasRoom()) await room.promise;
    clearTimeout(late);
  };

  const blocksOf = (told: readonly Told[], position: string): readonly string[] => {
    const wanted = told.filter(({ type }) => types.has(type));
    const last = wanted.length - 1;
    return wanted.map(
      ({ type, data }, i) =>
        `event: ${type}\n${i === last ? `id: ${position}\n` : ''}data: ${data}\n\n`,
    );
  };

  return {
    stream,
    get open() {
      return controller !== null;
    },
    tell: (told, position) => {
      // In UTF-8 it is no shorter: what is much too long (a thousand messages delivered at once) is not even joined.
      const length = told.reduce(
        (sum, { type, data }) => sum + (types.has(type) ? data.length : 0),
        0,
      );
      if (controller && length > (controller.desiredSize ?? 0)) return null;
      const blocks = blocksOf(told, position);
      return blocks.length === 0 || put(blocks.join('')) ? blocks.length : null;
    },
    tellByAndBy: async (told, position) => {
      const blocks = blocksOf(told, position);
      for (const block of blocks) {
        if (!hasRoom()) await drained();
        send(block);
      }
      return blocks.length;
    },
    say: (event, data, { id, retry } = {}) => {
      const lines = [
        `event: ${event}`,
        ...(id ? [`id: ${id}`] : []),
        ...(retry === undefined ? [] : [`retry: ${retry}`]),
        `data: ${JSON.stringify(data)}`,
      ];
      send(`${lines.join('\n')}\n\n`);
    },
    // A block without data is no event, and its id counts all the same.
    beat: (position) => send(position === null ? ': alive\n\n' : `: alive\nid: ${position}\n\n`),
    end: () => {
      const given = controller;
      if (!given) return;
      finish('ended');
      given.close();
    },
  };
}
