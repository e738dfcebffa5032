/** A stand-in for LHC: takes signed callbacks, keeps the last of them and shows them. For the demonstration only. */
import { createServer } from 'node:http';
import { Webhook } from 'standardwebhooks';
import { AppError, messageOf } from '../src/errors.ts';

const KEPT = 1000;
const MAX_BYTES = 1024 * 1024;

export interface DemoLhc {
  readonly url: string;
  close(): Promise<void>;
}

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
      const chunks: Buffer[] = [];
      let bytes = 0;
      for await (const chunk of request) {
        bytes += chunk.length;
        if (bytes > MAX_BYTES) throw new AppError('too-large', 'the body is too large');
        chunks.push(chunk);
      }
      const headers = Object.fromEntries(
        Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
      );
      callbacks.push(webhook.verify(Buffer.concat(chunks).toString(), headers));
      callbacks.splice(0, callbacks.length - KEPT);
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
