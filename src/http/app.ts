/** The HTTP API as one Hono app: it owns no socket, so that tests ask it directly. */
import { OpenAPIHono } from '@hono/zod-openapi';
import { deadLetters } from './debug/dead-letters.ts';
import { debugProjections } from './debug/projections.ts';
import { debug } from './debug/streams.ts';
import { debugWebhooks } from './debug/webhooks.ts';
import type { HttpDeps } from './deps.ts';
import { DOCS_CSP, docsPage } from './docs.ts';
import { type Answer, respond } from './frame/answer.ts';
import { createAuth } from './frame/auth.ts';
import { type Api, requestIdOf } from './frame/endpoint.ts';
import { type Problem, problem, problemOf } from './frame/problem.ts';
import { health } from './health.ts';
import { createMetrics } from './metrics.ts';
import { stream } from './stream/endpoint.ts';
import { chats } from './v1/chats.ts';
import { departments } from './v1/departments.ts';
import { operators } from './v1/operators.ts';
import { queue } from './v1/queue.ts';
import { stats } from './v1/stats.ts';
import { typing } from './v1/typing.ts';
import { visitorCommands } from './v1/visitor-commands.ts';
import { visitorQueries } from './v1/visitor-queries.ts';
import { ejabberdEvents } from './webhook/endpoint.ts';
import { createWebhookReceipts } from './webhook/receipts.ts';

const SCHEMES = {
  apiKey: { type: 'http', scheme: 'bearer', description: "A tenant's API key, or the admin token" },
  adminToken: { type: 'http', scheme: 'bearer', description: 'ADMIN_TOKEN' },
  webhook: {
    type: 'apiKey',
    in: 'header',
    name: 'webhook-signature',
    description: 'Standard Webhooks 1.0, with webhook-id and webhook-timestamp',
  },
} as const;

/** Makes the app. It performs nothing by itself; everything it needs is in `deps`. */
export function createApp(deps: HttpDeps): OpenAPIHono {
  const app = new OpenAPIHono();
  const api: Api = { app, deps, metrics: createMetrics(deps) };
  const auth = createAuth(deps.tenants, deps.adminToken);

  for (const [name, scheme] of Object.entries(SCHEMES)) {
    app.openAPIRegistry.registerComponent('securitySchemes', name, scheme);
  }
  visitorCommands(api, auth.tenant);
  typing(api, auth.tenant);
  visitorQueries(api, auth.tenant);
  operators(api, auth.tenant);
  departments(api, auth.tenant);
  chats(api, auth.tenant);
  queue(api, auth.tenant);
  stats(api, auth.tenant);
  stream(api, auth.tenant);
  const receipts = createWebhookReceipts((host) => deps.tenants.ofHost(host).length > 0, deps.now);
  api.metrics.webhooks(receipts.view, () => deps.tenants.all().map(({ host }) => host));
  ejabberdEvents(api, receipts);
  debugWebhooks(api, auth.admin, receipts);
  debug(api, auth.admin);
  debugProjections(api, auth.admin);
  deadLetters(api, auth.admin);
  health(api, auth.isAdmin);

  const document = app.getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title: 'xmpp-chat',
      version: deps.version,
      description: 'Web visitors as XMPP contacts of their operators.',
    },
  });
  const documents: Readonly<Record<string, Answer>> = {
    '/openapi.json': { status: 200, text: JSON.stringify(document) },
    '/docs': {
      status: 200,
      text: docsPage(document),
      type: 'text/html; charset=utf-8',
      headers: { 'Content-Security-Policy': DOCS_CSP, 'Referrer-Policy': 'no-referrer' },
    },
  };
  for (const [path, answer] of Object.entries(documents)) {
    app.get(path, (c) =>
      respond(answer, requestIdOf(c.req.header('x-request-id')) ?? deps.newId()),
    );
  }

  // Routes are asked for last, so that a known path with another method is told apart from an unknown one.
  const known = [...new Set(app.routes.map(({ path }) => path))].map((path) => ({
    pattern: new RegExp(`^${path.replaceAll('.', '\\.').replaceAll(/:\w+/g, '[^/]+')}$`),
    methods: app.routes.filter((route) => route.path === path).map(({ method }) => method),
  }));
  const strayed = api.metrics.route('any', 'none');
  app.notFound((c) => {
    const requestId = requestIdOf(c.req.header('x-request-id')) ?? deps.newId();
    const methods = known.find(({ pattern }) => pattern.test(c.req.path))?.methods;
    const result: Problem = methods
      ? problem('method-not-allowed', `this path knows ${methods.join(', ')}`)
      : problem('not-found', 'there is nothing at this path; see /docs');
    strayed(result.status, 0);
    const response = respond(result, requestId);
    if (methods) response.headers.set('Allow', methods.join(', '));
    return response;
  });
  // Endpoints answer for their own errors; what comes here is a defect of the frame around them.
  app.onError((error, c) => {
    const requestId = requestIdOf(c.req.header('x-request-id')) ?? deps.newId();
    deps.logger.error({ err: error, requestId }, 'internal');
    return respond(problemOf(error), requestId);
  });
  return app;
}
