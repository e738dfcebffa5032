/** Where a command comes from: the message that it is in. */
import type { Hook, Said } from '../../actors/machine/idempotency.ts';

export interface CommandOrigin {
  /** The id of the message that contains the command. */
  readonly messageId: string;
  readonly commandId: string;
  readonly hook?: Hook | undefined;
  readonly said?: Said | undefined;
  /** The operator's client asked for a receipt, for markers: of a canned text that goes to the visitor. */
  readonly receipt?: boolean;
  readonly markable?: boolean;
  /** The id of the message that it corrects (XEP-0308). */
  readonly replaces?: string;
}

/** What an actor has to know of where a command comes from. */
export const originOf = ({ commandId, hook, said }: CommandOrigin) => ({
  commandId,
  ...(hook && { hook }),
  ...(said && { said }),
});

/** Events of a queue keep their order for the operator alone, so other actors get no number of it. */
export const withoutNumber = ({
  commandId,
  said,
}: CommandOrigin): { commandId: string; said?: Said } => ({
  commandId,
  ...(said && { said }),
});
