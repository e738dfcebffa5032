/** Endpoints as the OpenAPI document has them. */
import { type OpenAPIHono, z } from '@hono/zod-openapi';
import { TenantId } from '../../actors/ids.ts';
import type { Access } from './auth.ts';

/** RFC 9457, as every problem is answered. */
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
      .openapi({ description: 'Seconds, of a 503; also in Retry-After, which is 1 without it' }),
  })
  .openapi('Problem');

const REASONS: Readonly<Record<number, string>> = {
  400: 'The request does not fit; `errors` names each field',
  401: 'No key, a wrong key, a foreign key or an unknown tenant: the same answer for all',
  404: 'There is no such thing; for the admin token also: no such tenant',
  409: 'The state does not allow it; `detail` says why',
  413: 'The body is too large',
  415: 'The body is not JSON',
  503: 'Too busy, a part is away, or not in time: come again after Retry-After',
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
    .openapi({ description: 'The same key again, for the same actor, is carried out once' }),
});

const IfNoneMatch = z.object({
  'If-None-Match': z
    .string()
    .optional()
    .openapi({ description: 'The `ETag` of an answer: 304 while the same would be answered' }),
});

/** Whether its answers have an ETag: what a tenant reads. */
export const isConditional = ({
  method,
  access,
  success,
}: Pick<Described, 'method' | 'access' | 'success'>): boolean =>
  method === 'get' && access.scheme === 'apiKey' && success.type === undefined;

/** Adds an endpoint to the document of the app. */
export function describe(app: OpenAPIHono, spec: Described): void {
  const { method, path, operationId, tag, summary, description, access, body, success, also } =
    spec;
  const statuses = new Set(spec.problems ?? []);
  if (access.scheme) statuses.add(401);
  if (path.includes('{tenant}')) statuses.add(404);
  if (spec.params || spec.query || body || spec.command) statuses.add(400);
  if (body) statuses.add(413).add(415);
  if (spec.command) statuses.add(409).add(503);
  const problems = [...statuses].sort().map((status) => [
    status,
    {
      description: REASONS[status] ?? 'A problem',
      content: { 'application/problem+json': { schema: Problem } },
    },
  ]);
  const params = pathParameters(path, spec.params);
  const { query } = spec;
  app.openAPIRegistry.registerPath({
    method,
    path,
    operationId,
    tags: [tag],
    summary,
    ...(description && { description }),
    security: access.scheme ? [{ [access.scheme]: [] }] : [],
    request: {
      ...(params && { params }),
      // Query and path schemas are objects wherever one is given.
      ...(query && { query: query as z.ZodObject }),
      ...(spec.command && { headers: IdempotencyKey }),
      ...(spec.headers && { headers: spec.headers }),
      ...(isConditional(spec) && { headers: IfNoneMatch }),
      ...(body && {
        body: { required: true, content: { 'application/json': { schema: body } } },
      }),
    },
    responses: {
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
      ...Object.fromEntries(problems),
    },
  });
}

function pathParameters(path: string, params: z.ZodType | undefined): z.ZodObject | undefined {
  const own = params as z.ZodObject | undefined; // path schemas are objects wherever one is given
  if (!path.includes('{tenant}')) return own;
  return z.object({ tenant: TenantId, ...own?.shape });
}
