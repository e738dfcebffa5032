/** What all commands have in common: where they come from, and what they answer. */
import { z } from '@hono/zod-openapi';
import { streamOf } from '../../actors/ids.ts';
import { AUTOMATIC } from '../../actors/machine/seen.ts';
import { AppError } from '../../errors.ts';
import type { Dispatched, Origin } from '../../runtime/ports.ts';
import type { Answer } from './answer.ts';
import type { Api, Call } from './endpoint.ts';
import { problemOf } from './problem.ts';

const Accepted = z
  .object({
    actor: z
      .string()
      .openapi({ description: 'The stream of the actor', example: 'visitor-acme.7' }),
    state: z
      .unknown()
      .openapi({ example: { presence: 'online', conversation: 'none' }, description: 'Its state' }),
    revision: z.int().openapi({ description: 'Of the last fact of its stream' }),
    position: z.string().nullable().openapi({
      description: 'Give it as `minPosition` to a query that has to see this',
    }),
  })
  .openapi('Accepted');

/** The answer of every command. */
export const ACCEPTED = {
  status: 202,
  description: 'Carried out: its facts are durable',
  schema: Accepted,
} as const;

/**
 * Where a command comes from. A message's own id is stronger than an Idempotency-Key: the same message twice is one.
 * @throws {AppError} `invalid` for an Idempotency-Key that is none
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
    throw new AppError('invalid', 'is 1 to 200 visible ASCII characters', {
      field: 'Idempotency-Key',
    });
  }
  const named = messageId !== undefined ? `msg:${messageId}` : key && `key:${key}`;
  return { commandId: named ?? `${AUTOMATIC}${freshId}`, correlationId: requestId };
}

/** LHC's clients wait 5 s, some of them within a visitor's page (docs/contracts.md). */
const ANSWER_WITHIN_MS = 4_500;

/** @throws {AppError} `timeout` when it is not done by then; it goes on all the same */
async function inTime<T>(work: Promise<T>, withinMs: number): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    work.catch(() => undefined); // nobody listens any more
    reject(
      new AppError(
        'timeout',
        'whether this was carried out is not known yet; send the same again, with the same id or Idempotency-Key',
      ),
    );
  }, withinMs);
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Counts a command's outcome and makes its answer.
 * @param withinMs for a command that also has to do something in ejabberd; default 4,500 ms
 */
export async function accept(
  { metrics }: Api,
  command: string,
  work: Promise<Dispatched>,
  withinMs = ANSWER_WITHIN_MS,
): Promise<Answer> {
  try {
    const { actor, state, revision, position, facts } = await inTime(work, withinMs);
    metrics.command(command, facts > 0 ? 'accepted' : 'unchanged');
    return { status: 202, json: { actor: streamOf(actor), state, revision, position } };
  } catch (error) {
    metrics.command(command, problemOf(error).code);
    throw error;
  }
}
