/** Several commands of a tenant's LHC in one request, each carried out as if it had come alone (docs/adr/0042). */
import { z } from '@hono/zod-openapi';
import { within } from '../../kit/deadline.ts';
import { createLimiter } from '../../kit/limiter.ts';
import { traceContextOf } from '../../kit/trace-context.ts';
import { type Answer, DEFAULT_RETRY_AFTER_S, isProblem } from '../frame/answer.ts';
import type { Access, Caller } from '../frame/auth.ts';
import { COMMAND_DEADLINE_MS, late } from '../frame/commands.ts';
import { type Api, addEndpoint } from '../frame/endpoint.ts';
import { type Problem, problem, problemOf } from '../frame/problem.ts';
import { MessageId } from '../frame/text.ts';

export const MAX_BATCH_REQUESTS = 100;
/** Visitors and operators of one batch whose requests run side by side. */
export const BATCH_AT_ONCE = 16;

const BatchedRequest = z.strictObject({
  id: MessageId.openapi({
    description: 'The Idempotency-Key of this request. Unique in the batch',
  }),
  method: z.string().openapi({ example: 'POST', description: 'POST, PUT or DELETE' }),
  path: z.string().openapi({
    example: 'visitors/42/page-views',
    description: 'Of a command, below `/v1/{tenant}/`. Without a query',
  }),
  body: z
    .unknown()
    .optional()
    .openapi({ description: 'As the command takes it when it comes alone' }),
  traceparent: z.string().optional().openapi({
    description:
      'The header that this request would have if it came alone. Default: that of the batch',
  }),
  tracestate: z.string().optional(),
});
type BatchedRequest = z.output<typeof BatchedRequest>;

const Batch = z
  .strictObject({
    requests: z
      .array(BatchedRequest)
      .min(1, 'is empty')
      .max(MAX_BATCH_REQUESTS, `has more than ${MAX_BATCH_REQUESTS} requests`)
      .superRefine((requests, context) => {
        const seen = new Set<string>();
        for (const [i, { id }] of requests.entries()) {
          if (seen.has(id))
            context.addIssue({ code: 'custom', path: [i, 'id'], message: 'is there twice' });
          seen.add(id);
        }
      }),
  })
  .openapi('Batch');

const BatchResults = z
  .object({
    results: z
      .array(
        z.object({
          id: z.string(),
          status: z.int(),
          body: z.unknown().openapi({
            description:
              'What the command answers when it comes alone: a problem from 400 on, and null for 204. With 429 and 503 it always has `retryAfter`',
          }),
        }),
      )
      .openapi({ description: 'One for each request, in the same order' }),
  })
  .openapi('BatchResults');

/** The answer to one request. */
type Result = Answer | Problem;

export function addBatchEndpoint(api: Api, access: Access<Caller>): void {
  const { commands, deps } = api;

  addEndpoint(
    api,
    {
      method: 'post',
      path: '/v1/{tenant}/batch',
      operationId: 'batch',
      tag: 'Visitors',
      summary: 'Several commands in one request',
      description: `Each one is let in, bounded, carried out and answered as if it had come alone, with its \`id\` as the
\`Idempotency-Key\`. Commands are what visitors, their chats and operators have besides GET. Those about one visitor or
operator run in their order, others side by side. Once one of a visitor is answered 429 or 5xx, the later ones of that visitor
are not tried: 503 \`waits\`. The answer comes within ${COMMAND_DEADLINE_MS / 1_000} s; what was not begun by then is 503
\`timeout\`.`,
      access,
      body: Batch,
      urgent: true,
      success: { status: 200, description: 'All answers', schema: BatchResults },
      problems: [409],
    },
    async ({ caller, request, requestId, trace, body: { requests } }) => {
      const startedAt = performance.now();
      const remaining = () => COMMAND_DEADLINE_MS - (performance.now() - startedAt);

      const carryOut = async (
        { id, method, path, body, traceparent, tracestate }: BatchedRequest,
        index: number,
      ): Promise<Result> => {
        const found = commands.find(method, path);
        if (found === 'no-path') {
          return problem('not-found', `path: no such command below ${below(caller)}; see /docs`);
        }
        if (found === 'no-method') {
          return problem('method-not-allowed', 'method: this path has another one; see /docs');
        }
        const ms = remaining();
        if (ms <= 0) return NOT_BEGUN;
        const work = found.carryOut(caller, {
          request,
          asked: { method, path: below(caller) + path, key: id },
          requestId: `${requestId}.${index}`,
          trace: traceparent === undefined ? trace : traceContextOf(traceparent, tracestate),
          freshId: deps.newId(),
          env: undefined,
          params: () => found.params,
          query: () => ({}),
          body: () => body,
        });
        return within(ms, work, late).catch(problemOf);
      };

      const answers = await carryOutAll(requests, carryOut);
      const results = requests.map(({ id }, i) => ({ id, ...resultOf(answers[i] ?? NOT_BEGUN) }));
      return { status: 200, json: { results } };
    },
  );
}

const below = ({ tenant }: Caller): string => `/v1/${tenant.id}/`;

const NOT_BEGUN = problem('timeout', 'the time of the batch was over; nothing has happened');

/** The visitor or operator whom a request is about. */
const actorOf = ({ path }: BatchedRequest): string => path.split('/', 2).join('/');

/** Carries out requests about one actor in their order, and others side by side. @returns the answers, in order */
async function carryOutAll(
  requests: readonly BatchedRequest[],
  carryOut: (request: BatchedRequest, index: number) => Promise<Result>,
): Promise<readonly Result[]> {
  const answers: Result[] = [];
  const limited = createLimiter(BATCH_AT_ONCE);
  const inTurn = Map.groupBy(requests.entries(), ([, request]) => actorOf(request));
  const all = [...inTurn.values()].map((ofOne) =>
    limited(async () => {
      let heldUp: Problem | null = null;
      for (const [i, request] of ofOne) {
        const answer: Result = heldUp ?? (await carryOut(request, i));
        answers[i] = answer;
        if (isProblem(answer) && !heldUp) heldUp = behind(answer);
      }
    }),
  );
  await Promise.all(all);
  return answers;
}

/** What later requests about the same actor are answered; null if they may go on. */
function behind({ status, retryAfter }: Problem): Problem | null {
  if (status !== 429 && status < 500) return null;
  const detail = `an earlier request about the same visitor or operator was answered ${status}; nothing has happened`;
  return { ...problem('waits', detail), ...(retryAfter !== undefined && { retryAfter }) };
}

function resultOf(answer: Result): { readonly status: number; readonly body: unknown } {
  const { status } = answer;
  if (!isProblem(answer)) return { status, body: answer.json ?? null };
  const isAgain = status === 429 || status === 503;
  const { retryAfter = DEFAULT_RETRY_AFTER_S } = answer;
  return { status, body: isAgain ? { ...answer, retryAfter } : answer };
}
