/**
 * Callbacks of ejabberd's older modules, as LHC's xmppservice extension takes them. They carry no secret, so the socket's
 * address decides who may post.
 */
import { z } from '@hono/zod-openapi';
import { addressRanges } from '../../kit/address-ranges.ts';
import type { OlderReport } from '../../runtime/ports.ts';
import type { Answer } from '../frame/answer.ts';
import { everybody } from '../frame/auth.ts';
import { parseJson, readBytes } from '../frame/body.ts';
import { type Api, addEndpoint } from '../frame/endpoint.ts';
import { invalid, ProblemError, problem } from '../frame/problem.ts';
import { bodyLimits } from '../frame/source.ts';
import type { WebhookReceipts } from './receipts.ts';

/** A callback at most. Its text is escaped, so each byte can be three. */
export const MAX_CALLBACK_BYTES = 1024 * 1024;

const local = z
  .string()
  .min(1)
  .max(1023)
  .regex(/^[^@/]+$/, 'is no local part of a JID');
const host = z.string().min(1).max(255);

const Session = z
  .object({ action: z.enum(['connect', 'disconnect']), user: local, server: host })
  .transform(
    ({ user, server }): OlderReport => ({ type: 'session', operator: user, host: server }),
  );
const Ping = z
  .object({
    action: z.literal('ping'),
    user: z
      .string()
      .max(3071)
      .regex(/^[^@/]+@[^@/]+\/.+$/s, 'is no full JID'),
  })
  .transform(({ user }): OlderReport => {
    const slash = user.indexOf('/');
    const [operator = '', server = ''] = user.slice(0, slash).split('@');
    return { type: 'ping', operator, host: server, resource: user.slice(slash + 1) };
  });
const Status = z.union([Session, Ping]);

const Written = z
  .object({
    type: z.enum(['chat', 'groupchat', 'presence']),
    sender: local,
    receiver: local,
    server: host,
    body: z.string().default(''),
  })
  .transform(({ type, sender, receiver, server, body }): OlderReport => {
    const from = { operator: sender, host: server };
    return type === 'chat'
      ? { type: 'message', ...from, receiver, body }
      : { type: 'room', ...from };
  });

/** @param allowed addresses and ranges that may post */
export function addOlderModulesEndpoints(
  api: Api,
  allowed: readonly string[],
  receipts: Pick<WebhookReceipts, 'onOlder' | 'onOlderRefused'>,
): void {
  const { olderModules } = api.deps;
  const from = addressRanges(allowed);

  const add = (
    path: string,
    operationId: string,
    summary: string,
    schema: z.ZodType<OlderReport>,
    read: (bytes: Uint8Array) => unknown,
  ): void => {
    addEndpoint(
      api,
      {
        method: 'post',
        path: `/xmppservice/${path}`,
        operationId,
        tag: 'ejabberd',
        summary,
        description:
          'From the addresses of LEGACY_CALLBACKS_FROM alone. 200, with an empty body, as LHC answers it.',
        access: everybody,
        success: { status: 200, description: 'Taken, or of no use' },
        problems: [400, 403, 408, 409, 413, 503],
      },
      async ({ request, remoteAddress }): Promise<Answer> => {
        if (!from.includes(remoteAddress)) {
          receipts.onOlderRefused(remoteAddress);
          const detail =
            'this address may not post callbacks of the older modules (LEGACY_CALLBACKS_FROM)';
          throw new ProblemError(problem('forbidden', detail));
        }
        const given = read(await readBytes(request, MAX_CALLBACK_BYTES, bodyLimits(api.deps)));
        const report = schema.safeParse(given);
        if (!report.success) throw new ProblemError(invalid(report.error.issues));
        receipts.onOlder(report.data.host.toLowerCase(), remoteAddress);
        await olderModules.take(report.data, request.header('host') ?? '');
        return { status: 200, text: '', type: 'text/html; charset=utf-8' };
      },
    );
  };

  add(
    'operatorstatus',
    'takeOperatorStatus',
    "An operator's session or sign of life, as the older modules of ejabberd post it",
    Status,
    (bytes) => parseJson(bytes, true),
  );
  add(
    'processmessage',
    'takeOperatorMessage',
    "An operator's message, as the older modules of ejabberd post it",
    Written,
    (bytes) => Object.fromEntries(new URLSearchParams(new TextDecoder().decode(bytes))),
  );
}
