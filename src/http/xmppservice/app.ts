/**
 * The HTTP API of the old Node server, which LHC's xmppservice extension calls: a translator in front of the same actors
 * (docs/adr/0038). It has a listener of its own. `createXmppserviceApp` is the entry point; only the composition root
 * (src/service) imports it.
 *
 * Each path is described once, in `visitors.ts`, `operators.ts` or `rosters.ts`. `callee.ts` finds out whose call it is,
 * `answer.ts` has the old server's answers. LHC sends nothing twice and waits 5 s at most, so each call is answered within
 * {@link ANSWER_WITHIN_MS}.
 */
import { type Context, Hono } from 'hono';
import { AppError, messageOf, publicMessageOf } from '../../errors.ts';
import { within } from '../../kit/deadline.ts';
import { createLineBudget } from '../../kit/line-budget.ts';
import { inOurWords } from '../../kit/schema-words.ts';
import { forRequest, type RequestCause } from '../../runtime/cause.ts';
import { observedRequest } from '../../runtime/journal/observed.ts';
import { MAX_COMMAND_BYTES, parseJson, readBytes } from '../frame/body.ts';
import { endsConnection } from '../frame/node-request.ts';
import { invalid, ProblemError } from '../frame/problem.ts';
import { traceOf } from '../frame/source.ts';
import {
  type Answer,
  answered,
  FORBIDDEN,
  NOTHING_HERE,
  OK_TEXT,
  refused,
  respond,
} from './answer.ts';
import type { LhcCall } from './call.ts';
import { createCallees, NotAdmitted } from './callee.ts';
import type { XmppserviceDeps } from './deps.ts';
import { operatorCalls } from './operators.ts';
import { createPace } from './pace.ts';
import { rosterCalls } from './rosters.ts';
import { visitorCalls } from './visitors.ts';

/** LHC gives up after 5 s, and a page of a visitor may wait for several calls. */
export const ANSWER_WITHIN_MS = 1_900;
/** How long a body may take. */
export const BODY_WITHIN_MS = 1_000;
/** Calls at the same time, of all tenants. LHC has as many as its web server has workers. */
export const CALLS_AT_ONCE = 512;
/** Connections of this listener. LHC makes a new one for each call. */
export const XMPPSERVICE_MAX_CONNECTIONS = 2_000;

const tooLate = (): AppError =>
  new AppError('timeout', 'the service does not know yet whether this is done');

/** Makes the app. It opens no socket, so tests can ask it directly. */
export function createXmppserviceApp(deps: XmppserviceDeps): Hono {
  const { logger } = deps;
  const app = new Hono();
  const callees = createCallees(deps);
  const pace = createPace(deps.monotonic);
  const calls = new Map<string, LhcCall>(
    [...visitorCalls(deps), ...operatorCalls(deps), ...rosterCalls(deps)].map((call) => [
      call.path,
      call,
    ]),
  );
  const lines = createLineBudget();
  let running = 0;

  /** LHC drops every refusal without a word, so the log is where an administrator can see it. */
  function note(path: string, error: unknown, tenant = ''): void {
    if (error instanceof AppError || error instanceof ProblemError) {
      const line = lines(`${tenant} ${path}`);
      const { field } = error instanceof AppError ? error.details : {};
      const where = typeof field === 'string' && field !== '' ? { field } : {};
      const reason = messageOf(error);
      const about = { ...(tenant && { tenant }), path, ...where, reason, ...line };
      logger[line ? 'warn' : 'debug'](about, 'a call of the xmppservice wire was refused');
    } else {
      logger.error({ err: error, path, tenant }, 'internal');
    }
  }

  async function answer(c: Context, call: LhcCall, cause: RequestCause): Promise<Answer> {
    const startedAt = performance.now();
    const { answerWithinMs = ANSWER_WITHIN_MS } = deps;
    const leftMs = (): number => Math.max(0, answerWithinMs - (performance.now() - startedAt));
    let tenant = '';
    try {
      const limits = { deadlineMs: deps.bodyDeadlineMs ?? BODY_WITHIN_MS };
      const body = parseJson(await readBytes(c.req, MAX_COMMAND_BYTES, limits));
      const work = async (): Promise<void> => {
        const callee = callees.find(call, body);
        tenant = callee.tenant?.id ?? '';
        const parsed = call.body.safeParse(body, { error: inOurWords });
        if (!parsed.success) throw new ProblemError(invalid(parsed.error.issues));
        if (!(await pace(callee, call.urgent, leftMs()))) throw overloaded();
        const resolved = await callees.resolve(call, callee);
        await observedRequest(
          cause,
          { ...deps, name: `xmppservice ${call.path}` },
          () => call.carryOut(resolved, parsed.data),
          () => null,
        );
      };
      await within(leftMs(), work(), tooLate);
      return answered(call.text);
    } catch (error) {
      note(call.path, error, tenant);
      return error instanceof NotAdmitted ? FORBIDDEN : refused(...reasonOf(error));
    }
  }

  app.get('/', () => respond(OK_TEXT));
  app.all('*', async (c) => {
    const call = c.req.method === 'POST' ? calls.get(c.req.path) : undefined;
    let result: Answer = NOTHING_HERE;
    if (call && running >= CALLS_AT_ONCE) {
      note(call.path, overloaded());
      result = refused(...reasonOf(overloaded()));
    } else if (call) {
      running += 1;
      try {
        const cause = { correlationId: deps.newId(), ...traceOf(c.req) };
        result = await forRequest(cause, () => answer(c, call, cause));
      } finally {
        running -= 1;
      }
    }
    logger.debug({ path: call?.path, status: result.status }, 'xmppservice call');
    return respond(result, await endsConnection(c.env, result.status));
  });
  return app;
}

const overloaded = (): AppError => new AppError('overloaded', 'too many calls at once');

/** Why a call is refused, and the status of the answer. LHC looks at the text alone. */
function reasonOf(error: unknown): [reason: string, status: number] {
  if (error instanceof ProblemError) {
    const { detail, status } = error.problem;
    return [detail, status === 408 ? status : 200];
  }
  if (!(error instanceof AppError)) return ['this is a defect of the service; see its log', 500];
  const { field } = error.details;
  const reason = publicMessageOf(error);
  const text = typeof field === 'string' && field !== '' ? `${field}: ${reason}` : reason;
  if (error.code === 'too-large') return [text, 413];
  return [text, error.code === 'overloaded' || error.code === 'timeout' ? 503 : 200];
}
