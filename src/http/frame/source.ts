/** Where an endpoint has its requests from: an HTTP request of its own, or one that carries several. */
import type { Context, HonoRequest } from 'hono';
import { type TraceContext, traceContextOf } from '../../kit/trace-context.ts';
import { isJson, MAX_COMMAND_BYTES, parseJson, readBytes } from './body.ts';
import type { EndpointDeps } from './deps.ts';
import { ProblemError, problem } from './problem.ts';

/** What a request asks for. In a batch that is not what its HTTP request asks for. */
export interface Asked {
  /** Upper case. */
  readonly method: string;
  readonly path: string;
  /** The Idempotency-Key, unparsed. */
  readonly key: string | undefined;
}

/** A request as an endpoint parses it. */
export interface Source {
  /** The HTTP request. Others may have come in it too. */
  readonly request: HonoRequest;
  readonly asked: Asked;
  readonly requestId: string;
  /** The caller's trace, if it named one. */
  readonly trace: TraceContext;
  readonly freshId: string;
  /** What the Node server adds to the HTTP request. */
  readonly env: unknown;
  /** Path parameters, unparsed. */
  params(): unknown;
  query(): unknown;
  /** Parsed JSON. @throws {AppError} `invalid`, `too-large` @throws {ProblemError} */
  body(): unknown;
}

/** A request that comes alone. */
export function sourceOf({ req: request, env }: Context, deps: EndpointDeps): Source {
  const freshId = deps.newId();
  const { method, path } = request;
  return {
    request,
    asked: { method, path, key: request.header('idempotency-key') },
    requestId: requestIdOf(request.header('x-request-id')) ?? freshId,
    trace: traceOf(request),
    freshId,
    env,
    params: () => request.param(),
    query: () => request.query(),
    async body() {
      if (!isJson(request.header('content-type'))) throw new ProblemError(NOT_JSON);
      return parseJson(await readBytes(request, MAX_COMMAND_BYTES, bodyLimits(deps)));
    },
  };
}

/** The caller's trace, if it named one. */
export const traceOf = (request: HonoRequest): TraceContext =>
  traceContextOf(request.header('traceparent'), request.header('tracestate'));

const NOT_JSON = problem('unsupported-media-type', 'send the body as application/json', [
  { field: 'Content-Type', reason: 'is not application/json' },
]);

/** How long the frame waits for a body. */
export const bodyLimits = ({ bodyDeadlineMs }: EndpointDeps): { deadlineMs?: number } =>
  bodyDeadlineMs === undefined ? {} : { deadlineMs: bodyDeadlineMs };

/** A caller's X-Request-Id, if it is safe in logs and headers. */
export const requestIdOf = (text: string | undefined): string | undefined =>
  text !== undefined && /^[A-Za-z0-9._:-]{1,128}$/.test(text) ? text : undefined;
