/**
 * XML-RPC for LHC's xmppservice extension, on a listener of its own (XMLRPC_LISTEN). The entry is {@link createXmlRpc}; only
 * the composition root (src/service) imports the folder.
 *
 * Every answer has the status 200, as ejabberd's: LHC takes another one for silence. Every answer comes within
 * {@link RPC_DEADLINE_MS}, because LHC waits 5 s, some of them within a visitor's page.
 */
import { Hono, type HonoRequest } from 'hono';
import { AppError, hasCode, messageOf } from '../../errors.ts';
import { within } from '../../kit/deadline.ts';
import { newId } from '../../kit/id.ts';
import { createLimiter } from '../../kit/limiter.ts';
import { createLineBudget } from '../../kit/line-budget.ts';
import { forRequest, type RequestCause } from '../../runtime/cause.ts';
import { observedRequest } from '../../runtime/journal/observed.ts';
import { readBytes } from '../frame/body.ts';
import { traceOf } from '../frame/source.ts';
import { createCallerCheck, structOf } from './caller.ts';
import { callNamed } from './calls.ts';
import { FAULT, Fault, faultXml, parseCall, type RpcValue, responseXml } from './codec.ts';
import type { XmlRpcDeps } from './deps.ts';

/** A call at most. A private message of an operator may be as long as LHC's form allows. */
export const MAX_CALL_BYTES = 256 * 1024;
/** How long a call may take to arrive. */
export const CALL_BODY_DEADLINE_MS = 2_000;
/** The answer to a call at the latest, from its last byte on. */
export const RPC_DEADLINE_MS = 1_900;
/** Calls that are carried out at the same time. */
export const CALLS_AT_ONCE = 64;
/** Connections to the listener at the same time. LHC makes one for each call. */
export const RPC_MAX_CONNECTIONS = 1_000;

export interface XmlRpcOptions extends Omit<XmlRpcDeps, 'onRoomsWithoutTenant'> {
  /** XMLRPC_PASSWORD */
  readonly password: string | undefined;
  /** Whether a template for tenants has this host. */
  readonly isTemplateHost: (host: string) => boolean;
  /** Default {@link RPC_DEADLINE_MS}. */
  readonly deadlineMs?: number;
}

/** Makes the listener's app. It opens no socket. */
export function createXmlRpc(options: XmlRpcOptions): Hono {
  const { tenants, password, isTemplateHost, logger, deadlineMs = RPC_DEADLINE_MS } = options;
  const hostOf = createCallerCheck({ ofHost: tenants.ofHost, hasHost: isTemplateHost }, password);
  const limited = createLimiter(CALLS_AT_ONCE);
  const lines = createLineBudget();
  const deps: XmlRpcDeps = {
    ...options,
    onRoomsWithoutTenant(host) {
      const line = lines(`rooms ${host}`);
      logger[line ? 'warn' : 'debug'](
        { host, ...line },
        'a private chat of operators stays in LHC: its calls name no instance. Add the instance to the path of rpc_server in its settings',
      );
    },
  };

  const late = (): AppError =>
    new AppError('timeout', `it was not done within ${deadlineMs / 1000} s`);

  /** @throws {Fault} */
  async function answer(text: string, instance: string, cause: RequestCause): Promise<RpcValue> {
    const { method, params } = parseCall(text);
    const host = hostOf(params[0]);
    const { handle, otherwise } = callNamed(method);
    const args = structOf(params[1] ?? {}, 'second parameter');
    try {
      return await within(
        deadlineMs,
        limited(() =>
          observedRequest(
            cause,
            { ...options, name: `XML-RPC ${method}` },
            () => handle({ deps, host, instance }, args),
            () => null,
          ),
        ),
        late,
      );
    } catch (error) {
      if (error instanceof Fault) throw error;
      if (hasCode(error, 'invalid', 'refused')) throw new Fault(FAULT.failed, error.message);
      const line = lines(`failed ${host} ${method}`);
      const reason = messageOf(error);
      if (!(error instanceof AppError)) logger.error({ err: error, method }, 'internal');
      else logger[line ? 'warn' : 'debug']({ host, method, reason, ...line }, 'not done');
      return otherwise;
    }
  }

  /** A call that was too long or too slow, say. */
  const asFault = (error: unknown): Fault =>
    error instanceof Fault ? error : new Fault(FAULT.unknownCall, messageOf(error));

  async function xmlFor(request: HonoRequest, cause: RequestCause): Promise<string> {
    const instance = request.path.split('/').findLast((part) => part !== '') ?? '';
    try {
      const bytes = await readBytes(request, MAX_CALL_BYTES, { deadlineMs: CALL_BODY_DEADLINE_MS });
      return responseXml(await answer(new TextDecoder().decode(bytes), instance, cause));
    } catch (error) {
      const fault = asFault(error);
      const line = lines(`fault ${fault.code} ${fault.message}`);
      const { code, message: reason } = fault;
      logger[line ? 'warn' : 'debug']({ code, reason, ...line }, 'a call of XML-RPC got a fault');
      return faultXml(fault);
    }
  }

  const app = new Hono();
  app.post('*', async (c) => {
    const cause = { correlationId: newId(), ...traceOf(c.req) };
    const xml = await forRequest(cause, () => xmlFor(c.req, cause));
    return c.body(xml, 200, { 'Content-Type': 'text/xml' });
  });
  app.notFound((c) => c.text('Only calls of XML-RPC are answered here, by POST.', 405));
  return app;
}
