/** What all commands have in common: the origin, the deadline and the answer. */
import { z } from '@hono/zod-openapi';
import { streamOf } from '../../actors/ids.ts';
import { AUTOMATIC } from '../../actors/machine/idempotency.ts';
import { AppError } from '../../errors.ts';
import { within } from '../../kit/deadline.ts';
import type { Dispatched, Origin } from '../../runtime/ports.ts';
import type { Answer } from './answer.ts';
import { Changed } from './changes.ts';
import type { Api, Call } from './endpoint.ts';
import { problemOf } from './problem.ts';

/**
 * A command's answer at the latest: LHC's clients give up after 5 s, some of them within a visitor's page
 * (docs/contracts.md).
 */
export const COMMAND_DEADLINE_MS = 4_500;

const Accepted = z
  .object({
    actor: z
      .string()
      .openapi({ description: 'The stream of the actor', example: 'visitor-acme.7' }),
    state: z
      .unknown()
      .openapi({ example: { presence: 'online', conversation: 'none' }, description: 'Its state' }),
    revision: z.int().openapi({ description: 'The revision of the last fact in the stream' }),
    position: z.string().nullable().openapi({
      description: 'Send it as `minPosition` with a query that has to see this command',
    }),
    changed: Changed,
  })
  .openapi('Accepted');

/** The success of every command, for its spec. */
export const ACCEPTED = {
  status: 202,
  description: 'Done: the facts are durable',
  schema: Accepted,
} as const;

/**
 * Where a command comes from. A message's id goes before the Idempotency-Key: the same message sent twice is one.
 * @throws {AppError} `invalid` if the Idempotency-Key is malformed
 */
export function originOf(
  {
    request,
    requestId,
    freshId,
  }: Pick<Call<unknown, unknown, unknown, unknown>, 'request' | 'requestId' | 'freshId'>,
  messageId?: string,
): Origin {
  const key = request.header('idempotency-key');
  if (key !== undefined && !/^[!-~]{1,200}$/.test(key)) {
    throw new AppError('invalid', 'has to be 1 to 200 visible ASCII characters', {
      field: 'Idempotency-Key',
    });
  }
  const callersId = messageId !== undefined ? `msg:${messageId}` : key && `key:${key}`;
  return { commandId: callersId ?? `${AUTOMATIC}${freshId}`, correlationId: requestId };
}

const late = (): AppError =>
  new AppError(
    'timeout',
    'the service does not know yet whether the command is done; send it again with the same message id or Idempotency-Key',
  );

/**
 * Waits for a command, counts its outcome and makes the answer.
 * @throws {AppError} `timeout` at the deadline
 */
export async function answerCommand(
  { metrics }: Api,
  command: string,
  work: Promise<Dispatched>,
  deadlineMs = COMMAND_DEADLINE_MS,
): Promise<Answer> {
  try {
    const { actor, state, revision, position, facts } = await within(deadlineMs, work, late);
    metrics.command(command, facts > 0 ? 'accepted' : 'unchanged');
    return { status: 202, json: { actor: streamOf(actor), state, revision, position } };
  } catch (error) {
    metrics.command(command, problemOf(error).code);
    throw error;
  }
}
