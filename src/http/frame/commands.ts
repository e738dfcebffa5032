/** What all commands have in common: the origin, the deadline and the answer. */
import { createHmac } from 'node:crypto';
import { z } from '@hono/zod-openapi';
import { streamOf, type VisitorKey } from '../../actors/ids.ts';
import {
  AUTOMATIC,
  FINGERPRINT_KEY_CHARACTERS,
  OF_KEY,
  OF_MESSAGE,
} from '../../actors/machine/idempotency.ts';
import { AppError } from '../../errors.ts';
import { within } from '../../kit/deadline.ts';
import type { Dispatched, Origin } from '../../runtime/ports.ts';
import type { Answer } from './answer.ts';
import type { Caller } from './auth.ts';
import { Changed } from './changes.ts';
import type { Api, Call } from './endpoint.ts';
import { problemOf } from './problem.ts';

/**
 * A command's answer at the latest: LHC's clients give up after 5 s, some of them within a visitor's page
 * (docs/contracts.md).
 */
export const COMMAND_DEADLINE_MS = 4_500;

export const Accepted = z
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
 * @param message the request's message. `digest`: the fingerprint of its text, if the caller gave the id
 * @throws {AppError} `invalid` if the Idempotency-Key is malformed
 */
export function originOf(
  { deps }: Pick<Api, 'deps'>,
  { asked, requestId, freshId, body }: Call<unknown, unknown, unknown, unknown>,
  message?: { readonly id: string; readonly digest?: string },
): Origin {
  const { key, method, path } = asked;
  if (key !== undefined && !/^[!-~]{1,200}$/.test(key)) {
    throw new AppError('invalid', 'has to be 1 to 200 visible ASCII characters', {
      field: 'Idempotency-Key',
    });
  }
  const common = { correlationId: requestId };
  if (message?.digest !== undefined) {
    return { ...common, commandId: `${OF_MESSAGE}${message.id}`, request: message.digest };
  }
  if (key === undefined) return { ...common, commandId: `${AUTOMATIC}${freshId}` };
  // The fields of a parsed body are in the order of its schema, whatever the caller's was.
  const request = fingerprint(deps.digestKey, [method, path, body]);
  return { ...common, commandId: `${OF_KEY}${key}`, request };
}

/** Characters of base64url in a fingerprint: 48 bits, as many as tell two requests with the same id apart. */
const FINGERPRINT_CHARACTERS = 8;

/**
 * Stands for a text that the log must not tell: a password, a message. It is keyed, because whoever reads the log could
 * try guesses on a plain hash. It begins with characters that name the key.
 */
export function fingerprint(key: Uint8Array, parts: readonly unknown[]): string {
  const digest = (text: string) => createHmac('sha256', key).update(text).digest('base64url');
  const name = digest('the name of this key').slice(0, FINGERPRINT_KEY_CHARACTERS);
  return name + digest(JSON.stringify(parts)).slice(0, FINGERPRINT_CHARACTERS);
}

/** Names a message: with an id, and if the caller gave the id with a fingerprint of the text, so that nobody else can use it again. */
export const identifiedBy =
  ({ deps: { newId, digestKey } }: Pick<Api, 'deps'>) =>
  (
    { tenant }: Caller,
    key: VisitorKey,
    { id, body }: { readonly id?: string | undefined; readonly body: string },
  ): { id: string; body: string; digest?: string } =>
    id === undefined
      ? { id: newId(), body }
      : { id, body, digest: fingerprint(digestKey, ['message', tenant.id, key, id, body]) };

/** Of a command whose answer did not come in time. */
export const late = (): AppError =>
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
