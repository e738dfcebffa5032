/**
 * The HTTP API: commands and queries of tenants (v1), the live stream, mod_lhc's webhook, /debug, health, docs, the console and the
 * web client. `createApp` and `serve` are the entry points; only the composition root (src/service) imports them. The folders
 * v1, stream, webhook, debug, console and web-client do not import each other; all of them import frame, which imports none.
 */
import { OpenAPIHono } from '@hono/zod-openapi';
import type { HonoRequest } from 'hono';
import { createCheckpoints } from '../replay/checkpoints.ts';
import { addConsole } from './console/console.ts';
import { addDeadLetterEndpoints } from './debug/dead-letters.ts';
import { addOutlineEndpoint } from './debug/outline.ts';
import { addProjectionEndpoints } from './debug/projections.ts';
import { addReplayEndpoints } from './debug/replay.ts';
import { addDebugSearchEndpoint } from './debug/search.ts';
import { addStreamListEndpoint } from './debug/stream-list.ts';
import { addStreamReadingEndpoints } from './debug/streams.ts';
import { addTraceEndpoints } from './debug/traces.ts';
import { addWebhookReceiptsEndpoint } from './debug/webhooks.ts';
import { addWhatIfEndpoint } from './debug/what-if.ts';
import { addWholeReplayEndpoint } from './debug/whole-replay.ts';
import type { HttpDeps } from './deps.ts';
import { DOCS_CSP, docsPage } from './docs.ts';
import { type Answer, respond } from './frame/answer.ts';
import { createAuth } from './frame/auth.ts';
import type { Api } from './frame/endpoint.ts';
import { limited } from './frame/limits.ts';
import { endsConnection } from './frame/node-request.ts';
import { createOverBounds } from './frame/over-bounds.ts';
import { type Problem, problem, problemOf } from './frame/problem.ts';
import { requestIdOf } from './frame/source.ts';
import { createTenantCommands } from './frame/tenant-commands.ts';
import { addHealthEndpoints } from './health.ts';
import { addLhcWebhooks, byWebhookKey } from './lhc/webhooks.ts';
import { createMetrics } from './metrics.ts';
import { addStreamEndpoint } from './stream/endpoint.ts';
import { addBatchEndpoint } from './v1/batch.ts';
import { addCannedTextEndpoints } from './v1/canned-texts.ts';
import { addChatEndpoints } from './v1/chats.ts';
import { addDepartmentsEndpoint } from './v1/departments.ts';
import { addOperatorEndpoints } from './v1/operators.ts';
import { addQueueEndpoint } from './v1/queue.ts';
import { addSearchEndpoint } from './v1/search.ts';
import { addStatsEndpoint } from './v1/stats.ts';
import { addOwnTenantEndpoints } from './v1/tenant-own.ts';
import { addTenantEndpoints } from './v1/tenants.ts';
import { addVisitorCommands } from './v1/visitor-commands.ts';
import { addVisitorDataEndpoint } from './v1/visitor-data.ts';
import { addVisitorQueries } from './v1/visitor-queries.ts';
import { addTypingEndpoint } from './v1/visitor-typing.ts';
import { addWebClient } from './web-client/web-client.ts';
import { clockCheck } from './webhook/clock-check.ts';
import { addWebhookEndpoint } from './webhook/endpoint.ts';
import { addOlderModulesEndpoints } from './webhook/older-modules.ts';
import { createWebhookReceipts } from './webhook/receipts.ts';

const SECURITY_SCHEMES = {
  apiKey: { type: 'http', scheme: 'bearer', description: "A tenant's API key, or the admin token" },
  webhookKey: { type: 'http', scheme: 'bearer', description: "A tenant's webhookKey" },
  adminToken: { type: 'http', scheme: 'bearer', description: 'ADMIN_TOKEN' },
  webhook: {
    type: 'apiKey',
    in: 'header',
    name: 'webhook-signature',
    description: 'Standard Webhooks 1.0, with webhook-id and webhook-timestamp',
  },
} as const;

