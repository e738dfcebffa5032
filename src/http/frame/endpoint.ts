/**
 * The frame of the HTTP API: what every endpoint has in common, from authorization to the problem details. Everything
 * in src/http may import the folder; the folder imports no endpoint.
 *
 * An endpoint is described once, for the OpenAPI document and for the parser. This is not middleware, because the order
 * matters (a validation error tells nothing to a caller without a key) and because every layer costs time.
 */
import type { OpenAPIHono, z } from '@hono/zod-openapi';
import type { Context, HonoRequest } from 'hono';
import { messageOf } from '../../errors.ts';
import { createLineBudget } from '../../kit/line-budget.ts';
import { inOurWords } from '../../kit/schema-words.ts';
import type { TraceContext } from '../../kit/trace-context.ts';
import { forRequest, type RequestCause } from '../../runtime/cause.ts';
import { observedRequest } from '../../runtime/journal/observed.ts';
import { type Answer, isProblem, respond } from './answer.ts';
import type { Access } from './auth.ts';
import { changesOf } from './changes.ts';
import { conditional } from './conditional.ts';
import type { EndpointDeps, RequestMetrics } from './deps.ts';
import { describe, isConditional } from './description.ts';
import { endsConnection, hangUp, isBodyHere, remoteAddressOf } from './node-request.ts';
import type { OverBounds } from './over-bounds.ts';
import { type FieldError, hidesReason, invalid, type Problem, problemOf } from './problem.ts';
import { type Asked, type Source, sourceOf } from './source.ts';
import type { TenantCommands } from './tenant-commands.ts';

export interface Api {
  readonly app: OpenAPIHono;
  readonly deps: EndpointDeps;
  readonly metrics: RequestMetrics;
  readonly overBounds: OverBounds;
  readonly commands: TenantCommands;
}

export interface Spec<A, P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType> {
  readonly method: 'get' | 'post' | 'put' | 'delete';
  /** With `{parameters}`, as in OpenAPI. */
  readonly path: string;
  readonly operationId: string;
  readonly tag: string;
  readonly summary: string;
  readonly description?: string;
  readonly access: Access<A>;
  /** Path parameters other than `{tenant}`, which `access` reads. */
  readonly params?: P;
  readonly query?: Q;
  /** JSON. Without a schema the body is not read. */
  readonly body?: B;
  /** True if the endpoint takes an Idempotency-Key. */
  readonly command?: boolean;
  /** True for what goes before other requests of a tenant that sends too many: chats, messages, operators. */
  readonly urgent?: boolean;
  /** Headers for the document. The endpoint parses them itself. */
  readonly headers?: z.ZodObject;
  readonly success: {
    readonly status: 200 | 202 | 204;
    readonly description: string;
    readonly schema?: z.ZodType;
    /** Default `application/json`. */
    readonly type?: string;
  };
  /** A second answer that is not a problem. */
  readonly also?: {
    readonly status: number;
    readonly description: string;
    readonly schema: z.ZodType;
  };
  /** Statuses of problems that not every endpoint of this kind has. */
  readonly problems?: readonly number[];
}

export interface Call<A, P, Q, B> {
  /** The HTTP request. Others may have come in it too. */
  readonly request: HonoRequest;
  readonly asked: Asked;
  /** The caller's X-Request-Id, or a fresh one. Also the correlation id of what the request causes. */
  readonly requestId: string;
  /** The caller's trace, if it named one. */
  readonly trace: TraceContext;
  /** An id for this request alone. */
  readonly freshId: string;
  /** Closes the socket, whatever still waits in it. @returns false if there is no socket */
  hangUp(): boolean;
  /** The address that the request came from; '' if there is no socket. */
  readonly remoteAddress: string;
  /** True if the server has received the whole body. */
  isBodyHere(): boolean;
  readonly caller: A;
  readonly params: P;
  readonly query: Q;
  readonly body: B;
}

/** What an endpoint does with a request that was let in and parsed. */
export type Handle<A, P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType> = (
  call: Call<A, z.output<P>, z.output<Q>, z.output<B>>,
) => Answer | Problem | Promise<Answer | Problem>;

/**
 * Admits a request of a caller who is authorised, and carries it out. It counts and logs as one that came alone. Every
 * error is a problem.
 */
export type CarryOut<A> = (caller: A, source: Source) => Promise<Answer | Problem>;

/** Adds an endpoint to the app and to its document. @returns its way in for requests that do not come alone */
export function addEndpoint<
  A,
  P extends z.ZodType = z.ZodUndefined,
  Q extends z.ZodType = z.ZodUndefined,
  B extends z.ZodType = z.ZodUndefined,
