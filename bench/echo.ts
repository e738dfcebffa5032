/** The reference for page views: Hono and zod alone, with the same schema and the same HTTP server, in a child process. */
import type { AddressInfo } from 'node:net';
import { createAdaptorServer } from '@hono/node-server';
import { Hono } from 'hono';
import { PageView } from '../src/http/v1/visitor-bodies.ts';
import { answerParent } from './processes.ts';

const app = new Hono();
app.post('/v1/:tenant/visitors/:key/page-views', async (c) => {
  const parsed = PageView.safeParse(await c.req.json());
  return parsed.success ? c.json(parsed.data, 202) : c.json(parsed.error.issues, 400);
});
const server = createAdaptorServer({ fetch: app.fetch });
const listening = Promise.withResolvers<number>();
server.listen({ host: '127.0.0.1', port: 0 }, () => {
  const { port } = server.address() as AddressInfo; // The server listens on a TCP port.
  listening.resolve(port);
});

export interface Echo {
  readonly port: number;
}

answerParent(async (): Promise<Echo> => ({ port: await listening.promise }));
