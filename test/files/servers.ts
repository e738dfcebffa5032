/** Servers that have files, and one that scans them as clamd does. All of them on loopback. */
import { createServer, type RequestListener } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net';

/** The smallest PNG that a client shows. */
export const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
);

export interface FileServer extends AsyncDisposable {
  /** Without a slash at its end. */
  readonly url: string;
  /** Paths that were asked for. */
  readonly asked: string[];
  /** Connections that are open. */
  readonly open: () => number;
}

export async function startFileServer(answer: RequestListener): Promise<FileServer> {
  const asked: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    answer(request, response);
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    asked,
    open: () => sockets.size,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export interface Clamd extends AsyncDisposable {
  readonly port: number;
  /** What it was sent whole. */
  readonly scanned: Buffer[];
}

/**
 * Speaks clamd's INSTREAM as clamd(8) has it, and finds what holds the text `EICAR`.
 * @param answer instead of its own; null: it never answers
 */
export async function startClamd(
  given: { answer?: string | null; port?: number; most?: number } = {},
): Promise<Clamd> {
  const scanned: Buffer[] = [];
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => {
    sockets.add(socket);
    let bytes: Buffer = Buffer.alloc(0);
    const chunks: Buffer[] = [];
    let isBegun = false;
    const say = (text: string) => socket.end(`${text}\0`);
    socket.on('close', () => sockets.delete(socket)).on('error', () => undefined);
    socket.on('data', (part: Buffer) => {
      bytes = Buffer.concat([bytes, part]);
      if (!isBegun) {
        if (bytes.length < 10) return;
        if (bytes.subarray(0, 10).toString() !== 'zINSTREAM\0') return say('UNKNOWN COMMAND');
        isBegun = true;
        bytes = bytes.subarray(10);
      }
      while (bytes.length >= 4) {
        const length = bytes.readUInt32BE(0);
        if (length === 0) {
          const file = Buffer.concat(chunks);
          scanned.push(file);
          if (given.answer === null) return;
          const isFound = file.includes('EICAR');
          return say(given.answer ?? (isFound ? 'stream: Test.EICAR FOUND' : 'stream: OK'));
        }
        if (bytes.length < 4 + length) return;
        chunks.push(bytes.subarray(4, 4 + length));
        bytes = bytes.subarray(4 + length);
        if (Buffer.concat(chunks).length > (given.most ?? Number.POSITIVE_INFINITY)) {
          return say('INSTREAM size limit exceeded. ERROR');
        }
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(given.port ?? 0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    scanned,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