>({ app, deps, metrics }: Api, spec: Spec<A, P, Q, B>, handle: Handle<A, P, Q, B>): CarryOut<A> {
  const { method, path, access } = spec;
  const count = metrics.route(method, path);
  const log = failureLog(deps);
  const hasEtag = isConditional(spec);
  const kind = spec.urgent ? 'urgent' : hasEtag ? 'query' : 'other';

  const admitted = async (caller: A, source: Source): Promise<Answer | Problem> => {
    const admission = access.admit?.(caller, kind) ?? null;
    if (admission && isProblem(admission)) return admission;
    try {
      return await answer(caller, source);
    } finally {
      admission?.();
    }
  };

  const answer = async (caller: A, source: Source): Promise<Answer | Problem> => {
    const parsed = await parse(spec, source);
    if (isProblem(parsed)) return parsed;
    const { changed = [], ...parts } = parsed;
    const { request, asked, requestId, trace, freshId, env } = source;
    // Each part is the output of its schema. Where there is no schema, the type of the part is undefined.
    const result = await handle({
      request,
      asked,
      requestId,
      trace,
      freshId,
      hangUp: () => hangUp(env),
      remoteAddress: remoteAddressOf(env),
      isBodyHere: () => isBodyHere(env),
      caller,
      ...parts,
    } as Call<A, z.output<P>, z.output<Q>, z.output<B>>);
    if (isProblem(result)) return result;
    return hasEtag ? conditional(request, result) : withChanges(result, changed);
  };

  /** Counts and logs what comes of a request. The lines are a part of its trace. */
  const observed = (work: () => Promise<Answer | Problem>, source: ObservedSource) => {
    const cause = { correlationId: source.requestId, ...source.trace };
    return forRequest(cause, () => counted(cause, work, source));
  };

  const counted = async (
    cause: RequestCause,
    work: () => Promise<Answer | Problem>,
    { request, requestId }: ObservedSource,
  ): Promise<Answer | Problem> => {
    const startedAt = performance.now();
    let result: Answer | Problem;
    try {
      result = await observedRequest(
        cause,
        { ...deps, name: `${method.toUpperCase()} ${path}` },
        work,
        ({ status }) => status,
      );
    } catch (error) {
      const found = problemOf(error);
      if (found.status >= 500 || hidesReason(error))
        log(error, found, { requestId, method, path }, request.param('tenant'));
      result = found;
    }
    count(result.status, performance.now() - startedAt);
    deps.logger.debug({ requestId, method, path, status: result.status }, 'request');
    return result;
  };

  app[method](path.replaceAll(/\{(\w+)\}/g, ':$1'), async (c: Context) => {
    const source = sourceOf(c, deps);
    const result = await observed(async () => admitted(access.authorize(c.req), source), source);
    // RFC 9110 §9.3.2: the answer to HEAD has no body, so nobody else would ever cancel this stream.
    if (c.req.method === 'HEAD' && !isProblem(result)) await result.stream?.cancel();
    return respond(result, source.requestId, await endsConnection(c.env, result.status));
  });
  describe(app, spec);
  return (caller, source) => observed(() => admitted(caller, source), source);
}

type ObservedSource = Pick<Source, 'request' | 'requestId' | 'trace'>;

interface Parts {
  params?: unknown;
  query?: unknown;
  body?: unknown;
  /** What the schema has changed in the body. */
  changed?: readonly FieldError[];
}

/** The answer to a command, with what was changed in its body. */
const withChanges = (answer: Answer, changed: readonly FieldError[]): Answer =>
  changed.length > 0 && answer.status === 202
    ? { ...answer, json: { ...(answer.json as object), changed } } // every 202 has an object
    : answer;

/** Parses the parts that have a schema, in this order. @returns the first problem, or the parts */
async function parse(
  {
    params,
    query,
    body,
  }: Pick<Spec<unknown, z.ZodType, z.ZodType, z.ZodType>, keyof Omit<Parts, 'changed'>>,
  source: Source,
): Promise<Parts | Problem> {
  const parts: Parts = {};
  if (params) {
    const result = params.safeParse(source.params(), { error: inOurWords });
    if (!result.success) return invalid(result.error.issues);
    parts.params = result.data;
  }
  if (query) {
    const result = query.safeParse(source.query(), { error: inOurWords });
    if (!result.success) return invalid(result.error.issues);
    parts.query = result.data;
  }
  if (body) {
    const given = await source.body();
    const result = body.safeParse(given, { error: inOurWords });
    if (!result.success) return invalid(result.error.issues);
    parts.body = result.data;
    parts.changed = changesOf(given, result.data);
  }
  return parts;
}

/**
 * Logs why a request failed. Each defect is a line. All else has a budget: strangers can cause a 503, and a tenant a
 * thousand of them a second.
 * @returns `tenant` is a configured one, if there is one in the path: nobody else comes so far
 */
function failureLog({ logger }: EndpointDeps) {
  const lines = createLineBudget();
  return (
    error: unknown,
    { code }: Problem,
    request: Readonly<Record<string, string>>,
    tenant: string | undefined,
  ): void => {
    const about = { ...(tenant !== undefined && { tenant }), ...request };
    if (code === 'internal' || code === 'unfit') {
      logger.error({ err: error, ...about }, code);
      return;
    }
    const line = lines(`${tenant ?? ''} ${code}`);
    // Where it was thrown says nothing.
    logger[line ? 'warn' : 'debug']({ reason: messageOf(error), ...about, ...line }, code);
  };
}
