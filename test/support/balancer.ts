/**
 * A load balancer as small as one can be: connections in turn to those that answer `/healthz`. Who does not answer any
 * more (killed, or paused) gets no new connections, and those that it has are cut.
 */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer, type Socket } from 'node:net';

export interface Balancer {
  readonly url: string;
  close(): Promise<void>;
}

const LOOK_EVERY_MS = 200;
const ANSWERS_WITHIN_MS = 1_000;

interface Target {
  readonly port: number;
  readonly sockets: Set<Socket>;
  healthy: boolean;
}

export async function startBalancer(ports: readonly number[]): Promise<Balancer> {
  const targets: Target[] = ports.map((port) => ({ port, sockets: new Set(), healthy: false }));
  let next = 0;

  function choose(): Target | undefined {
    for (let tries = 0; tries < targets.length; tries++) {
      next = (next + 1) % targets.length;
      if (targets[next]?.healthy) return targets[next];
    }
    return undefined;
  }

  const server = createServer((client) => {
    const target = choose();
    if (!target) {
      client.destroy();
      return;
    }
    const service = connect(target.port, '127.0.0.1');
    for (const [socket, peer] of [
      [client, service],
      [service, client],
    ] as const) {
      target.sockets.add(socket);
      socket.on('error', () => peer.destroy());
      socket.on('close', () => {
        target.sockets.delete(socket);
        peer.destroy();
      });
      socket.pipe(peer);
    }
  });

  async function look(target: Target): Promise<void> {
    const answer = await fetch(`http://127.0.0.1:${target.port}/healthz`, {
      signal: AbortSignal.timeout(ANSWERS_WITHIN_MS),
    }).catch(() => null);
    await answer?.body?.cancel();
    target.healthy = answer?.ok ?? false;
    if (!target.healthy) for (const socket of target.sockets) socket.destroy();
  }
  const looking = setInterval(() => {
    for (const target of targets) void look(target);
  }, LOOK_EVERY_MS);

  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo; // it listens on an address
  return {
    url: `http://127.0.0.1:${port}`,
    async close() {
      clearInterval(looking);
      for (const { sockets } of targets) for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
