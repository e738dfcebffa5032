/**
 * One endpoint: described once, for the OpenAPI document and for the parser. Hand-written instead of middleware, because
 * the order matters (nobody learns from a validation error what their key does not open) and every layer costs.
 */
import type { OpenAPIHono, z } from '@hono/zod-openapi';
import type { Context, HonoRequest } from 'hono';
import type { HttpDeps } from '../deps.ts';
import type { HttpMetrics } from '../metrics.ts';
import { type Answer, isProblem, respond } from './answer.ts';
import type { Access } from './auth.ts';
import { COMMAND_LIMIT, isJson, parseJson, readBytes } from './body.ts';
import { conditional } from './conditional.ts';
import { describe, isConditional } from './description.ts';
import { invalid, type Problem, problem, problemOf } from './problem.ts';

export interface Api {
  readonly app: OpenAPIHono;
  readonly deps: HttpDeps;
  readonly metrics: HttpMetrics;
}

export interface Spec<A, P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType> {
  readonly method: 'get' | 'post' | 'put' | 'delete';
  /** With `{parameters}`, as OpenAPI has it. */
  readonly path: string;
  readonly operationId: string;
  readonly tag: string;
  readonly summary: string;
  readonly description?: string;
  readonly access: Access<A>;
  /** Path parameters, but for `{tenant}`, which belongs to `access`. */
  readonly params?: P;
  readonly query?: Q;
  /** JSON; without a schema the body is not read. */
  readonly body?: B;
  /** Whether it takes an Idempotency-Key. */
  readonly command?: boolean;
  /** Headers that it reads, for the document; it parses them itself. */
  readonly headers?: z.ZodObject;
  /** What it answers when all is well. */
  readonly success: {
    readonly status: 200 | 202 | 204;
    readonly description: string;
    readonly schema?: z.ZodType;
    /** Default `application/json`. */
    readonly type?: string;
  };
  /** Another answer that is no problem. */
  readonly also?: {
    readonly status: number;
    readonly description: string;
    readonly schema: z.ZodType;
  };
  /** Statuses of the problems that are special to it, beside those of every endpoint of its kind. */
  readonly problems?: readonly number[];
}

export interface Call<A, P, Q, B> {
  readonly request: HonoRequest;
  /** X-Request-Id, given or made; also the correlation id of what it causes. */
  readonly requestId: string;
  /** An id that nobody else has given or got. */
  readonly freshId: string;
  /** Ends the connection at once, whatever is still to be sent on it. @returns false where there is none */
  hangUp(): boolean;
  readonly caller: A;
  readonly params: P;
  readonly query: Q;
  readonly body: B;
}

/** Adds an endpoint to the app and to its document. */
export function endpoint<
  A,
  P extends z.ZodType = z.ZodUndefined,
  Q extends z.ZodType = z.ZodUndefined,
  B extends z.ZodType = z.ZodUndefined,
>(
  api: Api,
  spec: Spec<A, P, Q, B>,
  handle: (
    call: Call<A, z.output<P>, z.output<Q>, z.output<B>>,
  ) => Answer | Problem | Promise<Answer | Problem>,
): void {
  const { app, deps, metrics } = api;
  const { method, path, access, params, query, body } = spec;

  const count = metrics.route(method, path);

  const conditionally = isConditional(spec);

  const answer = async (
    { req: request, env }: Context,
    requestId: string,
    freshId: string,
  ): Promise<Answer | Problem> => {
    const caller = access.authorize(request);
    const parsed: { params?: unknown; query?: unknown; body?: unknown } = {};
    if (params) {
      const result = params.safeParse(request.param());
      if (!result.success) return invalid(result.error.issues);
      parsed.params = result.data;
    }
    if (query) {
      const result = query.safeParse(request.query());
      if (!result.success) return invalid(result.error.issues);
      parsed.query = result.data;
    }
    if (body) {
      if (!isJson(request.header('content-type'))) {
        return problem('unsupported-media-type', 'send the body as application/json', [
          { field: 'Content-Type', reason: 'is not application/json' },
        ]);
      }
      const result = body.safeParse(parseJson(await readBytes(request, COMMAND_LIMIT)));
      if (!result.success) return invalid(result.error.issues);
      parsed.body = result.data;
    }
    const before = conditionally ? deps.projections.position() : null;
    const hangUp = () => {
      const { outgoing } = (env ?? {}) as Connection; // the node server's bindings; none where the app is asked directly
      outgoing?.destroy();
      return outgoing !== undefined;
    };
    // Each part is the output of its schema; where there is no schema, its type says undefined.
    const result = await handle({
      request,
      requestId,
      freshId,
      hangUp,
      caller,
      ...parsed,
    } as Call<A, z.output<P>, z.output<Q>, z.output<B>>);
    return conditionally && !isProblem(result) ? conditional(request, result, before) : result;
  };

  app[method](path.replaceAll(/\{(\w+)\}/g, ':$1'), async (c: Context) => {
    const started = performance.now();
    const freshId = deps.newId();
    const requestId = requestIdOf(c.req.header('x-request-id')) ?? freshId;
    let result: Answer | Problem;
    try {
      result = await answer(c, requestId, freshId);
    } catch (error) {
      const found = problemOf(error);
      if (found.status >= 500) report(deps, error, found, { requestId, method, path });
      result = found;
    }
    // RFC 9110 §9.3.2: a HEAD is answered without a body, and nobody else would ever let go of this one.
    if (c.req.method === 'HEAD' && !isProblem(result)) await result.stream?.cancel();
    count(result.status, performance.now() - started);
    deps.logger.debug({ requestId, method, path, status: result.status }, 'request');
    return respond(result, requestId);
  });
  describe(app, spec);
}

/** What @hono/node-server hands on with a request. */
interface Connection {
  readonly outgoing?: { destroy(): void };
}

/** A caller's X-Request-Id, if it is one that may stand in logs and headers. */
export const requestIdOf = (text: string | undefined): string | undefined =>
  text !== undefined && /^[A-Za-z0-9._:-]{1,128}$/.test(text) ? text : undefined;

const report = (
  { logger }: HttpDeps,
  error: unknown,
  { code }: Problem,
  request: Readonly<Record<string, string>>,
): void => {
  if (code === 'internal' || code === 'unfit') logger.error({ err: error, ...request }, code);
  else logger.warn({ err: error, ...request }, code);
};
