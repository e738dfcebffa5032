/**
 * The port that clients connect to. It forwards bytes to the gRPC server behind it, so that connections can be treated like
 * those of a crashed or a frozen process.
 */
import net from 'node:net';

export interface Network {
  readonly port: number;
  /** Accepts no more connections, and cuts the existing ones. */
  stop(): Promise<void>;
  start(): Promise<void>;
  cutAll(): void;
  /** Cuts the connection that has this peer address at the server behind. */
  cut(peer: string): void;
  /** While on, forwards nothing in either direction. */
  freeze(on: boolean): void;
}

interface Pair {
  readonly outside: net.Socket;
  readonly inside: net.Socket;
}

/** @param requested the port; 0 for any free port, which is kept after a restart */
export const openNetwork = async (behind: number, requested: number): Promise<Network> => {
  const pairs = new Set<Pair>();
  let frozen = false;
  let port = requested;
  let server: net.Server | undefined;

  const connected = (outside: net.Socket): void => {
    const inside = net.connect(behind, '127.0.0.1');
    const pair = { outside, inside };
    pairs.add(pair);
    for (const [from, to] of [
      [outside, inside],
      [inside, outside],
    ] as const) {
      from.setNoDelay(true);
      from.on('data', (bytes) => {
        if (!to.write(bytes)) from.pause();
      });
      from.on('drain', () => {
        if (!frozen) to.resume();
      });
      // A cut connection is the purpose of this. Both ends are closed together.
      from.on('error', () => cutPair(pair));
      from.on('close', () => cutPair(pair));
      if (frozen) from.pause();
    }
  };

  const cutPair = (pair: Pair): void => {
    pairs.delete(pair);
    pair.outside.destroy();
    pair.inside.destroy();
  };

  const cutAll = (): void => {
    for (const pair of [...pairs]) cutPair(pair);
  };

  const start = async (): Promise<void> => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const listening = net.createServer(connected).once('error', reject);
    listening.listen(port, '127.0.0.1', resolve);
    await promise;
    server = listening;
    const address = listening.address();
    if (address && typeof address === 'object') port = address.port;
  };

  await start();
  return {
    get port() {
      return port;
    },
    start,
    stop: async () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      if (!server) return;
      server.close(() => resolve());
      server = undefined;
      cutAll();
      await promise;
    },
    cutAll,
    cut: (peer) => {
      for (const pair of [...pairs]) {
        if (peer.endsWith(`:${pair.inside.localPort}`)) cutPair(pair);
      }
    },
    freeze: (on) => {
      frozen = on;
      for (const { outside, inside } of pairs) {
        for (const socket of [outside, inside]) {
          if (on) socket.pause();
          else socket.resume();
        }
      }
    },
  };
};
