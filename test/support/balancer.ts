/**
 * The smallest possible load balancer. New connections go in turn to the processes that answer `/healthz`. A process that
 * stops answering (because it was killed or paused) gets no new connections, and its open connections are cut.
 */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer, type Socket } from 'node:net';

export interface Balancer {
  readonly url: string;
  close(): Promise<void>;
}

const CHECK_EVERY_MS = 200;
/** Longer than a process on a busy machine takes. The connections of a slow but healthy process must not be cut. */
const HEALTH_DEADLINE_MS = 5_000;

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
        peer.destroySoon(); // what the other side sent before it closed still arrives
      });
      socket.pipe(peer);
    }
  });

  async function check(target: Target): Promise<void> {
    const answer = await fetch(`http://127.0.0.1:${target.port}/healthz`, {
      signal: AbortSignal.timeout(HEALTH_DEADLINE_MS),
    }).catch(() => null);
    await answer?.body?.cancel();
    target.healthy = answer?.ok ?? false;
    if (!target.healthy) for (const socket of target.sockets) socket.destroy();
  }
  const checking = setInterval(() => {
    for (const target of targets) void check(target);
  }, CHECK_EVERY_MS);

  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo; // the server listens on a TCP port
  return {
    url: `http://127.0.0.1:${port}`,
    async close() {
      clearInterval(checking);
      for (const { sockets } of targets) for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