/** Makes the API as one Hono app. The app opens no socket, so tests can ask it directly. */
export function createApp(deps: HttpDeps): OpenAPIHono {
  const app = new OpenAPIHono();
  const receipts = createWebhookReceipts((host) => deps.tenants.ofHost(host).length > 0, deps.now);
  const overBounds = createOverBounds(deps.logger);
  const metrics = createMetrics(deps, receipts.view, overBounds);
  const api: Api = { app, deps, metrics, overBounds, commands: createTenantCommands() };
  const auth = createAuth(deps.tenants, deps.adminToken, deps.now);
  const tenant = limited(auth.tenant, overBounds);

  for (const [name, scheme] of Object.entries(SECURITY_SCHEMES)) {
    app.openAPIRegistry.registerComponent('securitySchemes', name, scheme);
  }
  // No tenant is called `tenants`.
  addTenantEndpoints(api, auth.admin);
  addVisitorCommands(api, tenant);
  addTypingEndpoint(api, tenant);
  addVisitorQueries(api, tenant);
  addVisitorDataEndpoint(api, tenant);
  addOwnTenantEndpoints(api, tenant, deps.version);
  addOperatorEndpoints(api, tenant);
  addCannedTextEndpoints(api, tenant);
  addBatchEndpoint(api, tenant);
  addDepartmentsEndpoint(api, tenant);
  addChatEndpoints(api, tenant);
  addQueueEndpoint(api, tenant);
  addSearchEndpoint(api, tenant);
  addStatsEndpoint(api, tenant);
  addStreamEndpoint(api, tenant, deps.stream);
  addLhcWebhooks(api, limited(byWebhookKey(deps.tenants), overBounds));
  addWebhookEndpoint(api, deps.webhookSecrets, receipts);
  addOlderModulesEndpoints(api, deps.olderModulesFrom, receipts);
  addWebhookReceiptsEndpoint(api, auth.admin, receipts.view);
  addStreamListEndpoint(api, auth.admin, deps.tenants);
  addDebugSearchEndpoint(api, auth.admin, deps.tenants);
  const checkpoints = createCheckpoints();
  addStreamReadingEndpoints(api, auth.admin, checkpoints);
  addReplayEndpoints(api, auth.admin, checkpoints);
  addWhatIfEndpoint(api, auth.admin, checkpoints);
  addWholeReplayEndpoint(api, auth.admin);
  addOutlineEndpoint(api, auth.admin);
  addTraceEndpoints(api, auth.admin);
  addProjectionEndpoints(api, auth.admin);
  addDeadLetterEndpoints(api, auth.admin);
  const { clockJump, advisories } = deps;
  const clock = clockJump && { clock: clockCheck(receipts.view, clockJump, deps.now) };
  if (clock) deps.onClockCheck?.(clock.clock);
  const health = { ...deps, advisories: { ...advisories, ...clock, webhooks: receipts.check } };
  addHealthEndpoints(api, health, metrics, auth);

  addDocuments(app, deps);
  addConsole(api, deps.consoleFolder);
  addWebClient(api, deps.tenants, deps.webClientFolder);
  answerUnknownPaths(api);
  // Endpoints turn their own errors into problems. Only a defect of the frame comes here.
  app.onError((error, c) => {
    const requestId = idOf(c.req, deps);
    deps.logger.error({ err: error, requestId }, 'internal');
    return respond(problemOf(error), requestId);
  });
  return app;
}

const idOf = (request: HonoRequest, { newId }: Pick<HttpDeps, 'newId'>): string =>
  requestIdOf(request.header('x-request-id')) ?? newId();

/** Serves the OpenAPI document of all endpoints that the app has so far, as JSON and as a page. */
function addDocuments(app: OpenAPIHono, deps: HttpDeps): void {
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
    app.get(path, (c) => respond(answer, idOf(c.req, deps)));
  }
}

/** Answers 405 for another method on a path of the app, and 404 for every other path. */
function answerUnknownPaths({ app, deps, metrics }: Api): void {
  const paths = [...new Set(app.routes.map(({ path }) => path))].map((path) => ({
    pattern: new RegExp(
      `^${path.replaceAll('.', '\\.').replaceAll(/:\w+/g, '[^/]+').replace('*', '.*')}$`,
    ),
    methods: app.routes.filter((route) => route.path === path).map(({ method }) => method),
  }));
  const count = metrics.route('any', 'none');
  app.notFound(async (c) => {
    const methods = paths.find(({ pattern }) => pattern.test(c.req.path))?.methods;
    const result: Problem = methods
      ? problem('method-not-allowed', `this path allows ${methods.join(', ')}`)
      : problem('not-found', 'there is nothing at this path; see /docs');
    count(result.status, 0);
    const close = await endsConnection(c.env, result.status);
    const response = respond(result, idOf(c.req, deps), close);
    if (methods) response.headers.set('Allow', methods.join(', '));
    return response;
  });
}
