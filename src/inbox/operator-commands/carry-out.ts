/** Carries out a command that an operator wrote in a conversation, or refuses it with a reason for the operator. */
import { type Person, personOf } from '../../actors/ids.ts';
import { refuse } from '../../actors/machine/decider.ts';
import type { Hook, Said } from '../../actors/machine/idempotency.ts';
import type { OperatorCommand } from '../../actors/operator/decisions.ts';
import type { TenantDirectory } from '../../actors/tenant/directory.ts';
import type { VisitorCommand } from '../../actors/visitor/decisions.ts';
import type { Actors, Receiver, Transfer } from '../../runtime/ports.ts';
import type { Written } from './read.ts';

export type Command = Exclude<Written, { kind: 'message' }>;

/** The two people of a conversation. */
export interface Ends {
  readonly operator: Extract<Person, { kind: 'operator' }>;
  readonly visitor: Extract<Person, { kind: 'visitor' }>;
}

export interface CommandOrigin {
  /** The id of the message that contains the command. */
  readonly messageId: string;
  readonly commandId: string;
  readonly hook?: Hook | undefined;
  readonly said?: Said | undefined;
}

/** The command's name, as the answer to it has it. */
export const nameOf = (written: Command): string =>
  'command' in written ? written.command : written.kind;

/** Answers to a command that changes nothing. Without them the operator would see no reaction. */
const ALREADY = {
  take: 'you have this chat already',
  decline: 'you have declined this chat already',
} as const;

/**
 * Resolves when the facts are durable. A repeated command id does nothing.
 * @throws {AppError} `refused` with a reason for the operator; `not-found` if the visitor is unknown; and the errors of
 * the actor host
 */
export type CarryOut = (written: Command, ends: Ends, origin: CommandOrigin) => Promise<void>;

export function createCarryOut(options: {
  actors: Actors;
  tenants: TenantDirectory;
  transfer: Transfer;
}): CarryOut {
  const { actors, tenants, transfer } = options;

  /** True if this very command was carried out before. */
  async function isRepeat(visitor: Ends['visitor'], origin: CommandOrigin): Promise<boolean> {
    const { commandId, hook, said } = origin;
    const seen = (await actors.visitor(visitor.tenant, visitor.name).state())?.seen;
    if (!seen) return false;
    return (
      seen.hasCommand(commandId) || (!!hook && seen.hasHook(hook)) || (!!said && seen.wasSaid(said))
    );
  }

  /** The receiver by the name that the operator wrote. The name may be an operator's XMPP address. */
  function receiverOf(name: string, { operator }: Ends): Receiver {
    const person = personOf(name, tenants.ofHost);
    return person?.kind === 'operator' && person.tenant === operator.tenant
      ? { operator: person.name }
      : { name };
  }

  return async (written, ends, origin) => {
    const { operator, visitor } = ends;
    const { messageId, ...sent } = origin;
    const by = operator.name;
    const sendToOperator = async (command: OperatorCommand): Promise<void> => {
      await actors.operator(operator.tenant, by).send(command, sent);
    };
    const sendToVisitor = (command: VisitorCommand) =>
      actors.visitor(visitor.tenant, visitor.name).send(command, sent);

    switch (written.kind) {
      case 'take':
      case 'decline': {
        const type = written.kind === 'take' ? 'AcceptChat' : 'DeclineChat';
        const { facts } = await sendToVisitor({ type, operator: by });
        // Without facts the command changed nothing, or it is a repeat.
        if (facts > 0 || (await isRepeat(visitor, origin))) return;
        return refuse(ALREADY[written.kind]);
      }
      case 'transfer': {
        const request = { chatId: null, from: by, to: receiverOf(written.name, ends) };
        await transfer(visitor.tenant, visitor.name, request, sent);
        return;
      }
      case 'close': {
        const { reason } = written;
        const command = { type: 'CloseChat', chatId: null, by: 'operator', operator: by } as const;
        await sendToVisitor({ ...command, reason });
        return;
      }
      case 'note':
        await sendToVisitor({
          type: 'AddNote',
          operator: by,
          noteId: messageId,
          body: written.text,
        });
        return;
      case 'lhc': {
        const { command, text } = written;
        await sendToVisitor({
          type: 'SendOperatorCommand',
          operator: by,
          messageId,
          command,
          text,
        });
        return;
      }
      case 'availability': {
        const away = written.command === 'away';
        await sendToOperator({ type: 'SetAvailability', away, visitor: visitor.name, messageId });
        return;
      }
      case 'question': {
        const { command, argument } = written;
        const question = { type: 'AskQuestion', visitor: visitor.name, messageId } as const;
        await sendToOperator({ ...question, command, argument });
        return;
      }
      case 'faulty':
        return refuse(written.reason);
    }
  };
}
