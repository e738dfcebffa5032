/** A port in front of another one that counts what passes. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface WatchedPort {
  readonly port: number;
  /** Connections so far, and bytes that came over them from those who connect. */
  seen(): { readonly connections: number; readonly bytes: number };
  close(): Promise<void>;
}

/**
 * @param target a port of this machine
 * @param ignored what is not counted
 */
export async function watchPort(target: number, ignored?: RegExp): Promise<WatchedPort> {
  const seen = { connections: 0, bytes: 0 };
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    seen.connections += 1;
    client.on('data', (data: Buffer) => {
      const counted = ignored ? Buffer.from(data.toString().replaceAll(ignored, '')) : data;
      seen.bytes += counted.length;
    });
    const behind = connect(target, '127.0.0.1');
    for (const [socket, peer] of [
      [client, behind],
      [behind, client],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => peer.destroy());
      socket.on('close', () => {
        sockets.delete(socket);
        peer.destroySoon(); // what the other side sent before it closed still arrives
      });
      socket.pipe(peer);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port, // it listens on a TCP port
    seen: () => ({ ...seen }),
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
