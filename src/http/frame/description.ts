/** Endpoints as the OpenAPI document describes them. */
import { type OpenAPIHono, z } from '@hono/zod-openapi';
import { TenantId } from '../../actors/ids.ts';
import type { Access } from './auth.ts';

/** Problems as RFC 9457 has them. */
const Problem = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.string(),
    errors: z.array(z.object({ field: z.string(), reason: z.string() })).optional(),
    retryAfter: z
      .number()
      .optional()
      .openapi({ description: 'Seconds; only with 429 and 503. Retry-After has the same, or 1' }),
  })
  .openapi('Problem');

const REASONS: Readonly<Record<number, string>> = {
  400: 'The request is invalid; `errors` names each field',
  401: 'No key was sent, or the key is not valid here: it is wrong, or of another tenant, or there is no such tenant',
  404: 'Not found. With the admin token also: no such tenant',
  408: 'The body took too long to arrive',
  409: 'The current state does not allow it, or something else has this id or name; `detail` says why',
  413: 'The body is too large',
  415: 'The body is not JSON',
  422: 'The `Idempotency-Key` belongs to another request: nothing has happened. Take a new key',
  429: 'Too much, or too much at once: the same again after Retry-After. Nothing has happened',
  503: 'Too busy, a part is away, or too late: try again after Retry-After',
};

interface Described {
  readonly method: 'get' | 'post' | 'put' | 'delete';
  readonly path: string;
  readonly operationId: string;
  readonly tag: string;
  readonly summary: string;
  readonly description?: string;
  readonly access: Access<unknown>;
  readonly params?: z.ZodType;
  readonly query?: z.ZodType;
  readonly body?: z.ZodType;
  readonly command?: boolean;
  readonly headers?: z.ZodObject;
  readonly success: {
    readonly status: number;
    readonly description: string;
    readonly schema?: z.ZodType;
    readonly type?: string;
  };
  readonly also?: {
    readonly status: number;
    readonly description: string;
    readonly schema: z.ZodType;
  };
  readonly problems?: readonly number[];
}

const IdempotencyKey = z.object({
  'Idempotency-Key': z
    .string()
    .regex(/^[!-~]{1,200}$/)
    .optional()
    .openapi({
      description:
        'A visitor or operator carries out a request once for each key. The same key with another method, path or body is answered with 422',
    }),
});

const IfNoneMatch = z.object({
  'If-None-Match': z.string().optional().openapi({
    description: 'The `ETag` of an earlier answer: 304 if the answer is still the same',
  }),
});

/** True if the endpoint's answers have an ETag: everything that a tenant reads, except the stream. */
export const isConditional = ({
  method,
  access,
  success,
}: Pick<Described, 'method' | 'access' | 'success'>): boolean =>
  method === 'get' && access.scheme === 'apiKey' && success.type === undefined;

/** Adds an endpoint to the app's document. */
export function describe(app: OpenAPIHono, spec: Described): void {
  const { method, path, operationId, tag, summary, description, access, query } = spec;
  const params = pathParameters(path, spec.params);
  app.openAPIRegistry.registerPath({
    method,
    path,
    operationId,
    tags: [tag],
    summary,
    ...(description && { description }),
    security: access.scheme ? [{ [access.scheme]: [] }, ...(access.optional ? [{}] : [])] : [],
    request: {
      ...(params && { params }),
      // Query and path schemas are objects wherever one is given.
      ...(query && { query: query as z.ZodObject }),
      ...(spec.command && { headers: IdempotencyKey }),
      ...(spec.headers && { headers: spec.headers }),
      ...(isConditional(spec) && { headers: IfNoneMatch }),
      ...(spec.body && {
        body: { required: true, content: { 'application/json': { schema: spec.body } } },
      }),
    },
    responses: { ...successes(spec), ...problems(spec) },
  });
}

function successes(spec: Described) {
  const { success, also } = spec;
  return {
    [success.status]: {
      description: success.description,
      ...(success.schema && {
        content: { [success.type ?? 'application/json']: { schema: success.schema } },
      }),
    },
    ...(isConditional(spec) && { 304: { description: 'The caller has this already' } }),
    ...(also && {
      [also.status]: {
        description: also.description,
        content: { 'application/json': { schema: also.schema } },
      },
    }),
  };
}

/** The endpoint's own problems, and those of every endpoint of its kind. */
function problems({ path, access, params, query, body, command, problems: own = [] }: Described) {
  const statuses = new Set(own);
  if (access.scheme) statuses.add(401);
  if (access.admit) statuses.add(429);
  // With the admin token alone it is told that there is no such tenant.
  if (path.includes('{tenant}') && access.scheme !== 'webhookKey') statuses.add(404);
  if (params || query || body || command) statuses.add(400);
  if (body) statuses.add(408).add(413).add(415);
  if (command) statuses.add(409).add(422).add(503);
  const entries = [...statuses].sort().map((status) => [
    status,
    {
      description: REASONS[status] ?? 'A problem',
      content: { 'application/problem+json': { schema: Problem } },
    },
  ]);
  return Object.fromEntries(entries);
}

function pathParameters(path: string, params: z.ZodType | undefined): z.ZodObject | undefined {
  const own = params as z.ZodObject | undefined; // path schemas are objects wherever one is given
  if (!path.includes('{tenant}')) return own;
  return z.object({ tenant: TenantId, ...own?.shape });
}
