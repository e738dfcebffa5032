/** A stand-in for LHC, for the demo only: checks signed callbacks, keeps the latest, and lists them on GET. */
import { createServer, type IncomingMessage } from 'node:http';
import { Webhook } from 'standardwebhooks';
import { AppError, messageOf } from '../src/errors.ts';

/** The number of callbacks that are kept. */
const MAX_CALLBACKS = 1000;
const MAX_BODY_BYTES = 1024 * 1024;

export interface DemoLhc {
  readonly url: string;
  close(): Promise<void>;
}

/** @param secret `whsec_…`: a callback with another signature is answered 401 */
export async function startDemoLhc(port: number, secret: string): Promise<DemoLhc> {
  const webhook = new Webhook(secret);
  const callbacks: unknown[] = [];
  const server = createServer(async (request, response) => {
    if (request.method === 'GET') {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(callbacks));
      return;
    }
    try {
      callbacks.push(webhook.verify(await bodyOf(request), headersOf(request)));
      callbacks.splice(0, callbacks.length - MAX_CALLBACKS);
      response.writeHead(204).end();
    } catch (error) {
      response.writeHead(401, { 'content-type': 'text/plain' }).end(messageOf(error));
    }
  });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen(port, '127.0.0.1', resolve);
  await promise;
  return {
    url: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) throw new AppError('too-large', 'the body is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function headersOf(request: IncomingMessage): Record<string, string> {
  return Object.fromEntries(
    Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
  );
}
