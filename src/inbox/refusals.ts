/** Why something that an operator sent does not reach the visitor, as the operator reads it. */
import type { OperatorCommand } from '../actors/operator/decisions.ts';
import type { Origin } from '../runtime/ports.ts';
import type { MessageParts } from './message-parts.ts';
import { type CommandPlace, nameOf } from './operator-commands/carry-out.ts';
import type { Written } from './operator-commands/read.ts';
import { sendToOperator } from './people.ts';

/** What a client sends that takes a message back (XEP-0424). */
export const RETRACTION = 'retraction';
/** Why a visitor cannot be shown something, and what the operator can do instead. */
export const UNSUPPORTED: ReadonlyMap<string, string> = new Map([
  [
    'encrypted',
    'it is encrypted, and visitors cannot read that; switch encryption off for this contact',
  ],
  [
    'encrypted-file',
    'it is an encrypted file, and visitors cannot open that; switch encryption off for this contact and send it again',
  ],
  [RETRACTION, 'the visitor has the message already'],
  ['reaction', 'visitors cannot see reactions; write a message instead'],
]);
export const UNSUPPORTED_OTHER =
  'visitors cannot see what your client has sent; write a message instead';

export const UNSUPPORTED_AT_DESK =
  'the front desk reads plain text alone; !help says what it knows';

/** A client says that a quotation ends within a command. */
export const NO_QUOTATION =
  'your client does not say rightly where the quotation ends; write it again, without a reply';

/** What a person reads whose message was set aside. */
export const SET_ASIDE =
  'the service could not pass it on. It is kept for an administrator; write it again if it is urgent';
/** What an operator reads who wrote more than their budget allows. */
export const TOO_FAST =
  'you write faster than this service passes on. What you write in the next seconds is returned to you';

/** Refuses a message or a command, with a reason for its sender. @returns false: LHC does not get it */
export const refusal =
  (
    parts: MessageParts,
    { operator, visitor }: CommandPlace,
    messageId: string,
    origin: Partial<Origin>,
    written: Written,
  ) =>
  async (reason: string): Promise<false> => {
    const command: OperatorCommand = {
      type: 'RefuseMessage',
      visitor: visitor?.name ?? null,
      messageId,
      reason,
      ...(written.kind !== 'message' && { command: nameOf(written) }),
    };
    await sendToOperator(parts, operator, command, origin);
    return false;
  };
