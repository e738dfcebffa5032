/** The ports of a demonstration: which variable sets each, and whether they can be used. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { AppError, messageOf } from '../src/errors.ts';

export interface Address {
  /** The variable that changes it. */
  readonly variable: string;
  readonly host: string;
  readonly port: number;
}

const MOST_PORT = 65_535;
/** How far the proposed port is from a port in use. */
const PROPOSED_DISTANCE = 1000;

/** Reads a port from a variable. @throws {AppError} if it is no port */
export function portOf(variable: string, fallback: number): Address {
  const text = process.env[variable] || String(fallback);
  const port = Number(text);
  if (!Number.isInteger(port) || port < 1 || port > MOST_PORT) {
    throw new AppError(
      'invalid',
      `${variable} has to be a port from 1 to ${MOST_PORT}, not ${text}`,
    );
  }
  return { variable, host: '127.0.0.1', port };
}

/** The address of the service. @throws {AppError} if it is none */
export function listenOf(listen: string): Address {
  const [, host = '', digits = ''] = /^(\[[\da-f:]+\]|[^:\s]+):(\d+)$/i.exec(listen) ?? [];
  const port = Number(digits);
  if (host === '' || port < 1 || port > MOST_PORT) {
    throw new AppError(
      'invalid',
      `LISTEN has to be HOST:PORT, such as 127.0.0.1:8090, with a port from 1 to ${MOST_PORT}, not ${listen}`,
    );
  }
  return { variable: 'LISTEN', host, port };
}

/**
 * @param command what the proposal begins anew
 * @throws {AppError} `conflict` naming every address that cannot be used, and the variables that change them
 */
export async function requireFree(
  addresses: readonly Address[],
  command = 'make run',
): Promise<void> {
  // All are held until the last was tried, so that two of the same port are noticed.
  const probes = await Promise.all(
    addresses.map(async (address) => ({ address, ...(await probe(address)) })),
  );
  await Promise.all(probes.map(({ server }) => new Promise((done) => server.close(done))));
  const busy = probes.filter(({ reason }) => reason !== null);
  if (busy.length === 0) return;
  const lines = busy.map(
    ({ address: { variable, port }, reason }) =>
      `port ${port} (${variable}) cannot be used: ${reason}`,
  );
  const proposal = busy.map(({ address }) => proposalFor(address)).join(' ');
  throw new AppError(
    'conflict',
    `${lines.join('\n')}\nUse others, such as: ${proposal} ${command}`,
  );
}

async function probe({ host, port }: Address): Promise<{ server: Server; reason: string | null }> {
  const server = createServer();
  try {
    server.listen(port, host.replace(/^\[|\]$/g, ''));
    await once(server, 'listening');
    return { server, reason: null };
  } catch (error) {
    const busy = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
    return { server, reason: busy ? 'another program uses it' : messageOf(error) };
  }
}

function proposalFor({ variable, host, port }: Address): string {
  const other =
    port + PROPOSED_DISTANCE > MOST_PORT ? port - PROPOSED_DISTANCE : port + PROPOSED_DISTANCE;
  return `${variable}=${variable === 'LISTEN' ? `${host}:${other}` : other}`;
}
